"""Each Space resolves with the builder's own line, and its app starts on what that line installs.

The Hub installs a Space's requirements together with gradio and its extras, in one call: a floor
of ours that those extras do not allow leaves a Space that never starts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from .running import running

ROOT = Path(__file__).parents[2]
SPACES = sorted(p.parent.name for p in (ROOT / "spaces").glob("*/requirements.txt"))
_BUILDER = ("gradio[oauth,mcp]=={}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces")
_DIFFERS = ("pydantic", "pydantic-core", "mcp", "pydantic-settings")
"""What the builder's extras hold back, and what they add: laid over this environment."""

pytestmark = pytest.mark.slow


def wanted(space: str) -> list[str]:
    """The Space's requirements with the builder's line.

    Without the extra index of CPU wheels, which the Hub sees and this machine may not: the plain
    index has the same releases of torch.
    """
    lines = (ROOT / "spaces" / space / "requirements.txt").read_text().split("\n")
    own = [line for line in lines if line and not line.startswith("--")]
    return [*own, *(line.format(version("gradio")) for line in _BUILDER)]


def resolved(space: str) -> dict[str, str]:
    """What pip would install of it: name to version; skips, and says why, without an index."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-q",
               "--report", "-", *wanted(space)]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    unreachable = re.search(r"No matching distribution found|Could not find a version", done.stderr)
    if done.returncode and (unreachable or "Temporary failure in name resolution" in done.stderr):
        pytest.skip(f"no package index to resolve {space} with: {done.stderr.strip()[-300:]}")
    assert not done.returncode, done.stderr
    items = json.loads(done.stdout)["install"]
    named = {re.sub(r"[-_.]+", "-", x["metadata"]["name"]).lower(): x["metadata"] for x in items}
    return {name: metadata["version"] for name, metadata in named.items()}


@pytest.mark.parametrize("space", SPACES)
def test_a_space_resolves_with_the_builders_line(space):
    found = resolved(space)
    assert found["gradio"] == version("gradio") and "mcp" in found


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the packages that the builder's line installs otherwise than we have them."""
    found = resolved("explorer")
    target = tmp_path_factory.mktemp("overlay")
    pins = [f"{name}=={found[name]}" for name in _DIFFERS if _here(name) != found[name]]
    if pins:
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target), *pins]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
        assert not done.returncode, done.stderr
    return target


def _here(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def laid_out(name: str, folder: Path) -> Path:
    """A metric Space as it is published."""
    from eisv_lumen.hub.contents.build import build_contents
    from eisv_lumen.hub.contents.context import Material

    part = {"eisv_coherence": "metric"}.get(name, name)
    (files,) = build_contents(Material(root=ROOT, namespace="ada"), only=[part]).values()
    for path, source in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    return folder


@pytest.mark.parametrize("name", SPACES)
def test_its_app_starts_on_what_that_line_installs(name, overlay, space, tmp_path, monkeypatch):
    from gradio_client import Client

    folder = space if name == "explorer" else laid_out(name, tmp_path / name)
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(overlay), before])))
    with running(folder) as (address, _, log):
        client = Client(address, verbose=False)
        assert client.view_api(return_format="dict", print_info=False)["named_endpoints"]
        client.close()
    assert "Traceback" not in log.read_text()
