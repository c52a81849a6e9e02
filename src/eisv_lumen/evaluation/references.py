"""The reference speakers, decoded like the one that is scored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..expression.law import ExpressionLaw
from .baselines import random_speaker
from .metrics import kl_rows, law_rows
from .report import Decoding

__all__ = ["References", "decode", "decode_rows"]

Floats = npt.NDArray[np.float64]


def decode(law: ExpressionLaw, decoding: Decoding) -> ExpressionLaw:
    """Return a law as it is under a decoding."""
    return law.tempered(
        decoding.temperature, top_k=decoding.top_k or 0, top_p=decoding.top_p or 1.0
    )


def decode_rows(pmf: Floats, decoding: Decoding) -> Floats:
    """Decode laws, (n, 2970), step by step; rows that are equal are decoded once."""
    if decoding.temperature == 1 and not decoding.top_k and decoding.top_p in (None, 1):
        return pmf
    unique, inverse = np.unique(pmf, axis=0, return_inverse=True)
    decoded = np.stack([decode(ExpressionLaw(row), decoding).pmf for row in unique])
    return np.asarray(decoded[inverse.reshape(-1)])


class References:
    """What stands beside a speaker's score.

    Parameters
    ----------
    laws
        The laws that the speaker should imitate, one for each shape.
    decoding
        How it was decoded.

    Attributes
    ----------
    wanted, random : ndarray, shape (shapes, 2970)
        The decoded laws of a perfect imitator, and of a speaker that picks tokens at random.
    """

    def __init__(self, laws: Sequence[ExpressionLaw], decoding: Decoding) -> None:
        self._decoding = decoding
        self.target = law_rows(laws)
        self.wanted = law_rows([decode(law, decoding) for law in laws])

    @cached_property
    def random(self) -> Floats:
        return law_rows([decode(law, self._decoding) for law in random_speaker()])

    def ignorance(self, share: Floats) -> Floats:
        """Excess nats, shape by shape, of the best mixture of the decoded laws."""
        mixture = np.zeros(self.wanted.shape[1])
        # Added in order, as ExpressionLaw.mixture does.
        for weight, row in zip(share / share.sum(), self.wanted, strict=True):
            mixture = mixture + weight * row
        with np.errstate(invalid="ignore"):
            found = kl_rows(self.wanted, np.broadcast_to(mixture, self.wanted.shape))
        return np.where(share > 0, found, 0.0)
