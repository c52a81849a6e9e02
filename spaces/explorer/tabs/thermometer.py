"""Tab 2: what a coherence means, which depends on the temperature it was decoded at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr
import numpy as np
from drawing.charts import Dot, Line, chart
from drawing.curves import (
    at,
    by_skill,
    grid,
    is_nucleus,
    labels,
    measured,
    nearest,
    over_real_mix,
    perfection,
    study,
)
from drawing.parts import cards, figure, legend, table, tile
from folder import Report, reports

from eisv_lumen.evaluation.report import Metric

__all__ = ["build", "draw", "thermometer"]

PLAIN, NUCLEUS = "var(--law)", "var(--nucleus)"
STUDY, OURS = "var(--study)", ("var(--ours-1)", "var(--ours-2)", "var(--ours-3)", "var(--ours-4)")
BALANCED, REAL = "nine shapes, evenly", "the real mix of shapes"
INTRO = """
**Coherence** is the share of fitting words in what is said. It looks like a grade, and it is a
thermometer: a *perfect* imitator of the voice, one that has nothing left to learn, goes from one
end of the scale to the other as the decoding temperature falls. Move it: the lines are perfect
imitation, and the runs V1–V6 stay where they were measured, at T = 0.3 with the nucleus on.
**Excess nats** are the KL divergence of a speaker from the law *at the same T*: 0 is perfect.
"""


def draw(
    temperature: float, nucleus: bool, mix: str = BALANCED, models: Sequence[str] = ()
) -> tuple[str, str, str]:
    """Return the sentence with its tiles, the charts, and the study's runs as a table."""
    real = mix == REAL
    metric = "coherence" if real else "macro_coherence"
    law, ignorant = reports()["law/imitator"], reports()["law/ignorant"]
    here, dumb = at(law, temperature, nucleus), at(ignorant, temperature, nucleus)
    if here is None or dumb is None:
        raise gr.Error(f"temperature {temperature:g}: use a multiple of 0.05 from 0 to 1.2")
    perfect, diversity = here.metrics[metric].value, here.metrics["diversity"].value
    shown = {
        key: report
        for key, report in measured().items()
        if key in models and over_real_mix(report) == real
    }
    setting = _setting(temperature, nucleus)
    gap = dumb.metrics.get("macro_excess_nats")
    tiles = [
        tile("coherence of perfect imitation", f"{perfect:.3f}", setting),
        tile("diversity of its words", f"{diversity:.2f} nats", "ln 15 = 2.71 is all words alike"),
        tile(
            "excess nats of perfect imitation",
            f"{here.metrics['macro_excess_nats'].value:.3f}",
            "0 at every temperature; a speaker that reads nothing: "
            + ("without bound" if gap is None else f"{gap.value:.2f}"),
        ),
    ]
    head = f'<p class="lead">{_lead(temperature, nucleus, real)}</p>{cards(tiles, 220)}'
    drawings = _charts(temperature, nucleus, metric, real, shown)
    return head, drawings, _runs(temperature, nucleus, real, shown)


def thermometer(temperature: float, nucleus: bool = False) -> dict:
    """Read what a perfect imitator of the voice scores at a decoding, exactly.

    Args:
        temperature: Decoding temperature, a multiple of 0.05 from 0 (greedy) to 1.2.
        nucleus: Whether top_k 20 and top_p 0.95 are on, as Qwen3's generation config sets them.
    """
    here = at(reports()["law/imitator"], round(float(temperature), 2), bool(nucleus))
    if here is None:
        raise gr.Error(f"temperature {temperature}: use a multiple of 0.05 from 0 to 1.2")
    return here.model_dump(exclude={"per_shape", "n"})


def _setting(temperature: float, nucleus: bool) -> str:
    base = "greedy" if temperature == 0 else f"T = {temperature:g}"
    return f"{base}, top-k 20, top-p 0.95" if nucleus else f"{base}, nothing cut off"


def _lead(temperature: float, nucleus: bool, real: bool) -> str:
    """Hold the last of V1–V6 against perfect imitation over the same windows, as it was decoded."""
    run = study(real)[-1].report
    value = run.results[0].metrics["coherence"].value
    (plain, _), (cut, error) = (perfection(run.name, 0.3, on) for on in (False, True))
    here, _ = perfection(run.name, temperature, nucleus)
    return (
        f"At {_setting(temperature, nucleus)}, perfect imitation of {run.title}’s windows reads "
        f"<b>{here:.3f}</b>. {run.title} was decoded at T = 0.3 with the nucleus of its base model "
        f"and read <b>{value:.3f}</b>: {_signed((value - cut) / error, 1)} standard errors from "
        f"perfect imitation ({cut:.3f}). With the nucleus off, perfection itself would have read "
        f"{plain:.3f}."
    )


def _charts(
    temperature: float, nucleus: bool, metric: str, real: bool, shown: Mapping[str, Report]
) -> str:
    law, ignorant = reports()["law/imitator"], reports()["law/ignorant"]
    colors = {key: OURS[i % len(OURS)] for i, key in enumerate(shown)}

    def pair(report: Report, name: str) -> list[Line]:
        return [
            Line(
                *grid(report, cut, name),
                NUCLEUS if cut else PLAIN,
                "perfect imitation" + (", inherited nucleus" if cut else ""),
                2.6 if cut == nucleus else 1.6,
                opacity=1 if cut == nucleus else 0.45,
            )
            for cut in (not nucleus, nucleus)
        ]

    def dots(name: str) -> list[Dot]:
        return [
            Dot(
                r.decoding.temperature, m.value, colors[key],
                f"{report.report.title}, {r.decoding.label}: {m.value:.3f}", "", m.low, m.high,
            )
            for key, report in shown.items()
            for r in report.report.results
            if is_nucleus(r) == nucleus and (m := r.metrics.get(name)) is not None
        ]  # fmt: skip

    def ours(name: str) -> list[Line]:
        return [
            Line(*grid(report, nucleus, name), colors[key], report.report.title, 1.2, dash="3 3")
            for key, report in shown.items()
        ]

    shared = {"x_range": (0.0, 1.2), "cursor": temperature, "x_label": "decoding temperature"}
    runs = [(r.report, _same_mean(r, real)) for r in study(real)]
    floor = law.report.at(1.0).metrics[metric].floor or 0.0
    marks = [
        Dot(0.3, value, STUDY, f"{run.title}: {value:.3f} over {run.results[0].n} windows",
            label, square=True)
        for (run, value), label in zip(runs, labels(runs), strict=True)
    ]  # fmt: skip
    excess = "macro_excess_nats"
    nothing = Line(*grid(ignorant, nucleus, excess), "var(--floor)", "reads nothing", 1.6, "5 4")
    most = max([1.0, *nothing.y, *(dot.y for dot in dots(excess))])
    drawings = [
        figure(
            "Coherence",
            chart(
                "coherence against temperature",
                [*pair(law, metric), *ours(metric)],
                [*marks, *dots(metric)],
                y_range=(0.0, 1.02),
                levels=[(floor, "random words")],
                height=270,
                **shared,
            ),
            "share of fitting words",
        ),
        figure(
            "Diversity",
            chart(
                "diversity against temperature",
                [*pair(law, "diversity"), *ours("diversity")],
                dots("diversity"),
                y_range=(_least_diversity(law, shown), 2.75),
                levels=[(float(np.log(15)), "all words alike")],
                height=270,
                **shared,
            ),
            "entropy of the words spoken [nats]",
        ),
        figure(
            "Excess nats",
            chart(
                "excess nats against temperature",
                [nothing, *pair(law, excess), *ours(excess)],
                dots(excess),
                y_range=(-0.03 * most, 1.05 * most),
                height=270,
                **shared,
            ),
            "what imitation still lacks; 0 is perfect",
        ),
    ]
    keys = [
        (PLAIN, "perfect imitation, nothing cut off"),
        (NUCLEUS, "perfect imitation, top-k 20, top-p 0.95"),
        (STUDY, "V1–V6, at T = 0.3 with the nucleus"),
        ("var(--floor)", "reads nothing"),
        *((colors[key], f"{report.report.title} (ours)") for key, report in shown.items()),
    ]
    return legend(keys) + cards(drawings, 300)


def _same_mean(run: Report, real: bool) -> float:
    """Return a run's coherence by the definition of the lines: over shapes, or over windows."""
    result = run.report.results[0]
    if real:
        return result.metrics["coherence"].value
    return float(np.mean([shape["coherence"].value for shape in result.per_shape.values()]))


def _least_diversity(law: Report, shown: Mapping[str, Report]) -> float:
    values = [
        v for r in (law, *shown.values()) for cut in (0, 1) for v in grid(r, cut, "diversity")[1]
    ]
    return float(np.floor(10 * min(values)) / 10)


def _runs(temperature: float, nucleus: bool, real: bool, shown: Mapping[str, Report]) -> str:
    rows = []
    for entry in study(real):
        run = entry.report
        result = run.results[0]
        value = result.metrics["coherence"].value
        perfect, error = perfection(run.name, temperature, nucleus)
        away = f"{_signed((value - perfect) / error, 1)} standard errors" if error > 1e-9 else "–"
        rows.append(
            [
                run.title,
                "Qwen3-4B",
                result.n,
                f"{value:.3f}",
                perfect,
                away,
                run.results[0].decoding.label,
            ]
        )
    name = "coherence" if real else "macro_coherence"
    for entry in shown.values():
        found = nearest(entry, temperature, nucleus)
        metric: Metric | None = found.metrics.get(name) if found else None
        if found is None or metric is None or metric.perfect is None:
            continue
        low, high = metric.low or metric.value, metric.high or metric.value
        value = f"{metric.value:.3f} <small>{low:.3f} to {high:.3f}</small>"
        away = "in its interval" if low <= metric.perfect <= high else "out of its interval"
        title, setting = entry.report.title, found.decoding.label
        rows.append([title, "ours", found.n, value, metric.perfect, away, setting])
    header = [
        "run",
        "windows",
        "coherence",
        "perfect imitation",
        "the run against it",
        "decoded at",
    ]
    cells = [
        [f"{title} <small>{whose}</small>", str(n), value, f"{perfect:.3f}", away, setting]
        for title, whose, n, value, perfect, away, setting in rows
    ]
    told = (
        "<p>Each run against perfect imitation over the same mix of windows. V1–V6 were decoded at "
        "T = 0.3 with the nucleus (top-p 0.95), and are set against a perfect imitator decoded as "
        "chosen above, in its standard errors; our own at the nearest temperature that was "
        "measured, with a 95 % interval. Coherence of V1–V6 is a mean over windows.</p>"
    )
    return told + table(header, cells)


def _signed(x: float, digits: int) -> str:
    return f"{round(x, digits) + 0.0:+.{digits}f}".replace("-", "−")


def _titles(keys: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{reports()[key].report.title} ({reports()[key].run})", key) for key in keys]


def _of_mix(mix: str) -> gr.Dropdown:
    keys = by_skill(mix == REAL)
    return gr.Dropdown(_titles(keys), value=keys[:2])


def build(tab: gr.Tab) -> None:
    """Build the tab; what it draws is brought when it is first looked at."""
    best = by_skill(real=False)[:2]
    gr.Markdown(INTRO)
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            temperature = gr.Slider(
                0, 1.2, 0.3, step=0.05, label="Decoding temperature", elem_id="temperature",
                info="0 is greedy: always the likeliest word.",
            )  # fmt: skip
        with gr.Column(scale=2, min_width=300):
            nucleus = gr.Checkbox(
                True, label="Inherited nucleus: top-k 20, top-p 0.95", elem_id="nucleus",
                info="What the base model's own generation config adds, unasked; V1–V6 had it on.",
            )  # fmt: skip
            mix = gr.Radio([BALANCED, REAL], value=BALANCED, label="Averaged over")
    models = gr.Dropdown(
        _titles(by_skill(real=False)),
        value=best,
        multiselect=True,
        label="Our own models, the best imitators first",
        visible=bool(measured()),
    )
    head_html = gr.HTML(elem_id="thermometer-head")
    charts_html = gr.HTML(elem_id="thermometer-charts")
    runs_html = gr.HTML(elem_id="thermometer-runs")
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    drawn = {
        "fn": draw,
        "inputs": [temperature, nucleus, mix, models],
        "outputs": [head_html, charts_html, runs_html],
    }
    for control in (temperature, nucleus, models):
        control.change(**drawn, **quiet, trigger_mode="always_last")
    mix.change(_of_mix, mix, models, **quiet).then(**drawn, **quiet)
    tab.select(**drawn, **quiet)
    gr.api(thermometer, api_name="thermometer")
