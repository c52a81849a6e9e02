"""A speaker's whole answer, three lines, read by the study's definition of valid.

Python and this folder alone: it travels with the published metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .vocabulary import PATTERNS, PRIMITIVES, TOKENS

__all__ = ["Invalid", "Parsed", "is_answer", "parse"]

_HEADS: Final = ("EISV_TOKENS:", "LUMEN_TOKENS:", "PATTERN:")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A valid answer: tokens without tildes, Lumen's primitives, and the pattern it names."""

    tokens: tuple[str, ...]
    primitives: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why an answer is not valid."""

    reason: str


def is_answer(text: str) -> bool:
    """Say whether a text means to be a whole answer: one of its lines begins with a head.

    Examples
    --------
    >>> is_answer("EISV_TOKENS: ~ripple~"), is_answer("~ripple~")
    (True, False)
    """
    return any(line.lstrip().startswith(_HEADS) for line in text.split("\n"))


def parse(text: str) -> Parsed | Invalid:
    r"""Read a model's answer by the study's definition of valid (§5).

    All three lines are there, each once; every token is in its vocabulary, EISV tokens with their
    tildes; there is at least one EISV token; the pattern is one of the five. Other lines do not
    make an answer invalid. Nothing raises, whatever the text.

    Examples
    --------
    >>> parse("EISV_TOKENS: ~ripple~\nLUMEN_TOKENS: busy\nPATTERN: SINGLE")
    Parsed(tokens=('ripple',), primitives=('busy',), pattern='SINGLE')
    >>> parse("EISV_TOKENS: ~joy~\nLUMEN_TOKENS: busy\nPATTERN: SINGLE")
    Invalid(reason="EISV_TOKENS: '~joy~' is no EISV token")
    """
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        for head in _HEADS:
            if line.startswith(head):
                if head in found:
                    return Invalid(f"{head} stands there twice")
                found[head] = line[len(head) :].split()
    for head in _HEADS:
        if head not in found:
            return Invalid(f"{head} is missing")
    spoken, primitives, pattern = (found[head] for head in _HEADS)
    problem = _problem(spoken, primitives, pattern)
    if problem:
        return Invalid(problem)
    return Parsed(tuple(token[1:-1] for token in spoken), tuple(primitives), pattern[0])


def _problem(spoken: list[str], primitives: list[str], pattern: list[str]) -> str | None:
    """Say what is wrong with the words of an answer's three lines."""
    if not spoken:
        return "EISV_TOKENS: no token"
    for token in spoken:
        if not (token[:1] == token[-1:] == "~" and token[1:-1] in TOKENS):
            return f"EISV_TOKENS: {token!r} is no EISV token"
    for primitive in primitives:
        if primitive not in PRIMITIVES:
            return f"LUMEN_TOKENS: {primitive!r} is no primitive"
    if len(pattern) != 1 or pattern[0] not in PATTERNS:
        return f"PATTERN: {' '.join(pattern)!r} is none of {', '.join(PATTERNS)}"
    return None
