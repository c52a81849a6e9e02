"""The commands of the Typer app, one by one, and how to run one in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import typer

from eisv_lumen.cli import _GROUPS, app, main
from eisv_lumen.core.secrets import Address

ROOT = typer.main.get_command(app)


def leaves() -> Iterator[tuple[str, Any]]:
    """Yield each command with its words, all groups down."""
    context = ROOT.make_context("eisv-lumen", [], resilient_parsing=True)
    for group in _GROUPS:
        _, command, _ = ROOT.resolve_command(context, [group])
        if not hasattr(command, "commands"):
            yield group, command
        for name, below in getattr(command, "commands", {}).items():
            yield f"{group} {name}", below


COMMANDS = dict(leaves())


def run(monkeypatch: pytest.MonkeyPatch, *args: object) -> int:
    """Run the command line here; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["eisv-lumen", *map(str, args)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def takes_text(parameter: Any) -> bool:
    """Whether a parameter takes text, a path or an address, one or several."""
    annotation = parameter.type_descriptor.annotation
    return annotation in (str, Path, Address, list[str], list[Path])


def value_for(parameter: Any, value: str | None = None) -> list[str]:
    """Return words that give a parameter a value, by default some value of its type."""
    annotation = parameter.type_descriptor.annotation
    if value is None and annotation in (int, float):
        value = "1"
    if value is None and isinstance(annotation, type) and issubclass(annotation, Enum):
        value = str(next(iter(annotation)).value)
    given = value or "nothing-there"
    return [given] if parameter.param_type_name == "argument" else [parameter.opts[0], given]
