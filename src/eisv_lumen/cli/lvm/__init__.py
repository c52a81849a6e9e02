"""`eisv-lumen lvm`: from text to sequences of vectors, models of the next one, and their test."""

import typer

from . import align, data, demo, serve, train

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
for _part in (demo, data, train, align, serve):
    app.add_typer(_part.app)
