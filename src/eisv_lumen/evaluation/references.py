"""A metric that is a mean over windows, beside what the reference speakers get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..expression.coherence import percentile_interval
from ..expression.law import ExpressionLaw
from .baselines import ignorant, random_speaker
from .report import Decoding, Metric

__all__ = ["Column", "Tempered"]

Floats = npt.NDArray[np.float64]
Laws = Sequence[ExpressionLaw]


class Tempered:
    """The reference speakers, decoded like the one that is scored.

    Parameters
    ----------
    laws
        The nine laws that the speaker should imitate.
    decoding
        How it was decoded.

    Attributes
    ----------
    imitator, random
        A perfect imitator of the laws, and a speaker that picks tokens at random.
    """

    def __init__(self, laws: Laws, decoding: Decoding) -> None:
        def decode(speaker: Laws) -> list[ExpressionLaw]:
            top_k, top_p = decoding.top_k or 0, decoding.top_p or 1.0
            return [law.tempered(decoding.temperature, top_k=top_k, top_p=top_p) for law in speaker]

        self.imitator = decode(laws)
        self.random = decode(random_speaker())

    def ignorance(self, weights: Floats) -> Floats:
        """Excess nats, shape by shape, of the best mixture of the decoded laws."""
        mixture = ignorant(self.imitator, weights)
        return np.array(
            [
                law.divergence(mix) if w > 0 else 0.0
                for law, mix, w in zip(self.imitator, mixture, weights, strict=True)
            ]
        )


@dataclass(frozen=True)
class Column:
    """A metric that is a mean over windows, and what the references get.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Of each window.
    floor, perfect, ceiling : ndarray, shape (9,)
        What the random speaker, a perfect imitator and the best speaker get on windows of a
        shape; no ceiling where only imitation has a best.
    """

    values: Floats
    floor: Floats
    perfect: Floats
    ceiling: Floats | None

    def pooled(self, counts: npt.NDArray[np.float32], weights: Floats) -> Metric:
        """Return the mean over all windows; `counts` are a resample's rows, `weights` the mix."""
        low, high = percentile_interval(counts @ self.values / self.values.size)
        return Metric(
            value=float(self.values.mean()),
            low=low,
            high=high,
            floor=float(self.floor @ weights),
            perfect=float(self.perfect @ weights),
            ceiling=None if self.ceiling is None else float(self.ceiling @ weights),
        )

    def of_shape(
        self, shapes: npt.NDArray[np.int8], counts: npt.NDArray[np.float32], code: int
    ) -> tuple[Metric, Floats]:
        """Return the mean over one shape's windows, and each resample's."""
        members = np.flatnonzero(shapes == code)
        resampled = counts[:, members] @ self.values[members] / members.size
        low, high = percentile_interval(resampled)
        metric = Metric(
            value=float(self.values[members].mean()),
            low=low,
            high=high,
            floor=float(self.floor[code]),
            perfect=float(self.perfect[code]),
            ceiling=None if self.ceiling is None else float(self.ceiling[code]),
        )
        return metric, resampled

    def macro(
        self, shaped: dict[int, tuple[Metric, Floats]], present: npt.NDArray[np.int8]
    ) -> Metric:
        """Return the mean of what `of_shape` gave for each shape that is present."""
        low, high = percentile_interval(np.mean([r for _, r in shaped.values()], axis=0))
        return Metric(
            value=float(np.mean([metric.value for metric, _ in shaped.values()])),
            low=low,
            high=high,
            floor=float(self.floor[present].mean()),
            perfect=float(self.perfect[present].mean()),
            ceiling=None if self.ceiling is None else float(self.ceiling[present].mean()),
        )
