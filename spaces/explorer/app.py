"""The explorer: how a window of states becomes words, and what a score of those words can mean.

Everything that it shows travels in this folder: the package as a wheel, results, examples, models
and the post. It needs neither a network nor an accelerator.
"""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
import lumen  # noqa: E402
import picture as tables  # noqa: E402
from drawing.parts import note  # noqa: E402
from drawing.window import place, shapes_along  # noqa: E402
from drawing.words import shape_colors  # noqa: E402
from family import THEME, links  # noqa: E402
from family import head as shown_elsewhere  # noqa: E402
from folder import LONG_RUN, load_example, speakers  # noqa: E402
from tabs import picture, post, results, thermometer, trajectory, voice  # noqa: E402

from eisv_lumen.trajectory.windows import WINDOW  # noqa: E402

TITLE = "EISV-Lumen explorer: from a trajectory to words"
ABOUT = (
    "See an agent’s states turn into words, slide the decoding temperature, and watch a score "
    "climb while nothing is learned."
)
HEAD = (
    "# EISV-Lumen explorer\nFrom an agent’s states to words, and what a score of those words means."
)
PAGE = HERE / "page"
MODULES = ("state", "law", "picture", "tabs")


def head() -> str:
    """Return what stands in the page's head: how it is shown elsewhere, its tables, its modules."""
    loaded = [f"gradio_api/file={quote(str(PAGE / name))}.mjs" for name in MODULES]
    ahead = "".join(f'<link rel="modulepreload" href="{path}">' for path in loaded)
    run = "".join(f'<script type="module" src="{path}"></script>' for path in loaded[2:])
    return f"{shown_elsewhere(TITLE, ABOUT)}{picture.head()}{ahead}{run}"


def launch_settings() -> dict[str, Any]:
    """Return what `launch` is given."""
    return {
        "theme": THEME,
        "css": shape_colors()
        + "".join((PAGE / f"{name}.css").read_text("utf-8") for name in ("style", "picture")),
        "head": head(),
        "max_file_size": "64mb",
        "state_session_capacity": 200,
        "show_error": True,
        "ssr_mode": False,
        "footer_links": ["api"],
        "mcp_server": _has_mcp(),
    }


def _has_mcp() -> bool:
    """Say whether the MCP extra is there: the Hub installs it, a plain gradio does without."""
    return importlib.util.find_spec("mcp") is not None


def build() -> gr.Blocks:
    """Build the page; what it shows stands in its address, as `?tab=thermometer` and the like."""
    gr.set_static_paths([PAGE, HERE / "figures"])
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=False) as page:
        gr.Markdown(HEAD, elem_id="head")
        with gr.Tabs(selected="words", overflow_behavior="wrap", elem_id="tabs"):
            with gr.Tab("Words", id="words", elem_id="tab-words"):
                picture.build()
            with gr.Tab("Your trajectory", id="trajectory", elem_id="tab-trajectory") as tab:
                trajectory.build(tab)
            with gr.Tab("Thermometer", id="thermometer", elem_id="tab-thermometer") as tab:
                thermometer.build(tab)
            with gr.Tab("Voice", id="voice", elem_id="tab-voice") as tab:
                voice.build(tab)
            with gr.Tab("Results", id="results", elem_id="tab-results") as tab:
                results.build(tab)
            with gr.Tab("Post", id="post", elem_id="tab-post") as tab:
                post.build(tab, "post")
            with gr.Tab("Second post", id="vectors", elem_id="tab-vectors") as tab:
                post.build(tab, "vectors")
        if missing := speakers()[1]:
            gr.HTML(note(missing), padding=False)
        gr.HTML(links("explorer"), elem_id="family", padding=False)
    return page


def warm() -> None:
    """Compile the kernel, load the models and enumerate their laws while the page is served."""
    shapes_along(place(load_example(LONG_RUN), 0, WINDOW))
    for speaker in speakers()[0]:
        getattr(speaker, "warm", lambda: None)()
    tables.laws_and_windows()


if __name__ == "__main__":
    lumen.begin()
    demo = build()
    threading.Thread(target=warm, daemon=True).start()
    demo.launch(**launch_settings())
