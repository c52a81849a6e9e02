"""Speakers that need no model: each is nine exact laws, one a shape.

A baseline's score under any decoding is then arithmetic, not simulation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..expression.law import EXPRESSIONS, ExpressionLaw
from ..expression.vocabulary import AFFINE, PATTERN_PMF, REAL_MIX, SHAPES, TOKENS, token_codes
from ..expression.voice import Voice

__all__ = [
    "constant",
    "feedback",
    "ignorant",
    "initial",
    "oracle",
    "prompt_conditioned",
    "random_speaker",
]

Laws = list[ExpressionLaw]
Floats = npt.NDArray[np.float64]
_CODES = [token_codes(e) for e in EXPRESSIONS]
_FEEDBACK_UPDATES = 21_449


def initial() -> Laws:
    """Return the voice before feedback: the affinity-weighted speaker."""
    return [ExpressionLaw.initial(shape) for shape in SHAPES]


def feedback(seed: int = 0, n_updates: int = _FEEDBACK_UPDATES) -> Laws:
    """Return the voice after learning from the published mix of shapes (§6)."""
    mix = np.array([REAL_MIX[shape] for shape in SHAPES])
    voice = Voice(seed)
    voice.learn(np.random.default_rng(seed).choice(SHAPES, n_updates, p=mix / mix.sum()).tolist())
    return voice.laws()


def random_speaker() -> Laws:
    """Return the floor: every token uniform, the patterns of the average shape."""
    single, pair, triple, repetition, question = PATTERN_PMF.mean(0)
    lengths = np.array([single, pair + repetition + question, triple])
    return [_independent(np.full(len(TOKENS), 1 / len(TOKENS)), s, lengths) for s in SHAPES]


def prompt_conditioned() -> Laws:
    """Return the study's third baseline: 70 % an affine token, 30 % any; one token or two."""
    lengths = np.array([0.5, 0.5, 0.0])
    return [
        _independent(0.7 * affine / affine.sum() + 0.3 / len(TOKENS), shape, lengths)
        for shape, affine in zip(SHAPES, AFFINE, strict=True)
    ]


def oracle() -> Laws:
    """Return the best that coherence can reward: affine tokens alone, in the law's proportions."""
    laws = []
    for law, affine in zip(initial(), AFFINE, strict=True):
        inside = np.array([all(affine[code] for code in codes) for codes in _CODES])
        pmf = np.where(inside, law.pmf, 0.0)
        laws.append(ExpressionLaw(pmf / pmf.sum(), law.shape))
    return laws


def constant(shape: str, laws: Sequence[ExpressionLaw]) -> Laws:
    """Return a speaker that reads nothing and always uses the law of one shape."""
    pmf = laws[SHAPES.index(shape)].pmf
    return [ExpressionLaw(pmf, own) for own in SHAPES]


def ignorant(laws: Sequence[ExpressionLaw], weights: npt.ArrayLike | None = None) -> Laws:
    """Return the best speaker that reads nothing, by excess nats: the mixture of the laws.

    Parameters
    ----------
    laws
        The nine laws.
    weights : array_like, shape (9,), optional
        How often each shape occurs; evenly by default.
    """
    pmf = ExpressionLaw.mixture(laws, weights).pmf
    return [ExpressionLaw(pmf, shape) for shape in SHAPES]


def _independent(token: Floats, shape: str, lengths: Floats) -> ExpressionLaw:
    """Return the law of drawing a length, then that many tokens; three of them distinct."""
    a, b = np.divmod(np.arange(len(TOKENS) ** 2), len(TOKENS))
    triples = np.array([codes for codes in _CODES if len(codes) == 3])
    three = token[triples].prod(1)
    pmf = np.concatenate(
        [lengths[0] * token, lengths[1] * token[a] * token[b], lengths[2] * three / three.sum()]
    )
    return ExpressionLaw(pmf, shape)
