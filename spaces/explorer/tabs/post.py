"""Tab 5: the post with its figures, and each of its claims with the tab that shows it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import gradio as gr
from claims import Claim, claims
from folder import HERE

__all__ = ["build", "embedded"]

POST = HERE / "post.md"
_SHOWN = {
    "trajectories": ("trajectory", "Slide a window along a series yourself"),
    "agreement": ("trajectory", "Change the window’s length and watch the shapes change"),
    "thermometer": ("thermometer", "Move the temperature yourself"),
    "standing": ("thermometer", "Switch the nucleus on and off"),
    "progression": ("results", "See every report"),
    "blind": ("results", "See every report"),
}
"""Figures of the post that a tab brings to life: the tab, and what the link says."""
_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}


def embedded(text: str, folder: Path) -> str:
    """Return a post without its front matter, with its figures in the text and links to tabs.

    Parameters
    ----------
    text
        Markdown; an image is a path below `folder`.
    folder
        Where the figures lie. A figure that is not there keeps its description alone.
    """
    title = ""
    if head := re.match(r"---\n(.*?)\n---\n", text, re.DOTALL):
        text = text[head.end() :]
        found = re.search(r"^title:\s*[\"']?(.*?)[\"']?\s*$", head[1], re.MULTILINE)
        title = f"# {found[1]}\n\n" if found and not text.lstrip().startswith("# ") else ""

    def image(match: re.Match[str]) -> str:
        path = (folder / match[2]).resolve()
        inside = path.is_relative_to(folder.resolve()) and path.suffix in _TYPES
        if not inside or not path.is_file():
            return f"*{match[1]}*"
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        return f"![{match[1]}](data:{_TYPES[path.suffix]};base64,{data})"

    def linked(match: re.Match[str]) -> str:
        tab, invitation = _SHOWN[match[1]]
        return f"{match[0].rstrip()}\n\n[{invitation}](#{tab})"

    paragraph = rf"^!\[.*\]\(figures/({'|'.join(_SHOWN)})\.svg\)(?:\n(?!\n).*)*"
    text = re.sub(paragraph, linked, text, flags=re.MULTILINE)
    return title + re.sub(r"!\[([^\]]*)\]\(((?!https?:)[^)\s]+)\)", image, text)


def build(tabs: gr.Tabs, temperature: gr.Slider, nucleus: gr.Checkbox, report: gr.Dropdown) -> None:
    """Build the tab; a claim's button opens the tab that shows it, set as the claim says."""

    def go(claim: Claim) -> tuple:
        return (
            gr.Tabs(selected=claim.tab),
            gr.skip() if claim.temperature is None else claim.temperature,
            gr.skip() if claim.nucleus is None else claim.nucleus,
            gr.skip() if claim.report is None else claim.report,
        )

    with gr.Accordion("What the post claims, and where to see it", open=True, elem_id="claims"):
        for claim in claims():
            with gr.Row(elem_classes="claim"):
                gr.Markdown(claim.text)
                button = gr.Button(
                    f"See it in {claim.tab.capitalize()}", size="sm", min_width=150, scale=0
                )
                button.click(
                    lambda claim=claim: go(claim), None, [tabs, temperature, nucleus, report],
                    api_visibility="private", show_progress="hidden",
                )  # fmt: skip
    if POST.is_file():
        text = embedded(POST.read_text(encoding="utf-8"), HERE)
        gr.Markdown(text, elem_id="post", latex_delimiters=[])
