"""What is installed on this machine: versions, extras, device, Hub login and caches."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from .extras import EXTRAS, missing_modules

__all__ = ["examine"]

_LIBRARIES: Final = (
    "numpy", "numba", "pyarrow", "pydantic", "typer", "huggingface-hub", "datasets", "torch",
    "transformers", "trl", "peft", "accelerate", "gradio", "matplotlib", "jinja2",
)  # fmt: skip


def examine() -> dict[str, Any]:
    """Return a JSON object about this machine; no token, and no request, leaves it.

    Returns
    -------
    dict
        `version`, `python`, `platform`, `executable`; `libraries`, a version or None each;
        `extras`, the modules that each lacks; `device` that torch would take, `cores`; `hub` with
        `endpoint`, `login` and `offline`; `caches` with `path` and `bytes` each.
    """
    from huggingface_hub import constants

    return {
        "version": version_of("eisv-lumen"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "libraries": {name: version_of(name) for name in _LIBRARIES},
        "extras": {extra: missing_modules(extra) for extra in EXTRAS},
        "device": _device(),
        "cores": os.cpu_count(),
        "hub": {
            "endpoint": constants.ENDPOINT,
            "login": _login(),
            "offline": bool(constants.HF_HUB_OFFLINE),
        },
        "caches": {
            name: {"path": str(path), "bytes": _size(path)}
            for name, path in (
                ("Hub", Path(constants.HF_HUB_CACHE)),
                ("vectors", Path(os.environ.get("EISV_LUMEN_CACHE") or "~/.cache/eisv-lumen")),
            )
        },
    }


def version_of(distribution: str) -> str | None:
    """Return the version of an installed distribution, else None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _device() -> str:
    if missing_modules("train"):
        return "cpu (torch is not installed)"
    import torch

    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _login() -> str:
    from huggingface_hub import get_token

    return "a token is stored" if get_token() else "nobody is logged in (`hf auth login`)"


def _size(folder: Path) -> int:
    files = (path for path in folder.expanduser().rglob("*"))
    return sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
