"""Tab 1: a window slides along a series; its shape, the rule that fired, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
import numpy as np
from drawing.parts import note
from drawing.window import View, dimensions, opening, place, shapes_along, show_shape, whole
from drawing.words import plain
from express import explained
from folder import HERE, LONG_RUN, example_names, load_example
from uploads import FILE_TYPES, read_series
from verdict import rules, say, verdict

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.rules.explain import Explanation
from eisv_lumen.trajectory.windows import WINDOW, classify

__all__ = ["build", "explain_file", "explain_states"]

LEAST, MOST = 4, 60
KINDS = "CSV, Parquet, JSON lines (.jsonl), anima.db"
INTRO = """
**Lumen** is a small agent in a Raspberry Pi. Every few seconds it logs how it is, in four numbers.
Slide a **window** of states along such a log: nine rules, tried in order, give the window a
**shape**, and each shape has its own way of being put into words.
"""


def explain_states(states: list[list[float]]) -> dict:
    """Explain one window: its shape, and every rule with what it found.

    Args:
        states: Two or more, each [t in seconds, E, I, S, V] or [t, E, I, S, V, ethical drift], in order of time.
    """  # noqa: E501 (gradio reads one line an argument)
    try:
        return _as_json(explained(states)[1])
    except ValueError as error:  # InputError is one
        raise gr.Error(str(error), print_exception=False) from error


def _as_json(found: Explanation) -> dict:
    return {
        "shape": found.shape,
        "fired": found.fired + 1,
        "rules": [
            {
                "shape": rule.shape,
                "holds": rule.holds,
                "conditions": [
                    {
                        "quantity": c.quantity, "value": c.value, "relation": c.relation,
                        "threshold": c.threshold, "unit": c.unit, "margin": c.margin,
                        "holds": c.holds,
                    }
                    for c in rule.conditions
                ],
            }
            for rule in found.rules
        ],
    }  # fmt: skip


def explain_file(path: str | None, start: float, window: float) -> dict:
    """Explain one window of an uploaded CSV, Parquet or JSON lines file, or anima.db."""
    if path is None:
        raise gr.Error(f"give a file: {KINDS}", print_exception=False)
    try:
        series, remark = read_series(path)
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from error
    view = place(series, start, window)
    found = _as_json(view.explanation())
    return {"states": len(series), "note": remark, "start": view.start, **found}


def _chosen(example: str) -> tuple:
    series = load_example(example)
    start = show_shape(series, example) if example in SHAPES else opening(series)
    return (*_opened(place(series, start, WINDOW)), "")


def _uploaded(path: str | None) -> tuple:
    """Open a visitor's file, of no example; where it cannot be used, say why and change nothing."""
    if path is None:
        return gr.skip(), gr.skip(), gr.skip(), "", gr.skip()
    try:
        series, remark = read_series(path)
        return (*_opened(place(series, opening(series), WINDOW)), note(remark), None)
    except InputError as error:
        return gr.skip(), gr.skip(), gr.skip(), note(str(error), "alert"), gr.skip()


# A slider needs room to move: a series as short or as long as its window gets one idle step.
def _opened(view: View) -> tuple:
    longest = min(MOST, len(view.series))
    return view, _position(view), gr.Slider(min(LEAST, longest - 1), longest, view.window)


def _position(view: View) -> gr.Slider:
    return gr.Slider(0, max(len(view.series) - view.window, 1), view.start)


def _slid(view: View, start: float) -> View:
    return place(view.series, start, view.window)


def _sized(view: View, window: float) -> tuple[View, gr.Slider]:
    resized = place(view.series, view.start, window)
    return resized, _position(resized)


def _jumped(view: View, shape: str | None) -> tuple[View, gr.Slider, str]:
    """Move to the next window of a shape, going round at the end."""
    if not shape:
        return view, gr.skip(), note("Choose a shape first.")
    s = view.series
    codes = classify(s.t, s.X, window=view.window, stride=1, ethical_drift=s.ethical_drift)
    found = np.flatnonzero(codes == SHAPES.index(shape))
    if not found.size:
        text = f"No window of {view.window} states in this series is {plain(shape)}."
        return view, gr.skip(), note(text)
    # The end of the stretch that the window stands in is skipped: the next one is wanted.
    other = np.flatnonzero((codes != SHAPES.index(shape)) & (np.arange(len(codes)) >= view.start))
    later = found[found > other[0]] if other.size else found[:0]
    moved = replace(view, start=int(later[0] if later.size else found[0]))
    return moved, _position(moved), ""


def _drawn(view: View) -> tuple[str, str, str, str]:
    found = view.explanation()
    return dimensions(view), verdict(found), rules(found), whole(view)


def build(tab: gr.Tab) -> None:
    """Build the tab, and say which events redraw what."""
    first = place(load_example(LONG_RUN), opening(load_example(LONG_RUN)), WINDOW)
    gr.Markdown(INTRO)
    view = gr.State(first)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            example = gr.Dropdown(
                [(plain(name), name) for name in example_names()],
                value=LONG_RUN,
                label="Example",
                info="A run like Lumen's log, or a stretch that holds one shape.",
            )
            upload = gr.File(
                label=f"Or your own: {KINDS}",
                file_types=FILE_TYPES,
                height=150,
                elem_id="upload",
            )
            gr.DownloadButton(
                "Download an example CSV", HERE / "examples" / "void_rising.csv", size="sm",
                elem_id="sample",
            )  # fmt: skip
            message = gr.HTML(elem_id="upload-message")
            size = gr.Slider(LEAST, MOST, WINDOW, step=1, label="States in the window")
        with gr.Column(scale=2, min_width=320):
            overview_html = gr.HTML(elem_id="overview")
            strip_html = gr.HTML(elem_id="strip")
            position = gr.Slider(
                0, len(first.series) - WINDOW, first.start, step=1, elem_id="position",
                label="Slide the window: it starts at state",
            )  # fmt: skip
            with gr.Row(elem_classes="middle"):
                wanted = gr.Dropdown(
                    [(plain(s), s) for s in SHAPES], value=None, elem_id="wanted", min_width=200,
                    label="Or go to the next window of", scale=3,
                )  # fmt: skip
                onward = gr.Button("Next", size="sm", min_width=80, scale=1, elem_id="onward")
    verdict_html = gr.HTML(elem_id="verdict")
    with gr.Accordion(
        "All nine rules, with what each found and by how much", open=False, elem_id="rules"
    ):
        rules_html = gr.HTML()
    with gr.Accordion("Each dimension, with its derivatives", open=False, elem_id="derivatives"):
        dimensions_html = gr.HTML(elem_id="dimensions")
    gr.Markdown("## What is said of it")
    with gr.Row(elem_classes="middle"):
        temperature = gr.Slider(
            0, 1.2, 0.3, step=0.05, label="Decoding temperature", min_width=260, scale=3,
            info="1 is the speakers' own; colder is more predictable.",
        )  # fmt: skip
        again = gr.Button("Say it again", variant="primary", min_width=160, scale=1)
    seed = gr.State(0)
    said = gr.HTML(elem_id="said")

    drawn = [dimensions_html, verdict_html, rules_html, overview_html]
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    told = {"fn": say, "inputs": [view, temperature, seed], "outputs": said}
    opened = [view, position, size, message]
    for event, fn, inputs, outputs in (
        (example.input, _chosen, example, opened),
        (upload.upload, _uploaded, upload, [*opened, example]),
    ):
        event(fn, inputs, outputs, **quiet).then(_drawn, view, drawn, **quiet).then(
            shapes_along, view, strip_html, **quiet
        ).then(**told, **quiet)
    upload.clear(lambda: "", None, message, **quiet)
    position.input(_slid, [view, position], view, trigger_mode="always_last", **quiet).then(
        _drawn, view, drawn, **quiet
    )
    size.release(_sized, [view, size], [view, position], **quiet).then(
        _drawn, view, drawn, **quiet
    ).then(shapes_along, view, strip_html, **quiet).then(**told, **quiet)
    # Not `input`, which a mouse makes twice (for the choice, and as the list loses the focus), nor
    # `select`, which a keyboard does not make.
    for event in (wanted.change, onward.click):
        event(_jumped, [view, wanted], [view, position, message], **quiet).then(
            _drawn, view, drawn, **quiet
        ).then(**told, **quiet)
    position.change(**told, trigger_mode="always_last", **quiet)
    temperature.change(**told, trigger_mode="always_last", **quiet)
    again.click(lambda s: s + 1, seed, seed, **quiet).then(**told, **quiet)
    tab.select(_drawn, view, drawn, **quiet).then(shapes_along, view, strip_html, **quiet).then(
        **told, **quiet
    )

    gr.api(explain_states, api_name="explain")
    # An endpoint that takes a file needs components, as gr.api has none for it.
    start, states = (gr.Number(n, label=name, precision=0, visible=False, minimum=least)
                     for name, n, least in (("start", 0, 0), ("window", WINDOW, 2)))  # fmt: skip
    gr.Button(visible=False).click(
        explain_file, [upload, start, states], gr.JSON(label="explanation", visible=False),
        api_name="explain_file",
    )  # fmt: skip
