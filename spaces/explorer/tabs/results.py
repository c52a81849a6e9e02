"""Tab 4: every report that travels here, with what it must be held against and how it was made."""

from __future__ import annotations

import json
import re
from html import escape

import gradio as gr
from drawing.curves import by_skill
from drawing.parts import bars, cards, figure, note, table
from drawing.words import plain
from folder import Report, reports

from eisv_lumen.evaluation.metrics import METRICS
from eisv_lumen.evaluation.report import DecodedResult, EvalReport, Metric
from eisv_lumen.evaluation.tables import COLUMNS, explain, metric_rows

__all__ = ["build", "report_names"]

INTRO = """
Every number of this Space comes from one of these files. Each stands between its **floor**
(random words; for excess nats, the best that a speaker can do that reads nothing) and what a
**perfect** imitator gets under the same decoding. *Published* is what the
[V1–V6 runs](https://github.com/CIRWEL/eisv-lumen) printed, *exact* is computed from the law,
*measured* is ours.
"""
LISTED = [metric.name for metric in METRICS if metric.listed]
_ORDER = {"measured": 0, "published": 1, "exact": 2}


def ordered() -> list[Report]:
    """Return the reports, ours first."""
    return sorted(reports().values(), key=lambda r: (_ORDER[r.report.kind], r.key))


def summary() -> str:
    """Return two tables, one for each definition of the mean: over shapes, and over windows."""
    parts = []
    for over_shapes, title in ((True, "Means over the nine shapes"), (False, "Means over windows")):
        prefix = "macro_" if over_shapes else ""
        rows = [row for entry in ordered() if (row := _row(entry, prefix, over_shapes))]
        header = [
            "report", "coherence", "perfect", "floor", "excess nats at T = 1", "decoding",
            "windows",
        ]  # fmt: skip
        parts.append(f"<h3>{title}</h3>{table(header, rows)}")
    return "".join(parts) + note(
        "Each table holds one definition. Excess nats: the KL divergence from the law at the same "
        "T. – was not measured; or is infinite, where a speaker cannot say what the voice can. "
        "V1–V6 on balanced windows are means over windows; V5’s test set was oversampled."
    )


def _row(entry: Report, prefix: str, over_shapes: bool) -> list[str] | None:
    report = entry.report
    cold = _result(entry, 0.3) or report.results[0]
    warm = _result(entry, 1.0)
    metric = cold.metrics.get(f"{prefix}coherence")
    if metric is None or (not over_shapes and "macro_coherence" in cold.metrics):
        return None
    excess = warm.metrics.get(f"{prefix}excess_nats") if warm else None
    return [
        f"{_title(report)} <small>{report.kind}</small>",
        _with_interval(metric),
        _number(metric.perfect),
        _number(metric.floor),
        _with_interval(excess),
        cold.decoding.label,
        str(cold.n) if cold.n else "exact",
    ]


def _title(report: EvalReport) -> str:
    """Return a report's title, which is Markdown, as HTML."""
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(report.title))


def _result(entry: Report, temperature: float) -> DecodedResult | None:
    try:
        return entry.report.at(temperature)
    except KeyError:
        return None


def _with_interval(metric: Metric | None) -> str:
    if metric is None:
        return "–"
    if metric.low is None or metric.high is None or metric.low == metric.high:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} <small>{metric.low:.3f} to {metric.high:.3f}</small>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def decodings(key: str) -> list[tuple[str, int]]:
    """Return the decodings of a report by label, with their positions."""
    return [(r.decoding.label, i) for i, r in enumerate(reports()[key].report.results)]


def show(key: str, position: int | None) -> tuple[str, str, str]:
    """Return a report under one decoding, the command that makes it, and where it comes from."""
    report = reports()[key].report
    results = report.results
    result = results[position if position is not None and position < len(results) else 0]
    one = report.model_copy(update={"results": [result]})
    rows = [[escape(cell) for cell in row[1:]] for row in metric_rows(one)]
    # What the report says as a whole, but of this decoding alone.
    says = "".join(f"<li>{escape(line)}</li>" for line in explain(one))
    gates = "".join(
        f'<li class="{"yes" if g.passed else "no"}">{"✔" if g.passed else "✘"} {escape(g.name)}: '
        f"{escape(g.asks)} (found {g.found:.4f})</li>"
        for g in report.gates
    )
    metric = next((m for m in ("coherence", "excess_nats") if _has(result, m)), None)
    plots = []
    for name in dict.fromkeys(m for m in (metric, "excess_nats", "entropy", *LISTED) if m):
        if not _has(result, name):
            continue
        shaped = {s: m[name] for s, m in result.per_shape.items() if name in m}
        lines = [(plain(s), m.value, m.perfect, True) for s, m in shaped.items()]
        most = max([1e-9, *(x for m in shaped.values() for x in (m.value, m.perfect or 0.0))])
        subtitle = f"{result.decoding.label}; the tick is perfect imitation"
        drawn = bars(lines, 1.0 if name == "coherence" else most)
        plots.append(figure(f"{plain(name).capitalize()} of each shape", drawn, subtitle))
    page = (
        f"<h2>{_title(report)}</h2>{note(report.note)}"
        + table(COLUMNS[1:], rows)
        + cards(plots, 300)
        + (f"<h3>Gates</h3><ul class='gates'>{gates}</ul>" if gates else "")
        + f"<h3>What this means</h3><ul>{says}</ul>"
    )
    return page, report.provenance.command, _provenance(reports()[key])


def _has(result: DecodedResult, metric: str) -> bool:
    return any(metric in metrics for metrics in result.per_shape.values())


def _provenance(entry: Report) -> str:
    p = entry.report.provenance
    rows = [("file", f"results/{entry.key}.json"), ("kind", entry.report.kind)]
    rows += [("imitates", f"the {entry.report.target} law")]
    rows += [("seed", str(p.seed))] if p.seed is not None else []
    rows += [("platform", p.platform)] if p.platform else []
    for name in ("data", "model", "recipe"):
        if value := getattr(p, name):
            rows.append((name, json.dumps(value, ensure_ascii=False, indent=1)))
    if p.versions:
        rows.append(("versions", ", ".join(f"{k} {v}" for k, v in p.versions.items())))
    body = [[escape(name), f"<pre>{escape(value)}</pre>"] for name, value in rows]
    return table(["provenance", ""], body, numbers_from=9)


def report_names() -> list[str]:
    """List the reports that travel here, as `run/name`."""
    return list(reports())


def report(name: str) -> dict:
    """Return one report, whole, as it stands in its file.

    Args:
        name: One of the names that `reports` lists, as in published/v6.
    """
    if name not in reports():
        known = ", ".join(list(reports())[:4])
        raise gr.Error(f"no report {name!r}; there are {known}, …", print_exception=False)
    return reports()[name].report.model_dump(by_alias=True)


def _preferred(key: str) -> int:
    """Return the position of the study's temperature, else of the first decoding."""
    for i, result in enumerate(reports()[key].report.results):
        if result.decoding.temperature == 0.3:
            return i
    return 0


def _chosen(key: str) -> tuple:
    position = _preferred(key)
    return gr.Dropdown(decodings(key), value=position), *show(key, position)


_ASKED = "(_, shown) => [new URLSearchParams(location.search).get('report') || '', shown]"
"""A link's report stands in the address: `?tab=results&report=published/v6`."""


def _opened(asked: str, shown: str) -> tuple:
    key = asked if asked in reports() else shown
    return key, *_chosen(key)


def build(tab: gr.Tab) -> None:
    """Build the tab; what it shows is brought when it is first looked at."""
    gr.Markdown(INTRO)
    first = (by_skill(real=False) or [ordered()[0].key])[0]
    wanted = gr.Textbox(visible=False)
    with gr.Row():
        choice = gr.Dropdown(
            [(f"{r.report.title.replace('`', '')} ({r.report.kind}, {r.run})", r.key)
             for r in ordered()],
            value=first, label="Report", min_width=240, elem_id="report",
        )  # fmt: skip
        decoding = gr.Dropdown(
            decodings(first), value=_preferred(first), label="Decoding", min_width=200
        )
    page_html = gr.HTML(elem_id="report-page")
    made = gr.Code("", language=None, label="Made by", interactive=False, lines=1)
    with gr.Accordion("Where it comes from", open=False):
        origin_html = gr.HTML(elem_id="provenance")
    gr.Markdown("## All reports")
    summary_html = gr.HTML(elem_id="summary")
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [page_html, made, origin_html]
    choice.change(_chosen, choice, [decoding, *shown], **quiet)
    decoding.input(show, [choice, decoding], shown, **quiet)
    tab.select(_opened, [wanted, choice], [choice, decoding, *shown], js=_ASKED, **quiet).then(
        summary, None, summary_html, **quiet
    )
    gr.api(report_names, api_name="reports")
    gr.api(report, api_name="report")
