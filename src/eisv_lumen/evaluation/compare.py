"""Whether a second measurement of the same thing agrees with what was reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.errors import InputError
from .report import DecodedResult, EvalReport, Metric

__all__ = ["Figure", "compare"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a report, and what was found when it was measured again.

    Attributes
    ----------
    report, decoding, metric, shape
        Which figure it is; `shape` is "" for all windows together.
    reported, low, high
        As the report has it, with its 95 % interval; without one both are None.
    found
        Measured again.
    verdict
        `same`: no farther apart than the tolerance; `within`: inside the reported interval;
        `differs`: neither.
    """

    report: str
    decoding: str
    metric: str
    shape: str
    reported: float
    low: float | None
    high: float | None
    found: float
    verdict: Literal["same", "within", "differs"]


def compare(
    reported: EvalReport, found: Sequence[DecodedResult], tolerance: float = 1e-6
) -> list[Figure]:
    """Compare a report with a second measurement, figure by figure.

    With the same seed on the same kind of machine every figure is the same; where arithmetic
    rounds otherwise, a draw falls otherwise now and then, and figures stay within their intervals.

    Parameters
    ----------
    reported
        The report.
    found
        What was measured again, under the report's decodings and in their order.
    tolerance
        Difference up to which two figures count as the same; a report is rounded to 1e-6.

    Raises
    ------
    InputError
        The report has a figure that was not found, or the other way round.
    """
    figures = []
    for old, new in zip(reported.results, found, strict=True):
        known, label = dict(_metrics(new)), old.decoding.label
        for place, metric in _metrics(old):
            if place not in known:
                raise InputError(
                    f"report {reported.name}, {label}: {' '.join(place)} is not measured by this "
                    "version; see the versions in the report's provenance"
                )
            again = known.pop(place)
            figures.append(_figure(reported.name, label, place, metric, again, tolerance))
        if known:
            raise InputError(
                f"report {reported.name}, {label}: lacks {' '.join(next(iter(known)))}; it was "
                "made by another version, see its provenance"
            )
    return figures


def _metrics(result: DecodedResult) -> Iterator[tuple[tuple[str, str], Metric]]:
    """Yield ((metric, shape or ""), value)."""
    for name, metric in result.metrics.items():
        yield (name, ""), metric
    for shape, metrics in result.per_shape.items():
        for name, metric in metrics.items():
            yield (name, shape), metric


def _figure(
    report: str, label: str, place: tuple[str, str], old: Metric, new: Metric, tolerance: float
) -> Figure:
    verdict: Literal["same", "within", "differs"] = "differs"
    if abs(new.value - old.value) <= tolerance:
        verdict = "same"
    elif old.low is not None and old.high is not None and old.low <= new.value <= old.high:
        verdict = "within"
    return Figure(report, label, *place, old.value, old.low, old.high, new.value, verdict)
