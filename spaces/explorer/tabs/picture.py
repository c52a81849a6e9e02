"""Tab 1: pick a window, slide the temperature, and see the words and the score move."""

from __future__ import annotations

import json
from html import escape

import gradio as gr
from express import express
from picture import laws_and_windows, tables

__all__ = ["build", "head"]

PICTURE = '<div class="picture" aria-label="A window, its words, and their score"></div>'


def head() -> str:
    """Return the tables as the page's own data, which its modules read before anything is drawn."""
    data = json.dumps(tables(), ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="picture-data">{data}</script>'


def build() -> None:
    """Build the tab."""
    gr.HTML(
        f"<p class='lead'>{escape(LEAD)}</p>{PICTURE}",
        elem_id="picture",
        padding=False,
    )
    gr.api(express, api_name="express")
    gr.api(laws_and_windows, api_name="picture", api_visibility="undocumented")


LEAD = (
    "Pick a window of an agent’s life, then slide the temperature down: half-fitting words turn "
    "all-fitting, the score climbs, and nothing is learned."
)
