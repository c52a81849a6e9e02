"""The exact law of expressions: a finite distribution that can be written down.

An expression of the voice is one of 15 single tokens, 225 lists of two, or 2,730 lists of three
distinct tokens. Over that support a law is a vector of 2,970 probabilities, and everything that
can be said of a perfect imitator (coherence, entropy, what a decoding temperature or a nucleus
makes of it) is arithmetic on it, not simulation (`reference/eisv.md` §4, §7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from .vocabulary import (
    AFFINE,
    INQUIRY_TOKENS,
    PATTERN_PMF,
    PATTERNS,
    SHAPES,
    TOKENS,
    pattern_of,
    shape_code,
)

__all__ = ["COHERENCE", "EXPRESSIONS", "WEIGHT_AFFINE", "WEIGHT_OTHER", "ExpressionLaw"]

Floats = npt.NDArray[np.float64]

WEIGHT_AFFINE = 3.0
WEIGHT_OTHER = 1.0

_N = len(TOKENS)
_PAIRS = np.array(list(product(range(_N), repeat=2)))
_TRIPLES = np.array(list(permutations(range(_N), 3)))
_INQUIRY = np.array([token in INQUIRY_TOKENS for token in TOKENS])

EXPRESSIONS: tuple[tuple[str, ...], ...] = tuple(
    [(token,) for token in TOKENS]
    + [(TOKENS[a], TOKENS[b]) for a, b in _PAIRS]
    + [(TOKENS[a], TOKENS[b], TOKENS[c]) for a, b, c in _TRIPLES]
)
"""The support: 15 singles, 225 lists of two, 2,730 of three distinct tokens."""

_LENGTH = np.repeat([1, 2, 3], [_N, len(_PAIRS), len(_TRIPLES)])
_COUNTS = np.zeros((len(EXPRESSIONS), _N))  # how often an expression holds each token
for _column, _codes in ((0, np.arange(_N)), (1, _PAIRS), (2, _TRIPLES)):
    _rows = np.flatnonzero(_LENGTH == _column + 1)
    for _place in np.asarray(_codes).reshape(len(_rows), -1).T:
        _COUNTS[_rows, _place] += 1

COHERENCE: Floats = (_COUNTS @ AFFINE.T / _LENGTH[:, None]).T
"""(9, 2970): coherence of each expression for each shape."""
COHERENCE.setflags(write=False)


@cache
def _pattern_codes() -> npt.NDArray[np.intp]:
    return np.array([PATTERNS.index(pattern_of(e)) for e in EXPRESSIONS])


@dataclass(frozen=True, eq=False)
class ExpressionLaw:
    """A distribution over expressions.

    Attributes
    ----------
    expressions : tuple of 2,970 token tuples
        The support, in the order of `pmf`; tokens stand without tildes.
    pmf : ndarray, shape (2970,)
        Probability of each of `expressions`; sums to 1.
    shape : str or None
        The shape that it voices; None for a mixture over shapes.

    Examples
    --------
    >>> law = ExpressionLaw.initial("convergence")
    >>> len(law.expressions), round(float(law.pmf.sum()), 12)
    (2970, 1.0)
    >>> [round(law.coherence(t), 3) for t in (1.0, 0.3, 0)]
    [0.502, 0.933, 1.0]
    """

    pmf: Floats
    shape: str | None = None

    @classmethod
    def initial(cls, shape: str) -> ExpressionLaw:
        """Return the law of the voice before any feedback.

        Raises
        ------
        UnknownNameError
            `shape` is none of `SHAPES`.
        """
        affine = AFFINE[shape_code(shape)]
        return cls.from_weights(shape, np.where(affine, WEIGHT_AFFINE, WEIGHT_OTHER))

    @classmethod
    def from_weights(cls, shape: str, weights: npt.ArrayLike) -> ExpressionLaw:
        """Return the law of a voice with the given token weights (§4).

        Parameters
        ----------
        shape
            One of `SHAPES`; its row of `PATTERN_PMF` is the law of the patterns.
        weights : array_like, shape (15,)
            Positive weight of each of `TOKENS`.

        Raises
        ------
        UnknownNameError
            `shape` is none of `SHAPES`.
        ValueError
            A weight is not positive and finite.
        """
        w = np.asarray(weights, dtype=np.float64)
        if w.shape != (_N,) or not (np.isfinite(w).all() and (w > 0).all()):
            raise ValueError(f"weights must be {_N} positive numbers, one a token")
        single, pair, triple, repetition, question = PATTERN_PMF[shape_code(shape)]
        total = w.sum()
        first = w / total
        # Drawing without replacement: each later draw is among the tokens that are left.
        a, b = _PAIRS.T
        two = np.where(a == b, repetition * first[a], pair * first[a] * w[b] / (total - w[a]))
        two += question * first[a] * _INQUIRY[b] / len(INQUIRY_TOKENS)
        a, b, c = _TRIPLES.T
        three = triple * first[a] * w[b] / (total - w[a]) * w[c] / (total - w[a] - w[b])
        return cls(np.concatenate([single * first, two, three]), shape)

    @classmethod
    def mixture(
        cls, laws: Sequence[ExpressionLaw], weights: npt.ArrayLike | None = None
    ) -> ExpressionLaw:
        """Return the law of a speaker that draws one of `laws` first (evenly by default)."""
        w = np.ones(len(laws)) if weights is None else np.asarray(weights, dtype=np.float64)
        # Added in order: a product of matrices rounds as the machine's BLAS does, and what stands
        # at the edge of a nucleus may hang on the last bit.
        return cls(sum(share * law.pmf for share, law in zip(w / w.sum(), laws, strict=True)))

    @property
    def expressions(self) -> tuple[tuple[str, ...], ...]:
        """The support, in the order of `pmf`; tokens stand without tildes."""
        return EXPRESSIONS

    def entropy(self) -> float:
        """Return the entropy [nats]."""
        p = self.pmf[self.pmf > 0]
        return float(-(p * np.log(p)).sum())

    def divergence(self, other: ExpressionLaw) -> float:
        """Return KL(self ‖ other) [nats]: the excess nats of a speaker with the law `other`."""
        p = self.pmf > 0
        with np.errstate(divide="ignore"):
            return float((self.pmf[p] * np.log(self.pmf[p] / other.pmf[p])).sum())

    def coherence(
        self,
        temperature: float = 1.0,
        *,
        top_k: int = 0,
        top_p: float = 1.0,
        shape: str | None = None,
    ) -> float:
        """Return the expected coherence of a perfect imitator, decoded token by token.

        Parameters
        ----------
        temperature, top_k, top_p
            As for `tempered`.
        shape
            The shape to be coherent with; the law's own by default.

        Raises
        ------
        UnknownNameError
            There is no such shape, or the law has none of its own.
        """
        scores = COHERENCE[shape_code(self.shape or "" if shape is None else shape)]
        return float(self.tempered(temperature, top_k=top_k, top_p=top_p).pmf @ scores)

    def tempered(self, temperature: float, *, top_k: int = 0, top_p: float = 1.0) -> ExpressionLaw:
        """Return the law of a perfect imitator decoded token by token.

        At each step, the decision to stop included, probabilities are raised to 1/T and
        renormalised; then top_k and top_p cut the tail, in the order of transformers' decoding.

        Parameters
        ----------
        temperature
            T ≥ 0; 0 is greedy decoding, ties shared.
        top_k
            Keep the k likeliest continuations (and their ties); 0 keeps all.
        top_p
            Keep the likeliest continuations that together reach this mass; 1 keeps all.

        Raises
        ------
        ValueError
            A setting is out of range.
        """
        for name, value, fits, asks in (
            ("temperature", temperature, temperature >= 0, "≥ 0"),
            ("top_k", top_k, top_k >= 0, "≥ 0"),
            ("top_p", top_p, 0 < top_p <= 1, "in (0, 1]"),
        ):
            if not fits:
                raise ValueError(f"{name}={value}: it must be {asks}")
        if temperature == 1 and not top_k and top_p == 1:
            return self
        first, second, third = (
            _decode(step, temperature, top_k, top_p) for step in _steps(self.pmf)
        )
        a, b = _PAIRS.T
        two = first[a] * second[a, b] * third[a, b, _N]
        a, b, c = _TRIPLES.T
        three = first[a] * second[a, b] * third[a, b, c]
        return ExpressionLaw(np.concatenate([first * second[:, _N], two, three]), self.shape)

    def token_pmf(self) -> Floats:
        """Return each token's share of all tokens spoken, shape (15,)."""
        counts = self.pmf @ _COUNTS
        return np.asarray(counts / counts.sum())

    def pattern_pmf(self) -> Floats:
        """Return the probability of each of `PATTERNS` as written expressions are labelled."""
        return np.bincount(_pattern_codes(), self.pmf, len(PATTERNS)).astype(np.float64)

    def diversity(self) -> float:
        """Return the entropy of the tokens spoken [nats], in [0, ln 15]."""
        p = self.token_pmf()
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    def sample_index(self, n: int, seed: int | np.random.Generator) -> npt.NDArray[np.intp]:
        """Draw `n` positions in `expressions`; parameters and errors as for `sample`."""
        if n < 0:
            raise ValueError(f"n={n}: give 0 or more")
        rng = np.random.default_rng(seed)
        cdf = np.cumsum(self.pmf)
        # Sorted draws walk the table in order, which is several times faster; then shuffle.
        return rng.permutation(np.searchsorted(cdf, np.sort(rng.random(n)) * cdf[-1], side="right"))

    def sample(self, n: int, seed: int | np.random.Generator) -> list[tuple[str, ...]]:
        """Draw `n` (≥ 0) expressions, independently of one another; tokens without tildes.

        Parameters
        ----------
        n, seed
            How many, and the seed of the draws or a generator, which goes on.

        Raises
        ------
        ValueError
            `n` is negative.
        """
        return [EXPRESSIONS[i] for i in self.sample_index(n, seed).tolist()]


def initial_laws() -> list[ExpressionLaw]:
    """Return the nine laws of the voice before any feedback, in the order of `SHAPES`."""
    return [ExpressionLaw.initial(shape) for shape in SHAPES]


def _steps(pmf: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the conditional probabilities of each step; the last column of 2 and 3 is 'stop'."""
    one, two, three = np.split(pmf, [_N, _N + len(_PAIRS)])
    third = np.zeros((_N, _N, _N + 1))
    third[tuple(_TRIPLES.T)] = three
    third[..., _N] = two.reshape(_N, _N)
    second = np.empty((_N, _N + 1))
    second[:, :_N] = third.sum(-1)
    second[:, _N] = one
    return second.sum(-1), second, third


def _decode(p: Floats, temperature: float, top_k: int, top_p: float) -> Floats:
    """Temper and cut the rows of `p`; a row of zeros, which is never reached, stays zeros."""
    peak = p.max(-1, keepdims=True)
    if temperature == 0:
        q = (p >= peak * (1 - 1e-12)) & (peak > 0)  # rounding must not break a tie
        return np.asarray(q / np.maximum(q.sum(-1, keepdims=True), 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        q = np.where(p > 0, np.exp((np.log(p) - np.log(peak)) / temperature), 0.0)
    if 0 < top_k < q.shape[-1]:
        q[q < np.sort(q, -1)[..., [-top_k]]] = 0.0
    q /= np.maximum(q.sum(-1, keepdims=True), np.finfo(float).tiny)
    if top_p < 1:
        order = np.argsort(q, -1, kind="stable")
        below = np.cumsum(np.take_along_axis(q, order, -1), -1) <= 1 - top_p
        below[..., -1] = False
        cut = np.empty_like(below)
        np.put_along_axis(cut, order, below, -1)
        q[cut] = 0.0
        q /= np.maximum(q.sum(-1, keepdims=True), np.finfo(float).tiny)
    return q
