"""Every table of Layer 2: tokens and primitives, and what the entries of `shapes` amount to.

Source: `reference/eisv.md` §3 and §4. The module depends on NumPy alone, because the published
metric is made of this folder's files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from .shapes import ENTRIES

__all__ = [
    "AFFINE",
    "AFFINE_TOKENS",
    "INQUIRY_TOKENS",
    "PATTERNS",
    "PATTERN_PMF",
    "PRIMITIVES",
    "REAL_MIX",
    "SHAPES",
    "TOKENS",
    "TOKEN_PRIMITIVES",
    "TRIGGERS",
    "UnknownNameError",
    "pattern_of",
    "shape_code",
    "strip_tildes",
    "token_codes",
]


class UnknownNameError(ValueError):
    """A shape or a token that is in none of the tables."""


TOKENS: Final = (
    "warmth", "curiosity", "resonance", "stillness", "boundary", "reaching", "reflection",
    "ripple", "deep_listening", "emergence", "questioning", "holding", "releasing", "threshold",
    "return",
)  # fmt: skip
INQUIRY_TOKENS: Final = ("questioning", "curiosity")
PATTERNS: Final = ("SINGLE", "PAIR", "TRIPLE", "REPETITION", "QUESTION")

_BY_CODE: Final = sorted(ENTRIES, key=lambda entry: entry.code)

SHAPES: Final[tuple[str, ...]] = tuple(entry.name for entry in _BY_CODE)
"""The shapes; a shape's code is its position here."""

AFFINE_TOKENS: Final = {entry.name: entry.tokens for entry in _BY_CODE}
PATTERN_PMF: Final[npt.NDArray[np.float64]] = np.array([entry.patterns for entry in _BY_CODE])
"""(shapes, 5): the probability with which a pattern of `PATTERNS` is drawn for a shape."""
PATTERN_PMF.setflags(write=False)

AFFINE: Final[npt.NDArray[np.bool_]] = np.array(
    [[token in AFFINE_TOKENS[shape] for token in TOKENS] for shape in SHAPES]
)
"""(shapes, 15): whether a token is affine to a shape."""
AFFINE.setflags(write=False)

REAL_MIX: Final = {entry.name: entry.real_share for entry in _BY_CODE}
"""Share of each shape in the 21,449 published real windows (rounded there: sums to 1.0001)."""

PRIMITIVES: Final = tuple(
    "warm cold bright dim quiet busy here feel sense you with why what wonder more less".split()
)
TOKEN_PRIMITIVES: Final = {
    "warmth": ("warm", "feel"),
    "curiosity": ("why", "wonder"),
    "resonance": ("with", "here"),
    "stillness": ("quiet", "here"),
    "boundary": ("less", "sense"),
    "reaching": ("more", "you"),
    "reflection": ("what", "feel"),
    "ripple": ("busy", "sense"),
    "deep_listening": ("quiet", "sense"),
    "emergence": ("more", "bright"),
    "questioning": ("why", "what"),
    "holding": ("here", "with"),
    "releasing": ("less", "dim"),
    "threshold": ("sense", "more"),
    "return": ("here", "warm"),
}
TRIGGERS: Final = {entry.name: entry.trigger for entry in _BY_CODE}
"""Shape to (reason, suggested token count)."""

_SHAPE_CODE = {shape: code for code, shape in enumerate(SHAPES)}
_TOKEN_CODE = {token: code for code, token in enumerate(TOKENS)}


def shape_code(shape: str) -> int:
    """Return the code of a shape.

    Raises
    ------
    UnknownNameError
        `shape` is none of `SHAPES`.

    Examples
    --------
    >>> shape_code("convergence")
    8
    """
    try:
        return _SHAPE_CODE[shape]
    except (KeyError, TypeError):
        raise UnknownNameError(f"unknown shape {shape!r}: use one of {', '.join(SHAPES)}") from None


def strip_tildes(token: str) -> str:
    """Return a token as it stands in `TOKENS`: without the tildes it is written with.

    Examples
    --------
    >>> strip_tildes("~warmth~")
    'warmth'
    """
    if len(token) > 2 and token[0] == token[-1] == "~":
        return token[1:-1]
    return token


def token_codes(tokens: Sequence[str]) -> list[int]:
    """Return the codes of tokens, written with tildes or without.

    Raises
    ------
    UnknownNameError
        A token is none of `TOKENS`.
    """
    try:
        return [_TOKEN_CODE[strip_tildes(token)] for token in tokens]
    except (KeyError, TypeError, AttributeError):
        bad = [t for t in tokens if not isinstance(t, str) or strip_tildes(t) not in _TOKEN_CODE]
        raise UnknownNameError(
            f"unknown token {bad[0]!r}: use one of {', '.join(TOKENS)}"
        ) from None


def pattern_of(tokens: Sequence[str]) -> str:
    """Label a token list with its pattern, as written expressions are labelled (§4).

    A drawn pair or triple that happens to end in an inquiry token is labelled QUESTION.

    Raises
    ------
    UnknownNameError
        The list is empty.

    Examples
    --------
    >>> pattern_of(["ripple", "curiosity"]), pattern_of(["ripple", "ripple"])
    ('QUESTION', 'REPETITION')
    """
    if not tokens:
        raise UnknownNameError("an empty expression has no pattern")
    if len(tokens) == 1:
        return "SINGLE"
    if len(tokens) == 2 and tokens[0] == tokens[1]:
        return "REPETITION"
    if strip_tildes(tokens[-1]) in INQUIRY_TOKENS:
        return "QUESTION"
    return "PAIR" if len(tokens) == 2 else "TRIPLE"
