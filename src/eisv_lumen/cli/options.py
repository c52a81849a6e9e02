"""Options that several commands have, worded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..core.outputs import Recognise, check_result_file, check_result_folder
from ..core.secrets import Address

__all__ = [
    "REPORT",
    "CutStride",
    "CutWindow",
    "Force",
    "Json",
    "Seed",
    "Source",
    "Stride",
    "Window",
    "new_file",
    "new_folder",
]

Force = Annotated[
    bool, typer.Option("--force", help="Replace whatever file --out names.", is_eager=True)
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every draw.")]
Source = Annotated[
    Address,
    typer.Argument(
        parser=Address,
        metavar="SOURCE",
        help="anima.db, governance updates (.jsonl), states (.parquet, .csv), a dataset "
        "(.parquet, folder, owner/name on the Hub), or postgresql://…",
    ),
]
"""What commands read; passwords in it are out of sight from here on, see `core.secrets`."""
REPORT = {"schema_": "eisv-lumen-report/1"}
"""What a report of ours is recognised by."""
Root = Annotated[
    Path | None,
    typer.Option(
        help="A repository of eisv-lumen, in place of the Spaces, templates and results that come "
        "with the package."
    ),
]
Stride = Annotated[int, typer.Option(min=1, help="States from one window's start to the next's.")]
Window = Annotated[int, typer.Option(min=2, help="States in a window.")]
CutStride = Annotated[
    int | None,
    typer.Option(
        min=1, help="States from one window's start to the next's [10]; for states alone."
    ),
]
CutWindow = Annotated[
    int | None,
    typer.Option(min=2, help="States in a window [20]; of windows, the configuration."),
]
"""As `Window`, where the source may hold windows: what is not given is not asked of them."""


def new_file(ours: Recognise) -> Callable[[typer.Context, Path | None], Path | None]:
    """Guard an option that names a file to write: `typer.Option(callback=new_file(…))`."""

    def guard(ctx: typer.Context, value: Path | None) -> Path | None:
        if value is not None and not ctx.resilient_parsing:
            check_result_file(value, ours, force=bool(ctx.params.get("replace")))
        return value

    return guard


def new_folder(
    names: Sequence[str], ours: Recognise
) -> Callable[[typer.Context, Path | None], Path | None]:
    """Guard an option that names a folder to write `names` to, as `new_file` does."""

    def guard(ctx: typer.Context, value: Path | None) -> Path | None:
        if value is not None and not ctx.resilient_parsing:
            check_result_folder(value, names, ours)
        return value

    return guard
