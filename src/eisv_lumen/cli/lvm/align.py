"""The causal alignment tests and the table that compares models."""

import typer

app = typer.Typer()
