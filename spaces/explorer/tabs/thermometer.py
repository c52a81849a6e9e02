"""Tab 2: what a coherence means, which depends on the temperature it was decoded at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr
import numpy as np
from charts import Dot, Line, chart
from folder import Report, reports
from parts import cards, figure, legend, table, tile

from eisv_lumen.evaluation.report import DecodedResult, Metric
from eisv_lumen.expression.law import COHERENCE, initial_laws
from eisv_lumen.expression.vocabulary import REAL_MIX, SHAPES

__all__ = ["build", "draw", "standard_error", "thermometer"]

PLAIN, NUCLEUS = "var(--law)", "var(--nucleus)"
STUDY, OURS = "var(--study)", ("var(--ours-1)", "var(--ours-2)", "var(--ours-3)", "var(--ours-4)")
BALANCED, REAL = "nine shapes, evenly", "the real mix of shapes"
INTRO = """
**Coherence** is the share of fitting words in what is said. It looks like a grade, and it is a
thermometer: a *perfect* imitator of the voice, one that has nothing left to learn, goes from one
end of the scale to the other as the decoding temperature falls. Move it, and look at where the
published runs V1–V6 come to stand.
"""


def grid(report: Report, nucleus: bool, metric: str) -> tuple[list[float], list[float]]:
    """Return temperatures and values of one metric of a report, with the nucleus or without."""
    rows = sorted(
        (r.decoding.temperature, r.metrics[metric].value)
        for r in report.report.results
        if _is_nucleus(r) == nucleus and metric in r.metrics
    )
    return [t for t, _ in rows], [v for _, v in rows]


def at(report: Report, temperature: float, nucleus: bool) -> DecodedResult | None:
    """Return the result at a temperature, None where there is none."""
    for result in report.report.results:
        same = abs(result.decoding.temperature - temperature) < 1e-9
        if same and _is_nucleus(result) == nucleus:
            return result
    return None


def nearest(report: Report, temperature: float, nucleus: bool) -> DecodedResult | None:
    """Return the result at the nearest temperature that was measured."""
    there = [r for r in report.report.results if _is_nucleus(r) == nucleus]
    return min(there, key=lambda r: abs(r.decoding.temperature - temperature), default=None)


def _is_nucleus(result: DecodedResult) -> bool:
    return result.decoding.top_k == 20


def measured() -> dict[str, Report]:
    """Return our own reports that can stand on these curves: measured, of the initial law."""
    return {
        key: r
        for key, r in reports().items()
        if r.report.kind == "measured"
        and r.report.target == "initial"
        and any("macro_coherence" in result.metrics for result in r.report.results)
    }


def study(real: bool) -> list[Report]:
    """Return the study's runs over balanced windows, or over real ones."""
    return [
        r
        for r in reports().values()
        if r.report.kind == "published" and r.report.name.endswith("-real") == real
    ]


def standard_error(n: int, temperature: float, nucleus: bool, real: bool) -> float:
    """Return the standard error of a perfect imitator's coherence over `n` windows, exactly."""
    share = np.array([REAL_MIX[s] for s in SHAPES]) if real else np.ones(len(SHAPES))
    share /= share.sum()
    cut = {"top_k": 20, "top_p": 0.95} if nucleus else {}
    variance = 0.0
    for law, scores, weight in zip(initial_laws(), COHERENCE, share, strict=True):
        p = law.tempered(temperature, **cut).pmf
        variance += weight * float(p @ scores**2 - (p @ scores) ** 2)
    return float(np.sqrt(variance / n))


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
    shown = {key: measured()[key] for key in models if key in measured()}
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
    head = f'<p class="lead">{_lead(perfect, setting, real)}</p>{cards(tiles, 220)}'
    drawings = _charts(temperature, nucleus, metric, real, shown)
    return head, drawings, _runs(temperature, nucleus, real, perfect, shown)


def thermometer(temperature: float, nucleus: bool = False) -> dict:
    """Read what a perfect imitator scores at a decoding (a multiple of 0.05 from 0 to 1.2)."""
    here = at(reports()["law/imitator"], round(float(temperature), 2), bool(nucleus))
    if here is None:
        raise gr.Error(f"temperature {temperature}: use a multiple of 0.05 from 0 to 1.2")
    return here.model_dump(exclude={"per_shape", "n"})


def _setting(temperature: float, nucleus: bool) -> str:
    base = "greedy" if temperature == 0 else f"T = {temperature:g}"
    return f"{base}, top-k 20, top-p 0.95" if nucleus else f"{base}, nothing cut off"


def _lead(perfect: float, setting: str, real: bool) -> str:
    runs = {r.report.name: r.report for r in study(real)}
    name = "v5-real" if real else "v5"
    if name not in runs:
        return f"Perfect imitation reads {perfect:.3f} at {setting}."
    run = runs[name]
    value = run.results[0].metrics["coherence"].value
    difference = value - perfect
    if abs(difference) < 0.01:
        verdict = "just what <b>perfect imitation</b> reads"
    elif difference < 0:
        verdict = f"<b>{-difference:.3f} below</b> perfect imitation"
    else:
        verdict = (
            f"<b>{difference:.3f} above</b> perfect imitation, which is no achievement: "
            "it would be speech colder than the law's"
        )
    return (
        f"Had the study decoded with {setting}, then {run.title}’s published <b>{value:.3f}</b> "
        f"would be {verdict} ({perfect:.3f}). It recorded T = 0.3, and not whether the nucleus "
        "was on."
    )


def _charts(
    temperature: float, nucleus: bool, metric: str, real: bool, shown: Mapping[str, Report]
) -> str:
    law, ignorant = reports()["law/imitator"], reports()["law/ignorant"]
    colors = dict(zip(shown, OURS, strict=False))

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
            if _is_nucleus(r) == nucleus and (m := r.metrics.get(name)) is not None
        ]  # fmt: skip

    def ours(name: str) -> list[Line]:
        return [
            Line(*grid(report, nucleus, name), colors[key], report.report.title, 1.2, dash="3 3")
            for key, report in shown.items()
        ]

    shared = {"x_range": (0.0, 1.2), "cursor": temperature, "x_label": "decoding temperature"}
    runs = [(r.report, r.report.results[0].metrics["coherence"].value) for r in study(real)]
    floor = law.report.at(1.0).metrics[metric].floor or 0.0
    marks = [
        Dot(0.3, value, STUDY, f"{run.title}: {value:.3f} over {run.results[0].n} windows",
            label, square=True)
        for (run, value), label in zip(runs, _labels(runs), strict=True)
    ]  # fmt: skip
    excess = "macro_excess_nats"
    nothing = [
        Line(*grid(ignorant, cut, excess), "var(--floor)", "reads nothing", 1.6, "5 4",
             1 if cut == nucleus else 0)
        for cut in (nucleus,)
    ]  # fmt: skip
    most = max([1.0, *(v for line in nothing for v in line.y)])
    drawings = [
        figure(
            "Coherence",
            chart(
                "coherence against temperature",
                [*pair(law, metric), *ours(metric)],
                [*marks, *dots(metric)],
                y_range=(0.2, 1.02),
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
                y_range=(2.0, 2.8),
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
                [*nothing, *pair(law, excess), *ours(excess)],
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
        (STUDY, "the study’s runs, at T = 0.3"),
        ("var(--floor)", "reads nothing"),
        *((colors[key], f"{report.report.title} (ours)") for key, report in shown.items()),
    ]
    return legend(keys) + cards(drawings, 300)


def _labels(runs: Sequence[tuple]) -> list[str]:
    """Titles of runs; of those too near to be told apart the highest carries all titles."""
    order = sorted(range(len(runs)), key=lambda i: -runs[i][1])
    labels = [""] * len(runs)
    head = None
    for i in order:
        title = runs[i][0].title.removesuffix(" on real")
        if head is not None and runs[head][1] - runs[i][1] < 0.03:
            labels[head] += f", {title}"
        else:
            labels[i], head = title, i
    return labels


def _runs(
    temperature: float, nucleus: bool, real: bool, perfect: float, shown: Mapping[str, Report]
) -> str:
    rows = []
    for run in study(real):
        result = run.report.results[0]
        value = result.metrics["coherence"].value
        error = standard_error(result.n, temperature, nucleus, real)
        steps = f"{(value - perfect) / error:+.1f}" if error > 1e-9 else "–"
        rows.append(
            [
                f"{run.report.title} <small>(study)</small>", str(result.n), f"{value:.3f}",
                f"{value - perfect:+.3f}", steps, "T = 0.3",
            ]
        )  # fmt: skip
    name = "coherence" if real else "macro_coherence"
    for report in shown.values():
        found = nearest(report, temperature, nucleus)
        metric: Metric | None = found.metrics.get(name) if found else None
        if found is None or metric is None:
            continue
        error = standard_error(found.n, found.decoding.temperature, nucleus, real)
        same = metric.perfect if metric.perfect is not None else perfect
        steps = f"{(metric.value - same) / error:+.1f}" if error > 1e-9 else "–"
        rows.append(
            [
                f"{report.report.title} <small>(ours)</small>", str(found.n),
                f"{metric.value:.3f}", f"{metric.value - same:+.3f}", steps, found.decoding.label,
            ]
        )  # fmt: skip
    header = ["run", "windows", "coherence", "− perfect", "in standard errors", "decoded at"]
    told = (
        "<p>The same published numbers, held against perfect imitation at the decoding chosen "
        "above. The standard error is that of a perfect imitator over as many windows, from the "
        "law. Our own runs were measured at a few temperatures: the nearest is shown, against "
        "perfection there.</p>"
    )
    return told + table(header, [[c.replace("-0.000", "0.000") for c in r] for r in rows])


def build() -> tuple[gr.Slider, gr.Checkbox]:
    """Build the tab; return what the post's claims set."""
    keys = list(measured())
    first = (0.3, False, BALANCED, keys[:2])
    head, drawings, runs = draw(*first)
    gr.Markdown(INTRO)
    with gr.Row(equal_height=True):
        temperature = gr.Slider(
            0, 1.2, 0.3, step=0.05, label="Decoding temperature", min_width=260, scale=2,
            info="0 is greedy: always the likeliest word.", elem_id="temperature",
        )  # fmt: skip
        nucleus = gr.Checkbox(
            False, label="Inherited nucleus: top-k 20, top-p 0.95", elem_id="nucleus",
            info="What the base model's own generation config would add, unasked.", min_width=240,
        )  # fmt: skip
        mix = gr.Radio([BALANCED, REAL], value=BALANCED, label="Averaged over", min_width=240)
    models = gr.CheckboxGroup(
        [(r.report.title, key) for key, r in measured().items()],
        value=keys[:2],
        label="Our own models",
        visible=bool(keys),
    )
    head_html = gr.HTML(head, elem_id="thermometer-head")
    charts_html = gr.HTML(drawings, elem_id="thermometer-charts")
    runs_html = gr.HTML(runs, elem_id="thermometer-runs")
    for control in (temperature, nucleus, mix, models):
        control.change(
            draw,
            [temperature, nucleus, mix, models],
            [head_html, charts_html, runs_html],
            show_progress="hidden",
            trigger_mode="always_last",
            api_visibility="private",
        )
    gr.api(thermometer, api_name="thermometer")
    return temperature, nucleus
