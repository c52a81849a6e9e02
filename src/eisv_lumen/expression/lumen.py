"""The bridge from EISV tokens to Lumen's primitives, and the hints that trigger Lumen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .vocabulary import TOKEN_PRIMITIVES, TRIGGERS, shape_code, strip_tildes, token_codes

__all__ = ["MAX_PRIMITIVES", "Trigger", "to_primitives", "trigger"]

MAX_PRIMITIVES = 3


@dataclass(frozen=True, slots=True)
class Trigger:
    """What Lumen is told when a shape is seen: why to speak, and in how many tokens (1–3)."""

    reason: str
    n_tokens: int


def to_primitives(tokens: Sequence[str]) -> tuple[str, ...]:
    """Translate an expression, token by token, into at most three of Lumen's primitives (§4).

    Of a token's two primitives the first that is not yet used is taken, none if both are.

    Raises
    ------
    UnknownNameError
        A token is none of `TOKENS`.

    Examples
    --------
    >>> to_primitives(["~warmth~", "~stillness~"])
    ('warm', 'quiet')
    >>> to_primitives(["reaching", "reaching", "reaching"])
    ('more', 'you')
    """
    token_codes(tokens)
    used: list[str] = []
    for token in tokens:
        fresh = [p for p in TOKEN_PRIMITIVES[strip_tildes(token)] if p not in used]
        used += fresh[:1]
    return tuple(used[:MAX_PRIMITIVES])


def trigger(shape: str) -> Trigger:
    """Return the hint for a shape.

    Raises
    ------
    UnknownNameError
        `shape` is none of `SHAPES`.
    """
    shape_code(shape)
    return Trigger(*TRIGGERS[shape])
