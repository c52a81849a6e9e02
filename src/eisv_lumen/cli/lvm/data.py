"""From text to sequences, and the gates before training."""

import typer

app = typer.Typer()
