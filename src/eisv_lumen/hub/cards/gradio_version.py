"""The version of gradio that a Space's card asks for."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

__all__ = ["gradio_version"]


def gradio_version() -> str:
    """Return the installed version, else the least that our own extra asks for."""
    try:
        return version("gradio")
    except PackageNotFoundError:
        pass
    for requirement in requires("eisv-lumen") or ():
        if least := re.match(r"gradio\s*>=\s*([\d.]+)", requirement):
            return f"{least[1]}.0" if least[1].count(".") == 1 else least[1]
    raise LookupError("pyproject.toml names no gradio")
