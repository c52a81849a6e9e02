"""The explorer: how a window of states becomes words, and what a score of those words can mean.

Everything that it shows travels in this folder: the package as a wheel, results, examples, models
and the post. It needs neither a network nor an accelerator.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def unpack_wheel() -> None:
    """Put the package that travels here before any that is installed.

    A Space installs its requirements before its own files are there, so that a wheel among them
    cannot be installed; and from within a zip archive, compiled code could not be cached.
    """
    for wheel in HERE.glob("eisv_lumen-*.whl"):
        room = tempfile.mkdtemp(prefix="eisv-lumen-")
        atexit.register(shutil.rmtree, room, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(room)
        sys.path.insert(0, room)


unpack_wheel()

import gradio as gr  # noqa: E402
from folder import LONG_RUN, load_example, speakers  # noqa: E402
from tabs import post, results, thermometer, trajectory, voice  # noqa: E402
from window import place, shapes_along  # noqa: E402
from words import shape_colors  # noqa: E402

from eisv_lumen.trajectory.windows import WINDOW  # noqa: E402

HEAD = """
# From a trajectory to words
How an agent’s inner states become a few words, and what a score of those words can mean.
"""
# The fonts come with gradio: nothing is fetched from anywhere. Its semibold one lacks glyphs.
THEME = gr.themes.Default(
    primary_hue="teal",
    secondary_hue="teal",
    neutral_hue="slate",
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
    font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
).set(  # the defaults are too pale: grey on white, and white on teal
    body_text_color_subdued="*neutral_500",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_800",
)
LAUNCH = {
    "theme": THEME,
    "css": shape_colors() + (HERE / "style.css").read_text(encoding="utf-8"),
    "js": (HERE / "links.js").read_text(encoding="utf-8"),
    "max_file_size": "64mb",
    "state_session_capacity": 200,
    "show_error": True,
    "ssr_mode": False,
    "footer_links": ["api"],
}


def build() -> gr.Blocks:
    """Build the page; its links `#thermometer` and the like open a tab."""
    with gr.Blocks(title="EISV-Lumen explorer", analytics_enabled=False, fill_width=False) as page:
        gr.Markdown(HEAD, elem_id="head")
        with gr.Tabs(selected="trajectory", overflow_behavior="wrap", elem_id="tabs") as tabs:
            with gr.Tab("Trajectory", id="trajectory", elem_id="tab-trajectory"):
                trajectory.build()
            with gr.Tab("Thermometer", id="thermometer", elem_id="tab-thermometer"):
                temperature, nucleus = thermometer.build()
            with gr.Tab("Voice", id="voice", elem_id="tab-voice"):
                voice.build()
            with gr.Tab("Results", id="results", elem_id="tab-results"):
                report = results.build()
            with gr.Tab("Post", id="post", elem_id="tab-post"):
                post.build(tabs, temperature, nucleus, report)
    return page


def warm() -> None:
    """Compile the kernel and load the models while the page is already served."""
    shapes_along(place(load_example(LONG_RUN), 0, WINDOW))
    for speaker in speakers()[0]:
        getattr(speaker, "warm", lambda: None)()


if __name__ == "__main__":
    demo = build()
    threading.Thread(target=warm, daemon=True).start()
    demo.launch(**LAUNCH)
