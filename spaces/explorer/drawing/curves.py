"""Numbers for the thermometer: what reports say at a decoding, and how exact they can be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from folder import Report, reports

from eisv_lumen.evaluation.report import DecodedResult, Decoding, EvalReport
from eisv_lumen.evaluation.scoring import INHERITED
from eisv_lumen.study.distance_to_perfect import perfect_imitation
from eisv_lumen.study.published import composition

__all__ = [
    "at",
    "by_skill",
    "grid",
    "is_nucleus",
    "labels",
    "measured",
    "nearest",
    "over_real_mix",
    "perfection",
    "study",
]


def grid(report: Report, nucleus: bool, metric: str) -> tuple[list[float], list[float]]:
    """Return temperatures and values of one metric of a report, with the nucleus or without."""
    rows = sorted(
        (r.decoding.temperature, r.metrics[metric].value)
        for r in report.report.results
        if is_nucleus(r) == nucleus and metric in r.metrics
    )
    return [t for t, _ in rows], [v for _, v in rows]


def at(report: Report, temperature: float, nucleus: bool) -> DecodedResult | None:
    """Return the result at a temperature, None where there is none."""
    for result in report.report.results:
        same = abs(result.decoding.temperature - temperature) < 1e-9
        if same and is_nucleus(result) == nucleus:
            return result
    return None


def nearest(report: Report, temperature: float, nucleus: bool) -> DecodedResult | None:
    """Return the result at the nearest temperature that was measured."""
    there = [r for r in report.report.results if is_nucleus(r) == nucleus]
    return min(there, key=lambda r: abs(r.decoding.temperature - temperature), default=None)


def is_nucleus(result: DecodedResult) -> bool:
    """Say whether a result was decoded with the nucleus that Qwen3 brings."""
    return result.decoding.top_k == INHERITED.top_k


def measured() -> dict[str, Report]:
    """Return our own reports that can stand on these curves: measured, of the initial law."""
    return {
        key: r
        for key, r in reports().items()
        if r.report.kind == "measured"
        and r.report.target == "initial"
        and any("macro_coherence" in result.metrics for result in r.report.results)
    }


def by_skill(real: bool) -> list[str]:
    """Return the keys of our reports over one mix of shapes, least excess nats (T = 1) first."""
    found = {}
    for key, report in measured().items():
        warm = at(report, 1.0, False)
        excess = warm.metrics.get("macro_excess_nats") if warm else None
        if over_real_mix(report) == real:
            found[key] = float("inf") if excess is None else excess.value
    return sorted(found, key=found.__getitem__)


def over_real_mix(report: Report) -> bool:
    """Say whether a report's windows come in the real mix of shapes, rather than evenly.

    A report holds no mix, but what perfect imitation scores over its windows, which differs.
    """
    law = reports()["law/imitator"].report.at(0.3).metrics
    here = at(report, 0.3, False)
    perfect = here.metrics["coherence"].perfect if here else None
    if perfect is None:
        return False
    real, even = law["coherence"].value, law["macro_coherence"].value
    return abs(perfect - real) < abs(perfect - even)


def study(real: bool) -> list[Report]:
    """Return the study's runs over balanced windows, or over real ones."""
    return [
        r
        for r in reports().values()
        if r.report.kind == "published" and r.report.name.endswith("-real") == real
    ]


@cache
def perfection(run: str, temperature: float, nucleus: bool) -> tuple[float, float]:
    """Return mean and standard error of a perfect imitator over a published run's own windows.

    They come in the run's own mix of shapes: V5's test set holds more of the weak ones.
    """
    windows = reports()[f"published/{run}"].report.results[0].n
    shares, drawn = composition(run)
    top_k, top_p = (INHERITED.top_k, INHERITED.top_p) if nucleus else (0, 1.0)
    decoding = Decoding(temperature=temperature, top_k=top_k, top_p=top_p)
    return perfect_imitation(shares, windows, decoding, drawn=drawn)


def labels(runs: Sequence[tuple[EvalReport, float]]) -> list[str]:
    """Titles of runs; of those too near to be told apart the highest carries all titles."""
    order = sorted(range(len(runs)), key=lambda i: -runs[i][1])
    found = [""] * len(runs)
    head = None
    for i in order:
        title = runs[i][0].title.removesuffix(" on real")
        if head is not None and runs[head][1] - runs[i][1] < 0.03:
            found[head] += f", {title}"
        else:
            found[i], head = title, i
    return found
