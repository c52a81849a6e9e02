"""What every reader must do with whatever it is given: read it, or say in one sentence why not.

How many cases: EISV_FUZZ in all or a few more (`make fuzz`: 10,000), a few hundred by default.
"""

from __future__ import annotations

import faulthandler
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, settings

from eisv_lumen.core.errors import InputError

TOTAL = int(os.environ.get("EISV_FUZZ", "400"))
PATIENCE = 120  # seconds that a case may take on a busy machine before it counts as a hang
ROOM = 1 << 30  # bytes of address space that a case may add: its files are a few kilobytes


def cases(share: float) -> Any:
    """Settings for one reader, which gets its share of all cases."""
    few = "EISV_FUZZ" not in os.environ
    return settings(
        max_examples=max(10, round(TOTAL * share)), deadline=None, derandomize=few,
        database=None, print_blob=True, suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def survives(call: Callable[[], Any], name: str = "") -> Any:
    """Return what was read, None where it was refused with a message that names the file.

    Any other error escapes; so does a MemoryError, and a hang ends the process with a traceback.
    """
    try:
        with _bounded():
            return call()
    except InputError as error:
        text = str(error)
        assert name in text and "Traceback" not in text
        assert 0 < len(text) < 20_000
        return None


@contextmanager
def _bounded() -> Iterator[None]:
    # Arrow's own allocator takes address space by the gigabyte, used or not; malloc does not.
    pa.set_memory_pool(pa.system_memory_pool())
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        faulthandler.cancel_dump_traceback_later()
