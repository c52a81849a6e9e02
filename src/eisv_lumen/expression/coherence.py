"""Pure functions that score expressions: coherence, diversity, divergence.

NumPy and this folder alone: the published metric is made of these files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import repeat
from operator import index as as_index

import numpy as np
import numpy.typing as npt

from .answer import Parsed, is_answer, parse
from .law import COHERENCE, EXPRESSIONS
from .vocabulary import AFFINE_TOKENS, SHAPES, TOKENS, strip_tildes

__all__ = [
    "coherence",
    "entropy",
    "is_valid",
    "jensen_shannon",
    "percentile_interval",
    "resample_counts",
    "shape_codes",
    "split_tokens",
    "token_pmf",
]

Floats = npt.NDArray[np.float64]
Expression = str | Sequence[str]
Shape = str | int
"""The name of a shape, or its code."""

_INDEX = {expression: i for i, expression in enumerate(EXPRESSIONS)}
_SHAPE_CODE = {shape: code for code, shape in enumerate(SHAPES)}


def split_tokens(expression: Expression) -> tuple[str, ...]:
    r"""Return the tokens of an expression, without tildes.

    Parameters
    ----------
    expression
        A string with spaces between the tokens, or the tokens; with tildes or without. Or a whole
        answer of three lines (see `answer.parse`), which has no tokens where it is not valid.

    Raises
    ------
    ValueError
        It is none of these.

    Examples
    --------
    >>> split_tokens("~warmth~ ~return~")
    ('warmth', 'return')
    >>> split_tokens("EISV_TOKENS: ~warmth~\nLUMEN_TOKENS: warm\nPATTERN: SINGLE")
    ('warmth',)
    """
    if isinstance(expression, str) and is_answer(expression):
        parsed = parse(expression)
        return parsed.tokens if isinstance(parsed, Parsed) else ()
    try:
        tokens = tuple(expression.split() if isinstance(expression, str) else expression)
        "".join(tokens)  # all are texts
    except TypeError:
        raise ValueError(
            f"{expression!r} is no expression: give a string such as '~warmth~ ~return~', a "
            "list of tokens, or a whole answer with its line EISV_TOKENS"
        ) from None
    return tuple(map(strip_tildes, tokens))


def shape_codes(shapes: Shape | Iterable[Shape], n: int) -> npt.NDArray[np.intp]:
    """Return the codes of n shapes, which are given by name or by code.

    Parameters
    ----------
    shapes
        One for all, or n of them: names, class codes from 0 to 8, or both.
    n
        How many there must be.

    Raises
    ------
    ValueError
        One is unknown, or there are more or fewer than n.

    Examples
    --------
    >>> shape_codes(["convergence", 0], 2).tolist()
    [8, 0]
    """
    one = isinstance(shapes, str) or not isinstance(shapes, Iterable)
    given: list[Shape] = [shapes] if one else list(shapes)  # type: ignore[arg-type, list-item]
    codes = [_code(shape) for shape in given]
    unknown = [shape for shape, code in zip(given, codes, strict=True) if code is None]
    if unknown:
        raise ValueError(
            f"unknown shapes {unknown[:3]}: use {', '.join(SHAPES)}, or their codes from 0 to "
            f"{len(SHAPES) - 1}"
        )
    if one:
        return np.full(n, codes[0], np.intp)
    if len(codes) != n:
        raise ValueError(f"{n} expressions, but {len(codes)} shapes: give one shape for each")
    return np.array(codes, np.intp)


def _code(shape: Shape) -> int | None:
    if isinstance(shape, str):
        return _SHAPE_CODE.get(shape)
    try:
        code = as_index(shape)
    except TypeError:
        return None
    return code if 0 <= code < len(SHAPES) and not isinstance(shape, bool) else None


def coherence(expressions: Iterable[Expression], shapes: Shape | Iterable[Shape]) -> Floats:
    """Score expressions: affine tokens / all tokens, with repetition (`reference/eisv.md` §4).

    Parameters
    ----------
    expressions
        n expressions, each as `split_tokens` takes it: forms may be mixed.
    shapes
        The shape that each was meant for (n), or one for all; names, or codes as `classify` gives.

    Returns
    -------
    ndarray, shape (n,), float64
        In [0, 1]; 0 for an empty expression, and for a whole answer that is not valid. An unknown
        token is not affine.

    Raises
    ------
    ValueError
        A shape is unknown, there are more or fewer shapes than expressions, or one of the
        expressions is none.

    Examples
    --------
    >>> coherence([["stillness", "warmth"], "~ripple~", []], ["convergence", "void_rising", 8])
    array([0.5, 0. , 0. ])
    """
    found = _lookup(expressions)
    codes = shape_codes(shapes, len(found))
    index = np.fromiter(map(_INDEX.get, found, repeat(-1)), np.intp, len(found))
    scores = np.where(index >= 0, COHERENCE[codes, index], 0.0)
    for i in np.flatnonzero(index < 0):
        tokens = split_tokens(found[i])
        affine = AFFINE_TOKENS[SHAPES[codes[i]]]
        scores[i] = sum(token in affine for token in tokens) / len(tokens) if tokens else 0.0
    return scores


def is_valid(expressions: Iterable[Expression]) -> npt.NDArray[np.bool_]:
    """Say of each expression whether it has a token, and only tokens of `TOKENS`.

    A whole answer is valid by the study's definition (see `answer.parse`).
    """
    return np.array(
        [bool(tokens := split_tokens(e)) and all(t in TOKENS for t in tokens) for e in expressions],
        dtype=bool,
    )


def token_pmf(expressions: Iterable[Expression]) -> Floats:
    """Return each token's share of all known tokens spoken, shape (15,); of none, zeros."""
    code = {token: i for i, token in enumerate(TOKENS)}
    counts = np.zeros(len(TOKENS))
    for expression in expressions:
        for token in split_tokens(expression):
            if token in code:
                counts[code[token]] += 1
    return np.asarray(counts / max(counts.sum(), 1.0))


def entropy(pmf: npt.ArrayLike) -> Floats:
    """Return the entropy [nats] of distributions along the last axis; a number for one alone."""
    p = np.asarray(pmf, dtype=np.float64)
    return np.asarray((p * -np.log(np.where(p > 0, p, 1.0))).sum(-1) + 0.0)


def jensen_shannon(p: npt.ArrayLike, q: npt.ArrayLike) -> Floats:
    """Return the Jensen–Shannon divergence [nats] along the last axis, in [0, ln 2]."""
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    return np.maximum(0.0, entropy((a + b) / 2) - (entropy(a) + entropy(b)) / 2)


def resample_counts(
    strata: npt.ArrayLike, n_resamples: int = 2000, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Draw how often each window stands in each bootstrap resample.

    Parameters
    ----------
    strata : array_like, shape (n,)
        Windows are resampled within their stratum, which keeps its size.
    n_resamples, seed
        Number of resamples, seed of the draws.

    Returns
    -------
    ndarray, shape (n_resamples, n)
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(strata)
    counts = np.zeros((n_resamples, labels.size), np.float32)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        draws = rng.multinomial(members.size, np.full(members.size, 1 / members.size), n_resamples)
        counts[:, members] = draws
    return counts


def percentile_interval(resampled: npt.ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of a resampled statistic."""
    low, high = np.quantile(np.asarray(resampled), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _lookup(expressions: Iterable[Expression]) -> list[tuple[str, ...]]:
    """Return each expression as a key of `_INDEX` where it is one, else as its tokens."""
    if isinstance(expressions, str) or not isinstance(expressions, Iterable):
        what = "one string" if isinstance(expressions, str) else repr(expressions)
        raise ValueError(f"expressions is {what}: give a list of expressions")
    listed = list(expressions)
    with suppress(TypeError):  # a token that cannot be looked up: told below
        if all(type(e) is tuple and e in _INDEX for e in listed):
            return listed  # type: ignore[return-value]
    return [split_tokens(e) for e in listed]
