"""Retrieval and the service."""

import typer

app = typer.Typer()
