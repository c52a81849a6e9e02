"""Every table of Layer 2, once: shapes, tokens, affinities, patterns, Lumen's primitives.

Source: `reference/eisv.md` §3 and §4. The module depends on NumPy alone, because the published
metric is made of this folder's files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

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

# shape: (affine tokens, P(single, pair, triple, repetition, question))
_TABLE: Final = {
    "settled_presence": ("stillness holding resonance deep_listening", (0.40, 0.30, 0.10, 0.15, 0.05)),  # noqa: E501
    "rising_entropy": ("ripple emergence questioning curiosity", (0.10, 0.20, 0.30, 0.10, 0.30)),
    "falling_energy": ("releasing stillness boundary reflection", (0.30, 0.30, 0.10, 0.20, 0.10)),
    "basin_transition_down": ("releasing threshold boundary", (0.20, 0.30, 0.30, 0.10, 0.10)),
    "basin_transition_up": ("emergence reaching warmth return", (0.15, 0.30, 0.35, 0.10, 0.10)),
    "entropy_spike_recovery": ("ripple return holding reflection", (0.10, 0.30, 0.30, 0.20, 0.10)),
    "drift_dissonance": ("boundary questioning reflection", (0.10, 0.20, 0.20, 0.10, 0.40)),
    "void_rising": ("reaching curiosity questioning threshold", (0.20, 0.20, 0.20, 0.10, 0.30)),
    "convergence": ("stillness resonance return deep_listening", (0.40, 0.30, 0.10, 0.15, 0.05)),
}  # fmt: skip

SHAPES: Final[tuple[str, ...]] = tuple(_TABLE)
"""The nine shapes; a shape's code is its position here."""

AFFINE_TOKENS: Final = {shape: tuple(row[0].split()) for shape, row in _TABLE.items()}
PATTERN_PMF: Final[npt.NDArray[np.float64]] = np.array([row[1] for row in _TABLE.values()])
"""(9, 5): the probability with which a pattern of `PATTERNS` is drawn for a shape."""
PATTERN_PMF.setflags(write=False)

AFFINE: Final[npt.NDArray[np.bool_]] = np.array(
    [[token in AFFINE_TOKENS[shape] for token in TOKENS] for shape in SHAPES]
)
"""(9, 15): whether a token is affine to a shape."""
AFFINE.setflags(write=False)

REAL_MIX: Final = {
    "settled_presence": 0.4719,
    "rising_entropy": 0.0149,
    "falling_energy": 0.0145,
    "basin_transition_down": 0.0147,
    "basin_transition_up": 0.0171,
    "entropy_spike_recovery": 0.0491,
    "drift_dissonance": 0.0,
    "void_rising": 0.0034,
    "convergence": 0.4145,
}
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
TRIGGERS: Final = {
    "settled_presence": ("settled_dynamics", 1),
    "rising_entropy": ("entropy_shift", 3),
    "falling_energy": ("energy_decline", 2),
    "basin_transition_down": ("basin_shift_down", 3),
    "basin_transition_up": ("basin_shift_up", 3),
    "entropy_spike_recovery": ("spike_recovery", 2),
    "drift_dissonance": ("ethical_drift_detected", 3),
    "void_rising": ("void_expansion", 2),
    "convergence": ("approaching_attractor", 2),
}
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
