"""What a set's windows say of a model, one number a window: the gates are means of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .articles import Floats
from .floors import Floors, Readout
from .identification import Doubles, Said

__all__ = [
    "COPY",
    "LAG",
    "LAG_CENTRED",
    "SCALARS",
    "Answers",
    "Calibration",
    "Readings",
    "merge",
]

COPY, LAG, LAG_CENTRED = "copy-last", "lag-cosine", "lag-cosine, pool-centred"
"""Names of the floors of identification that stand under every model; the first also of others."""
SCALARS = "context scalars"
"""Name of the floor of regression: least squares with one scalar for each context chunk."""


@dataclass(frozen=True)
class Answers:
    """What a model said of a set of N windows.

    Attributes
    ----------
    plain
        On the contexts as they are.
    shuffled
        On the contexts, each in an order of its own (`ablations.shuffled`).
    backward
        On the contexts from the other side (`ablations.backward`).
    vectors : (N, D), optional
        Predicted vectors on the contexts as they are: `plain` itself, but of a model that also
        ranks. The others below are of such vectors, too.
    ablated
        On `ablations.ablate`, by its names.
    rollout : (N, H, D), optional
        One after another, each fed back.
    """

    plain: Said
    shuffled: Said | None = None
    backward: Said | None = None
    vectors: Floats | None = None
    ablated: Mapping[str, Sequence[Floats]] | None = None
    rollout: Floats | None = None


@dataclass(frozen=True)
class Calibration:
    """All that is fitted, on articles that are not read.

    Attributes
    ----------
    floors
        Of the articles.
    readouts, scales
        Of the model (under the empty name), of `COPY` and of each null. A scale makes the squared
        error of predictions of any length least; it is not negative, and rankers have none.
    shuffled
        Readout of the model's answers to shuffled contexts: a temperature of its own, so that
        what shuffling costs is information, not misplaced confidence.
    """

    floors: Floors
    readouts: Mapping[str, Readout]
    scales: Mapping[str, float]
    shuffled: Readout | None = None


@dataclass(frozen=True)
class Readings:
    """One number a window, each (N,); NaN where a window has none.

    Attributes
    ----------
    bits, uniform, recall_1, recall_5, reciprocal
        As in `ranking.Identified`, the context excluded.
    floor_bits
        Bits of `COPY`, `LAG`, `LAG_CENTRED` and each null.
    lost
        Bits with the context in order, less bits with it shuffled.
    forward
        1 where the forward context tells the target better than the backward one, 0 where worse,
        0.5 at a tie.
    cosine
        Of the prediction with the target.
    error, floor_errors
        Squared error of the scaled prediction; of the context scalars (`SCALARS`), of `COPY` and
        of each null.
    with_last, target_with_last
        Inner products with c_4: of the scaled prediction, and of the target. For a least-squares
        predictor their means are equal.
    rollout : (N, H)
        Cosine of each step with its chunk.
    rollout_floors
        The same of c_4 repeated, of the mean of the article's other chunks, and of any direction.
    """

    bits: Doubles
    uniform: Doubles
    recall_1: Doubles
    recall_5: Doubles
    reciprocal: Doubles
    floor_bits: dict[str, Doubles]
    lost: Doubles | None = None
    forward: Doubles | None = None
    cosine: Doubles | None = None
    error: Doubles | None = None
    floor_errors: dict[str, Doubles] = field(default_factory=dict)
    with_last: Doubles | None = None
    target_with_last: Doubles | None = None
    rollout: Doubles | None = None
    rollout_floors: dict[str, Doubles] = field(default_factory=dict)


def merge(first: Readings, second: Readings) -> Readings:
    """Join the readings of two halves of a set."""

    def join(a: object, b: object) -> object:
        if isinstance(a, dict) and isinstance(b, dict):
            return {name: join(a[name], b[name]) for name in a}
        return None if a is None else np.where(np.isnan(a), b, a)  # type: ignore[call-overload]

    return Readings(**{name: join(a, vars(second)[name]) for name, a in vars(first).items()})  # type: ignore[arg-type]
