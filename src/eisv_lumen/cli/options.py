"""Options that several commands have, worded once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["CutStride", "CutWindow", "Json", "Seed", "Source", "Stride", "Window"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every draw.")]
Source = Annotated[
    str,
    typer.Argument(
        help="anima.db, governance updates (.jsonl), states (.parquet, .csv), a dataset "
        "(.parquet, folder, owner/name on the Hub), or postgresql://…"
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
