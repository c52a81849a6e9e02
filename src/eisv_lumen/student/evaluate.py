"""A student's exact scores: from whole laws of each window, so that only the windows are a sample.

Nothing is drawn. Beside each score stand floor, perfect imitator and ceiling, as in every report,
and, where a teacher's laws of the same windows are given, how far the student is from *it*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..evaluation.gates import calibrated_gates, published_gates
from ..evaluation.report import EvalReport, provenance
from ..evaluation.scoring import DECODINGS, score_laws
from ..teacher.data.windows import target_laws

__all__ = ["exact_report"]

Floats = npt.NDArray[np.float64]


def exact_report(
    spoken: Floats,
    shapes: npt.NDArray[np.int8],
    target: str,
    *,
    name: str,
    title: str,
    command: str,
    data: Mapping[str, Any],
    model: Mapping[str, Any] | None = None,
    note: str = "",
    teacher: Floats | None = None,
) -> EvalReport:
    """Score whole laws at each temperature, and report them with their gates.

    Parameters
    ----------
    spoken, shapes, teacher
        As `pmf`, `shapes` and `teacher` of `score_laws`.
    target
        The law to imitate: `initial` or `learned`.
    name, title, note
        How the report is called, and what its reader should know.
    command, data, model
        For the provenance: what was run, on which windows, by which speaker.
    """
    laws = target_laws(target)
    report = EvalReport(
        kind="exact",
        name=name,
        title=title,
        target=target,
        note=note or "Computed from the whole law of each window; only the windows are a sample.",
        results=[
            score_laws(spoken, shapes, laws, decoding, teacher=teacher) for decoding in DECODINGS
        ],
        provenance=provenance(command, seed=0, data=data, model=model),
    )
    gates = [*published_gates(report.at(0.3)), *calibrated_gates(report)]
    return report.model_copy(update={"gates": gates})
