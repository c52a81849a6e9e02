"""A report as rows of text, and the sentences that say what its numbers mean."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import InputError
from .metrics import listed, titles
from .report import DecodedResult, EvalReport, Metric

__all__ = [
    "BRIEF_COLUMNS",
    "COLUMNS",
    "brief_rows",
    "explain",
    "listed_cells",
    "metric_of_all",
    "metric_rows",
    "shape_rows",
]

BRIEF_COLUMNS = (
    "decoding", "mean coherence", "macro coherence", "perfect", "random", "macro excess nats",
    "reads nothing", "valid", "diversity", "perfect", *listed().values(),
)  # fmt: skip

COLUMNS = ("decoding", "metric", "value", "95 % interval", "floor", "perfect", "ceiling")


def metric_of_all(reports: Sequence[EvalReport], wanted: str | None) -> str:
    """Return the metric to compare reports by.

    Parameters
    ----------
    reports
        At least one.
    wanted
        A metric; by default `macro_coherence`, or `coherence` where not every report has that.

    Raises
    ------
    InputError
        No report has it; the message names those that there are.
    """
    named = [{name for result in r.results for name in result.metrics} for r in reports]
    if wanted is None:
        wanted = "macro_coherence" if all("macro_coherence" in n for n in named) else "coherence"
    there = set().union(*named)
    if wanted not in there:
        raise InputError(
            f"metric {wanted!r}: in none of the reports, which have {', '.join(sorted(there))}"
        )
    return wanted


def brief_rows(report: EvalReport) -> list[tuple[str, ...]]:
    """Return a row for each decoding; the columns are `BRIEF_COLUMNS`.

    The mean over windows, which the study's gates ask for, stands beside the means over shapes.
    """
    rows: list[tuple[str, ...]] = []
    for result in report.results:
        found = result.metrics
        mean, macro = (found.get(name) for name in ("coherence", "macro_coherence"))
        reference = macro or found["coherence"]
        excess, valid, diversity = (
            found.get(name) for name in ("macro_excess_nats", "valid_rate", "diversity")
        )
        rows.append(
            (
                result.decoding.label,
                "" if mean is None else _number(mean.value, 3),
                "" if macro is None else _with_interval(macro),
                _number(reference.perfect, 3),
                _number(reference.floor, 3),
                "" if excess is None else _with_interval(excess),
                "" if excess is None else _number(excess.floor, 3),
                "" if valid is None else _number(valid.value, 3),
                "" if diversity is None else _number(diversity.value, 3),
                "" if diversity is None else _number(diversity.perfect, 3),
                *listed_cells(result),
            )
        )
    return rows


def listed_cells(result: DecodedResult) -> list[str]:
    """Return value and interval of each of `metrics.listed`; "" where it was not measured."""
    found = (result.metrics.get(name) for name in listed())
    return ["" if metric is None else _with_interval(metric) for metric in found]


def metric_rows(report: EvalReport) -> list[tuple[str, ...]]:
    """Return a row for each decoding and metric; the columns are `COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    names = titles()
    for result in report.results:
        label = result.decoding.label
        for name, metric in result.metrics.items():
            rows.append((label, names.get(name, name), *_cells(metric)))
            label = ""
    return rows


def shape_rows(result: DecodedResult, metric: str) -> list[tuple[str, ...]]:
    """Return a row for each shape: value, interval, floor, perfect, ceiling of one metric."""
    return [
        (shape, *_cells(metrics[metric]))
        for shape, metrics in result.per_shape.items()
        if metric in metrics
    ]


def explain(report: EvalReport) -> list[str]:
    """Say in sentences what a report's numbers mean, and what they cannot."""
    lines = []
    for result in report.results:
        found = result.metrics.get("macro_coherence")
        if found is None or found.perfect is None or result.decoding.temperature not in (0.3, 1.0):
            continue
        inside = (
            found.low is not None
            and found.high is not None
            and found.low <= found.perfect <= found.high
        )
        verdict = "its interval holds" if inside else "its interval does not hold"
        lines.append(
            f"At {result.decoding.label} macro coherence is {found.value:.3f}; {verdict} the "
            f"perfect imitator's {found.perfect:.3f}. Random tokens get {found.floor:.3f}."
        )
    try:
        excess = report.at(1.0).metrics.get("macro_excess_nats")
    except KeyError:
        excess = None
    if excess is not None and excess.floor:
        closed = 1 - excess.value / excess.floor
        lines.append(
            f"Excess nats at T = 1 are {excess.value:.4f}: 0 is perfect imitation, "
            f"{excess.floor:.4f} the best that a speaker can do that reads nothing; "
            + (f"{closed:.0%} of that gap is closed." if closed > 0 else "this is worse than that.")
        )
    lines.append(
        "Coherence rises as the temperature falls, for a perfect imitator too: a value above "
        "'perfect' is sharpening, not learning. Only excess nats tell the two apart."
    )
    return lines


def _cells(metric: Metric) -> tuple[str, str, str, str, str]:
    interval = "" if _no_interval(metric) else f"{metric.low:.4f} … {metric.high:.4f}"
    rest = (_number(x) for x in (metric.floor, metric.perfect, metric.ceiling))
    floor, perfect, ceiling = rest
    return f"{metric.value:.4f}", interval, floor, perfect, ceiling


def _with_interval(metric: Metric) -> str:
    if _no_interval(metric):
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"


def _no_interval(metric: Metric) -> bool:
    """Say whether there is no interval; one of no width says that nothing varied, not certainty."""
    return metric.low is None or metric.high is None or metric.low == metric.high


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"
