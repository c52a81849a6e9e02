"""Options that several commands have, worded once."""

from __future__ import annotations

from typing import Annotated

import typer

from ..core.secrets import Address

__all__ = ["DataSource", "Json", "Seed", "Source", "Stride", "Window"]

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
DataSource = Annotated[
    Address | None,
    typer.Option("--data", parser=Address, metavar="SOURCE"),
]
Stride = Annotated[int, typer.Option(min=1, help="States from one window's start to the next's.")]
Window = Annotated[int, typer.Option(min=2, help="States in a window.")]
