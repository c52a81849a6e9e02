"""Tab 1: a window slides along a series; its shape, the rule that fired, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr
import numpy as np
from charts import Line, chart, overview, strip
from folder import LONG_RUN, example_names, load_example, speakers
from parts import cards, chips, figure, legend, note, shape_chip
from speakers import Said, Speaker, one_window
from uploads import read_series
from words import DIMENSIONS, SHAPE_MEANS, plain

from eisv_lumen.errors import InputError
from eisv_lumen.expression.coherence import coherence
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.explain import Condition, Explanation, derivatives, explain
from eisv_lumen.trajectory.rules import RATE_LIMIT
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.windows import STRIDE, WINDOW, classify

__all__ = ["build", "explain_states", "look", "say"]

LEAST, MOST = 4, 60
_CONTEXT = 2  # windows of context on either side
_N_SAID = 3
INTRO = """
**Lumen** is a small agent in a Raspberry Pi. Every few seconds it logs how it is, in four numbers.
Slide a **window** of states along such a log: nine rules, tried in order, give the window a
**shape**, and each shape has its own way of being put into words.
"""


@dataclass(frozen=True)
class View:
    """What a visitor looks at: a series, and the window in it."""

    series: Series
    start: int = 0
    window: int = WINDOW

    @property
    def at(self) -> slice:
        """The window's states."""
        return slice(self.start, self.start + self.window)

    def explanation(self) -> Explanation:
        """Return the rules of the window."""
        s, drift = self.series, self.series.ethical_drift
        return explain(s.t[self.at], s.X[self.at], None if drift is None else drift[self.at])


def place(series: Series, start: float, window: float) -> View:
    """Return a view with the window inside the series, whatever was asked for."""
    size = int(min(max(window, 2), len(series)))
    return View(series, int(min(max(start, 0), len(series) - size)), size)


def best_start(series: Series, shape: str) -> int:
    """Return where the default window shows a shape: in the middle of where it does."""
    starts = range(0, len(series) - WINDOW + 1)
    found = [k for k in starts if View(series, k).explanation().shape == shape]
    return found[len(found) // 2] if found else 0


def look(view: View) -> tuple[str, str]:
    """Draw the four dimensions with their derivatives, and say which rule fired and why."""
    found = view.explanation()
    return _dimensions(view), _verdict(found)


def _context(view: View) -> slice:
    """States around the window: at most two windows on either side, in states and in time."""
    t, first, last = view.series.t, view.start, view.start + view.window - 1
    reach = _CONTEXT * max(t[last] - t[first], 1.0)
    lo = max(first - _CONTEXT * view.window, int(np.searchsorted(t, t[first] - reach)))
    hi = min(last + _CONTEXT * view.window, int(np.searchsorted(t, t[last] + reach, "right")) - 1)
    return slice(min(lo, first), max(hi, last) + 1)


def _dimensions(view: View) -> str:
    t, X = view.series.t, view.series.X
    around = _context(view)
    zero = t[view.start]
    inside = derivatives(t[view.at], X[view.at])
    outside = derivatives(t[around], X[around])
    span = (float(t[around][0] - zero), float(t[around][-1] - zero))
    band = (0.0, float(t[view.at][-1] - zero))
    shared = {"x_range": span, "band": band}
    out = []
    for j, (dim, (name, meaning)) in enumerate(DIMENSIONS.items()):
        color = f"var(--dim-{dim})"
        state = chart(
            f"{name} over time",
            [
                Line(t[around] - zero, X[around, j], color, name, 1.2, opacity=0.45),
                Line(t[view.at] - zero, X[view.at, j], color, name, 2.4),
            ],
            y_range=_room(X[around, j], 0.05 if dim == "V" else 0.12),
            **shared,
        )
        rows = [figure(f"{dim} · {name}", state, meaning)]
        for title, unit, times, rates, all_times, all_rates in (
            ("first derivative", "1/s", inside.t1, inside.first, outside.t1, outside.first),
            ("second derivative", "1/s²", inside.t2, inside.second, outside.t2, outside.second),
        ):
            most = 1.15 * max(float(np.abs(rates[:, j]).max(initial=0)), 1.2 * RATE_LIMIT)
            drawn = chart(
                f"{title} of {name}",
                [
                    Line(all_times - zero, np.clip(all_rates[:, j], -most, most), color, "", 1, opacity=0.3),
                    Line(times - zero, rates[:, j], color, title, 1.8),
                ],
                y_range=(-most, most),
                levels=[(RATE_LIMIT, ""), (-RATE_LIMIT, "")],
                height=120,
                x_label="seconds from the window's start" if unit == "1/s²" else "",
                **shared,
            )
            rows.append(figure(f"d{'²' if unit == '1/s²' else ''}{dim} [{unit}]", drawn))
        out.append(f'<div class="card">{"".join(rows)}</div>')
    return cards(out, 270)


def _room(values: np.ndarray, least: float) -> tuple[float, float]:
    """Return a range that holds the values with some air, and is at least `least` wide."""
    low, high = float(values.min()), float(values.max())
    air = max(0.08 * (high - low), (least - (high - low)) / 2)
    return max(0.0, low - air), min(1.0, high + air)


def _verdict(found: Explanation) -> str:
    fired = found.rules[found.fired]
    reason = [
        f"{c.quantity} is <b>{_value(c)}</b>, {c.relation} {c.threshold:g}: by {_margin(c)}"
        for c in fired.conditions
    ] or ["no rule before it holds"]
    head = (
        f'<div class="verdict" data-shape="{fired.shape}">{shape_chip(fired.shape)}'
        f"<p>{SHAPE_MEANS[fired.shape]}</p>"
        f"<p class='why'>Rule {found.fired + 1} of 9 fired: {'; '.join(reason)}.</p></div>"
    )
    rows = []
    for i, rule in enumerate(found.rules):
        state = "fired" if i == found.fired else "holds" if rule.holds else "fails"
        if i > found.fired:
            state += " later"
        said = {"fired": "✔ fired", "holds": "✔", "fails": "✘"}[state.split()[0]]
        asked = "".join(_condition(c) for c in rule.conditions) or "<div>all else</div>"
        rows.append(
            f'<li class="{state}"><div><b>{i + 1}</b> {shape_chip(rule.shape)}<em>{said}</em></div>'
            f'<div class="asked">{asked}</div></li>'
        )
    return (
        f"{head}<details><summary>All nine rules, with what each found and by how much"
        f'</summary><ol class="rules">{"".join(rows)}</ol></details>'
    )


def _condition(c: Condition) -> str:
    verdict = f"by {_margin(c)}" if c.holds else f"short by {_margin(c)}"
    return (
        f'<div class="{"yes" if c.holds else "no"}"><span>{c.quantity}</span>'
        f"<span>{_value(c)} {c.relation} {c.threshold:g}</span>"
        f"<i>{'✔' if c.holds else '✘'} {verdict}</i></div>"
    )


def _value(c: Condition) -> str:
    return f"{c.value:.4g}{' ' + c.unit if c.unit else ''}".replace("-", "−")


def _margin(c: Condition) -> str:
    return f"{abs(c.margin):.3g}"


def whole(view: View) -> str:
    """Draw the whole series with the window marked."""
    t, X = view.series.t, view.series.X
    columns = [(X[:, j], f"var(--dim-{dim})") for j, dim in enumerate(DIMENSIONS)]
    ends = (float(t[view.at][0]), float(t[view.at][-1]))
    keys = [(f"var(--dim-{dim})", name) for dim, (name, _) in DIMENSIONS.items()]
    length = _duration(float(t[-1] - t[0]))
    text = f"{len(t):,} states in {length}, from 0 (bottom) to 1 (top); the window is marked"
    return figure("The whole series", overview(t, columns, ends) + legend(keys), text)


def _duration(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"


def shapes_of(view: View) -> str:
    """Colour the whole series by the shape of the window that starts there, and count shapes."""
    s, window = view.series, view.window
    stride = max(1, (len(s) - window) // 600)
    codes = classify(s.t, s.X, window=window, stride=stride, ethical_drift=s.ethical_drift)
    change = np.flatnonzero(np.diff(codes, prepend=-1))
    span = max(float(s.t[-1] - s.t[0]), 1e-9)
    starts = [float(s.t[k * stride] - s.t[0]) / span for k in change]
    end = float(s.t[len(s) - window] - s.t[0]) / span
    colors = [f"var(--{SHAPES[c]})" for c in codes[change]]
    counted = classify(s.t, s.X, window=window, stride=STRIDE, ethical_drift=s.ethical_drift)
    share = np.bincount(counted, minlength=len(SHAPES)) / len(counted)
    present = [(f"var(--{n})", f"{plain(n)} {share[i]:.0%}") for i, n in enumerate(SHAPES) if share[i]]
    return figure(
        "Shapes along it",
        strip(starts, colors, max(end, starts[-1])) + legend(present),
        f"of the window of {window} states that starts there; shares with stride {STRIDE}",
    )


def say(view: View, temperature: float, seed: int) -> str:
    """Let every speaker put the window into words, side by side."""
    shape = view.explanation().shape
    s, at = view.series, view.at
    drift = None if s.ethical_drift is None else s.ethical_drift[at]
    window = one_window(s.t[at], s.X[at], drift, shape)
    everyone, missing = speakers()
    columns = [_column(who, who.speak(window, _N_SAID, temperature, seed), shape) for who in everyone]
    return cards(columns, 260) + note(missing)


def _column(who: Speaker, said: Sequence[Said], shape: str) -> str:
    rows = []
    for one in said:
        if one.invalid:
            rows.append(f'<li><span class="invalid">not valid: {note(one.invalid)}</span></li>')
            continue
        score = float(coherence([one.tokens], shape)[0])
        primitives = " ".join(one.primitives)
        rows.append(
            f"<li>{chips(one.tokens, shape)}<small>Lumen says: <b>{primitives}</b> · "
            f"{one.pattern.lower()} · coherence {score:.2f}</small></li>"
        )
    return (
        f'<div class="card said"><h4>{who.name}</h4><small>{who.about}</small>'
        f"<ul>{''.join(rows)}</ul></div>"
    )


def explain_states(states: list[list[float]]) -> dict:
    """Explain one window: its shape, and every rule with what it found.

    Each state is [t in seconds, E, I, S, V] or [t, E, I, S, V, ethical drift], in order of time.
    """
    try:
        rows = np.asarray(states, float)
        if rows.ndim != 2 or rows.shape[1] not in (5, 6):
            raise InputError("each state needs five or six numbers: t, E, I, S, V[, drift]")
        found = explain(rows[:, 0], rows[:, 1:5], rows[:, 5] if rows.shape[1] == 6 else None)
    except ValueError as error:  # InputError is one
        raise gr.Error(str(error), print_exception=False) from error
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
    """Explain one window of an uploaded CSV, Parquet file or anima.db."""
    if path is None:
        raise gr.Error("give a CSV or Parquet file, or an anima.db", print_exception=False)
    try:
        series, remark = read_series(path)
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from error
    view = place(series, start, window)
    found = explain_states(np.column_stack([series.t, series.X])[view.at].tolist())
    return {"states": len(series), "note": remark, "start": view.start, **found}


def _chosen(example: str) -> tuple:
    series = load_example(example)
    start = best_start(series, example) if example in SHAPES else 0
    return (*_opened(place(series, start, WINDOW)), "")


def _uploaded(path: str | None) -> tuple:
    """Open a visitor's file; where it cannot be used, say why and leave the page as it is."""
    if path is None:
        return gr.skip(), gr.skip(), gr.skip(), ""
    try:
        series, remark = read_series(path)
        return (*_opened(place(series, 0, WINDOW)), note(remark or f"{series.source} is open."))
    except InputError as error:
        return gr.skip(), gr.skip(), gr.skip(), note(str(error), "alert")


def _opened(view: View) -> tuple:
    longest = min(MOST, len(view.series))
    return view, _position(view), gr.Slider(min(LEAST, longest), longest, view.window)


def _position(view: View) -> gr.Slider:
    # A slider needs room to move: a series as long as its window gets one idle step.
    return gr.Slider(0, max(len(view.series) - view.window, 1), view.start)


def _slid(view: View, start: float) -> View:
    return place(view.series, start, view.window)


def _sized(view: View, window: float) -> tuple[View, gr.Slider]:
    resized = place(view.series, view.start, window)
    return resized, _position(resized)


def _jumped(view: View, shape: str | None) -> tuple[View, gr.Slider, str]:
    """Move to the next window of a shape, going round at the end."""
    if not shape:
        return view, gr.skip(), ""
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


def _drawn(view: View) -> tuple[str, str, str]:
    return (*look(view), whole(view))


def build() -> None:
    """Build the tab, and say which events redraw what."""
    first = place(load_example(LONG_RUN), 0, WINDOW)
    dimensions, verdict, series = _drawn(first)
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
                label="Or your own: CSV, Parquet or anima.db",
                file_types=[".csv", ".parquet", ".db"],
                height=110,
                elem_id="upload",
            )
            message = gr.HTML(elem_id="upload-message")
        with gr.Column(scale=2, min_width=320):
            overview_html = gr.HTML(series, elem_id="overview")
            strip_html = gr.HTML(elem_id="strip")
            position = gr.Slider(
                0, len(first.series) - WINDOW, 0, step=1, label="The window starts at state",
                elem_id="position",
            )  # fmt: skip
            with gr.Row():
                size = gr.Slider(
                    LEAST, MOST, WINDOW, step=1, label="States in the window", min_width=140
                )
                wanted = gr.Dropdown(
                    [(plain(s), s) for s in SHAPES], value=None, label="Go to the next", min_width=140
                )
    verdict_html = gr.HTML(verdict, elem_id="verdict")
    gr.Markdown("### What is said of it")
    with gr.Row(equal_height=True):
        temperature = gr.Slider(
            0, 1.2, 1.0, step=0.05, label="Decoding temperature", min_width=200,
            info="1 is the speakers' own; colder is more predictable.",
        )  # fmt: skip
        again = gr.Button("Say it again", variant="primary", min_width=140)
    seed = gr.State(0)
    said = gr.HTML(say(first, 1.0, 0) if len(speakers()[0]) == 1 else "", elem_id="said")
    gr.Markdown("### How it moved")
    dimensions_html = gr.HTML(dimensions, elem_id="dimensions")

    drawn = [dimensions_html, verdict_html, overview_html]
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    told = {"fn": say, "inputs": [view, temperature, seed], "outputs": said}
    opened = [view, position, size, message]
    for event, fn, inputs in (
        (example.input, _chosen, example),
        (upload.upload, _uploaded, upload),
    ):
        event(fn, inputs, opened, **quiet).then(_drawn, view, drawn, **quiet).then(
            shapes_of, view, strip_html, **quiet
        ).then(**told, **quiet)
    position.input(_slid, [view, position], view, trigger_mode="always_last", **quiet).then(
        _drawn, view, drawn, **quiet
    )
    size.release(_sized, [view, size], [view, position], **quiet).then(
        _drawn, view, drawn, **quiet
    ).then(shapes_of, view, strip_html, **quiet).then(**told, **quiet)
    wanted.input(_jumped, [view, wanted], [view, position, message], **quiet).then(
        _drawn, view, drawn, **quiet
    ).then(**told, **quiet)
    position.change(**told, trigger_mode="always_last", **quiet)
    temperature.change(**told, trigger_mode="always_last", **quiet)
    again.click(lambda s: s + 1, seed, seed, **quiet).then(**told, **quiet)
    context = gr.context.Context.root_block
    context.load(shapes_of, view, strip_html, **quiet)
    context.load(**told, **quiet)

    gr.api(explain_states, api_name="explain")
    answer = gr.JSON(visible=False)
    gr.Button(visible=False).click(
        explain_file, [upload, position, size], answer, api_name="explain_file"
    )
