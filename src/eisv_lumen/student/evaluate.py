"""A student's exact scores: from whole laws of each window, so that only the windows are a sample.

Nothing is drawn. Beside each score stand floor, perfect imitator and ceiling, as in every report,
and, where a teacher's laws of the same windows are given, how far the student is from *it*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..evaluation.baselines import ignorant, random_speaker
from ..evaluation.gates import calibrated_gates, published_gates
from ..evaluation.report import DecodedResult, Decoding, EvalReport, Metric, provenance
from ..evaluation.scoring import DECODINGS, N_RESAMPLES
from ..expression.coherence import percentile_interval, resample_counts
from ..expression.law import COHERENCE, ExpressionLaw
from ..expression.vocabulary import SHAPES
from ..teacher.data.windows import target_laws

__all__ = ["exact_report", "exact_scores", "kl_rows", "temper_rows"]

Floats = npt.NDArray[np.float64]


def exact_scores(
    spoken: Floats,
    shapes: npt.NDArray[np.int8],
    laws: Sequence[ExpressionLaw],
    *,
    teacher: Floats | None = None,
    decodings: Sequence[Decoding] = DECODINGS,
    seed: int = 0,
) -> list[DecodedResult]:
    """Score a speaker's whole law of each window.

    Parameters
    ----------
    spoken : ndarray, shape (n, 2970)
        The speaker's law of each window at T = 1, each row summing to 1.
    shapes : ndarray, shape (n,), int8
        True shapes, as positions in `SHAPES`.
    laws
        The nine laws to imitate.
    teacher : ndarray, shape (n, 2970), optional
        The law of the speaker's teacher at T = 1, where that is known; rows are normalised.
    decodings
        Temperatures, without a nucleus.
    seed
        Seed of the bootstrap.

    Returns
    -------
    list of DecodedResult
        Metrics `coherence`, `valid_rate`, `diversity` [nats] and, where T > 0, `excess_nats`;
        against the teacher, `teacher_excess_nats` (KL(teacher ‖ speaker)) and `teacher_overlap`
        (the probability with which a draw of either can be the same: 1 less the total variation).
        Means over shapes are called `macro_…`. Both are decoded alike.

    Raises
    ------
    InputError
        There are no windows, lengths differ, or a decoding has a nucleus.
    """
    n = len(spoken)
    if n == 0 or len(shapes) != n or (teacher is not None and len(teacher) != n):
        raise InputError(f"{n} laws for {len(shapes)} windows: give one for each")
    present, count = np.unique(shapes, return_counts=True)
    weights = np.bincount(shapes, minlength=len(SHAPES)) / n
    each = np.full(n, 1 / n)
    even = 1 / (present.size * count[np.searchsorted(present, shapes)])
    resampled = resample_counts(shapes, N_RESAMPLES, seed)
    results = []
    for decoding in decodings:
        if decoding.top_k or decoding.top_p != 1:
            raise InputError(f"{decoding.label}: exact scores are of plain temperatures")
        t = decoding.temperature
        said = temper_rows(spoken, t)
        wanted = [law.tempered(t) for law in laws]
        truth = np.stack([law.pmf for law in wanted])
        chance = np.stack([law.tempered(t).pmf for law in random_speaker()])
        columns: dict[str, _Column] = {
            "coherence": _Column(
                (said * COHERENCE[shapes]).sum(1),
                (chance * COHERENCE).sum(1),
                (truth * COHERENCE).sum(1),
                1.0,
            ),
        }
        excess = kl_rows(truth[shapes], said)
        if t > 0 and np.isfinite(excess).all():  # some speakers cannot say what the law can
            columns["excess_nats"] = _Column(excess, None, np.zeros(9))
        if teacher is not None:
            taught = temper_rows(teacher / teacher.sum(1, keepdims=True), t)
            overlap = np.minimum(taught, said).sum(1)
            columns["teacher_overlap"] = _Column(overlap, None, None, 1.0)
            if t > 0:
                columns["teacher_excess_nats"] = _Column(kl_rows(taught, said), None, None, 0.0)
        metrics: dict[str, Metric] = {}
        for prefix, weight, mix in (("", each, weights), ("macro_", even, weights > 0)):
            share = mix / mix.sum()
            for name, column in columns.items():
                ignorance = None
                if name == "excess_nats":
                    nothing = np.stack([law.pmf for law in ignorant(wanted, share)])
                    ignorance = np.where(share > 0, kl_rows(truth, nothing), 0.0)
                metrics[prefix + name] = column.metric(weight, resampled, share, ignorance)
        metrics["valid_rate"] = Metric(value=1.0, floor=1.0, perfect=1.0, ceiling=1.0)
        metrics["diversity"] = Metric(
            value=ExpressionLaw(each @ said).diversity(),
            floor=0.0,
            perfect=ExpressionLaw(weights @ truth).diversity(),
            ceiling=float(np.log(15)),
        )
        per_shape = {
            SHAPES[code]: {
                name: column.metric((shapes == code) / (shapes == code).sum(), resampled,
                                    np.eye(len(SHAPES))[code], None)
                for name, column in columns.items()
            }
            for code in present
        }  # fmt: skip
        results.append(DecodedResult(decoding=decoding, n=n, metrics=metrics, per_shape=per_shape))
    return results


class _Column:
    """A metric's value for each window (n,), and what the references get for each shape (9,)."""

    def __init__(
        self,
        values: Floats,
        floor: Floats | None,
        perfect: Floats | None,
        best: float | None = None,
    ) -> None:
        self.values, self.floor, self.perfect, self.best = values, floor, perfect, best

    def metric(
        self,
        weight: Floats,
        resampled: npt.NDArray[np.float32],
        share: Floats,
        ignorance: Floats | None,
    ) -> Metric:
        """Average over windows by `weight` (n,), the references by `share` (9,)."""
        low, high = percentile_interval(resampled @ (weight * self.values))
        floor = self.floor if ignorance is None else ignorance
        return Metric(
            value=float(weight @ self.values),
            low=low,
            high=high,
            floor=None if floor is None else float(floor @ share),
            perfect=None if self.perfect is None else float(self.perfect @ share),
            ceiling=self.best,
        )


def temper_rows(pmf: Floats, temperature: float) -> Floats:
    """Decode laws at a temperature, step by step; rows that are equal are decoded once."""
    if temperature == 1:
        return pmf
    unique, inverse = np.unique(pmf, axis=0, return_inverse=True)
    decoded = np.stack([ExpressionLaw(row).tempered(temperature).pmf for row in unique])
    return np.asarray(decoded[inverse.reshape(-1)])


def kl_rows(p: Floats, q: Floats) -> Floats:
    """Return KL(p ‖ q) [nats] of each row; 0 where p is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(p > 0, p * np.log(p / q), 0.0).sum(1))


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
    """Score whole laws, as `exact_scores` does, and report them with their gates.

    Parameters
    ----------
    spoken, shapes, teacher
        As for `exact_scores`.
    target
        The law to imitate: `initial` or `learned`.
    name, title, note
        How the report is called, and what its reader should know.
    command, data, model
        For the provenance: what was run, on which windows, by which speaker.
    """
    report = EvalReport(
        kind="exact",
        name=name,
        title=title,
        target=target,
        note=note or "Computed from the whole law of each window; only the windows are a sample.",
        results=exact_scores(spoken, shapes, target_laws(target), teacher=teacher),
        provenance=provenance(command, seed=0, data=data, model=model),
    )
    gates = [*published_gates(report.at(0.3)), *calibrated_gates(report)]
    return report.model_copy(update={"gates": gates})
