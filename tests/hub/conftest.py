"""A Hub double, and clients that know no other Hub: in this process, and in fresh ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from hub_double import READER, TOKEN, HubDouble, environment  # noqa: E402

Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def _server() -> Iterator[HubDouble]:
    with HubDouble() as server:
        yield server


@pytest.fixture
def hub(_server: HubDouble) -> HubDouble:
    """The double, empty, with the users ada (may write; in the org lab) and bob (reads)."""
    _server.reset()
    _server.user(TOKEN, "ada", orgs=("lab",))
    _server.user(READER, "bob", role="read")
    return _server


@pytest.fixture
def script(hub: HubDouble, tmp_path: Path) -> Script:
    """Run a Python script in a fresh process, as a stranger would: `script(code, *argv)`."""

    def run(
        code: str, *argv: object, token: str = TOKEN, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, argv)],
            env=environment(hub, tmp_path / "home", token), cwd=tmp_path, text=True,
            capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def here(hub: HubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubDouble:
    """Point huggingface_hub, as imported in this process, at the double.

    The library reads its environment once, on import, and its functions read `constants` on
    each call: so the constants are patched. Its waits between retries are cut to nothing.
    """
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import _http, close_session, disable_progress_bars

    home = tmp_path / "home"
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_ASSETS_CACHE": str(home / "assets"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)  # whose methods are the module's functions
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))
    disable_progress_bars()
    close_session()
    return hub


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the demo leaves it, with a small teacher that was trained whole."""
    from run_folders import make_run, recipe_of

    return make_run(tmp_path_factory.mktemp("whole") / "run", recipe_of("tiny"))


@pytest.fixture(scope="session")
def adapter_run(run: Path) -> Path:
    """The same with an adapter, whose base is that teacher."""
    from run_folders import make_adapter_run

    return make_adapter_run(run.parent / "adapter", run)
