"""Train a model of the line P1 to P8."""

import typer

app = typer.Typer()
