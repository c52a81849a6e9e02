"""What the three Spaces share: theme, links to each other, and bars between floor and perfection.

A Space is one folder on the Hub, so this file is copied into each of them when they are published.
"""

import os
from html import escape

import gradio as gr

__all__ = ["CSS", "LAUNCH", "THEME", "bars", "head", "links"]

# The fonts come with gradio: nothing is fetched from anywhere. Its semibold one lacks glyphs.
THEME = gr.themes.Default(
    primary_hue="teal",
    secondary_hue="teal",
    neutral_hue="slate",
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
    font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
).set(  # the defaults are too pale: grey on white, and white on teal
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_label_text_color="*neutral_700",
    block_title_text_color="*neutral_700",
    block_info_text_color="*neutral_600",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_300",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_800",
)
CSS = """
.gradio-container { width: 100%; max-width: 1240px !important; margin: 0 auto !important; }
.gradio-container .main { padding: 14px 20px !important; }
footer .divider { display: none !important; }
.family { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 0.92rem; margin: 2px 0 8px; }
.family a { color: var(--link-text-color); text-decoration: underline; }
.between { display: grid; gap: 8px; }
.between > div { display: grid; grid-template-columns: 12em 1fr 9em; gap: 10px;
  align-items: center; }
.between .bar { position: relative; height: 18px; border-radius: 4px;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.between .bar i { position: absolute; top: 0; bottom: 0; left: 0; background: #0f766e;
  border-radius: 3px 0 0 3px; }
.dark .between .bar i { background: #14b8a6; }
.between .bar u { position: absolute; top: -5px; bottom: -5px; width: 3px; background: #64748b; }
.between .bar u.perfect { background: #1d4ed8; }
.dark .between .bar u.perfect { background: #93c5fd; }
.between b { font-weight: 400; font-variant-numeric: tabular-nums; }
.between small { grid-column: 1 / -1; color: var(--body-text-color-subdued); }
:focus-visible { outline: 3px solid #1d4ed8 !important; outline-offset: 2px !important; }
.dark :focus-visible { outline-color: #93c5fd !important; }
@media (max-width: 640px) {
  .between > div { grid-template-columns: 1fr auto; }
  .between .bar { grid-column: 1 / -1; order: 3; }
}
"""
LAUNCH = {"theme": THEME, "css": CSS, "ssr_mode": False, "footer_links": ["api"]}

_FAMILY = (
    ("explorer", "Explorer: words that move"),
    ("eisv_coherence", "Coherence metric"),
    ("causal_alignment", "Causal alignment metric"),
)


def links(own: str) -> str:
    """Return links to the other Spaces, and to the project's page, as HTML."""
    owner = os.environ.get("SPACE_ID", "eisv-lumen/x").split("/")[0]
    others = "".join(
        f'<a href="https://huggingface.co/spaces/{owner}/{name}">{title}</a>'
        for name, title in _FAMILY
        if name != own
    )
    return f'<nav class="family" aria-label="Related Spaces">{others}</nav>'


def head(title: str, about: str) -> str:
    """Return what a link to the Space shows elsewhere, for the page's head."""
    where = os.environ.get("SPACE_ID", "")
    image = f"https://huggingface.co/spaces/{where}/resolve/main/thumbnail.png"
    shown = {"og:title": title, "og:description": about, "og:type": "website"}
    shown |= {"og:image": image} if where else {}
    tags = "".join(f'<meta property="{k}" content="{escape(v)}">' for k, v in shown.items())
    return f'<meta name="description" content="{escape(about)}">{tags}'


def bars(rows, most: float, legend: str) -> str:
    """Return bars with their values as text: rows of (name, value, floor, perfect)."""
    out = []
    for name, value, floor, perfect in rows:
        wide = [max(0.0, min(100.0, 100 * x / most)) for x in (value, floor, perfect)]
        out.append(
            f"<div><span>{escape(name)}</span>"
            f'<div class="bar"><i style="width:{wide[0]:.1f}%"></i>'
            f'<u style="left:{wide[1]:.1f}%"></u>'
            f'<u class="perfect" style="left:{wide[2]:.1f}%"></u>'
            f"</div><b>{value:.3f} of {perfect:.3f}</b></div>"
        )
    return f'<div class="between" role="group">{"".join(out)}<small>{escape(legend)}</small></div>'
