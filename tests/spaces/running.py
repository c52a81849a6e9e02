"""A Space's app.py in a process of its own, without a network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 120  # seconds that a busy machine may take to start


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, float, Path]]:
    """Start the app; yields (url, seconds until it answered, its log)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder.with_name(f"{folder.name}-{port}.log")
    nowhere = "http://127.0.0.1:9"  # the port of `discard`: nobody answers there
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "GRADIO_"))}
    env |= {
        "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
        "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1,localhost",
    }  # fmt: skip
    begun = time.monotonic()
    with log.open("w") as sink:
        app = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=env, stdout=sink, stderr=sink
        )
    try:
        yield _answering(app, port, log), time.monotonic() - begun, log
    finally:
        app.terminate()
        app.wait(20)


def _answering(app: subprocess.Popen[bytes], port: int, log: Path) -> str:
    for _ in range(10 * PATIENCE):
        assert app.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no answer within {PATIENCE} s\n{log.read_text()}")
