"""From a trajectory to words, as an API and as an MCP tool: shape, rule, words, probabilities."""

import zlib
from typing import TypedDict

import gradio as gr
import numpy as np
from folder import speakers
from speakers import Speaker, one_window

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.law import EXPRESSIONS, ExpressionLaw
from eisv_lumen.expression.lumen import to_primitives
from eisv_lumen.expression.vocabulary import TOKENS
from eisv_lumen.trajectory.rules.explain import Explanation, explain
from eisv_lumen.trajectory.series import Windows

# No `annotations` from the future: gradio reads the types of results as they stand.
__all__ = ["Expressed", "explained", "express", "window_seed"]

_MOST = 100


class Expression(TypedDict):
    """One expression: its tokens, Lumen's primitives, how likely it is, and how well it fits."""

    tokens: list[str]
    primitives: list[str]
    probability: float
    coherence: float


class SpeakerSays(TypedDict):
    """What one speaker says of the window under the decoding asked for."""

    speaker: str
    about: str
    coherence: float
    words: dict[str, float]
    likeliest: list[Expression]
    drawn: list[Expression]


class Expressed(TypedDict):
    """A window's shape, the number of the rule that fired, its reason, and each speaker's words."""

    shape: str
    rule: int
    reason: str
    temperature: float
    top_k: int
    top_p: float
    speakers: list[SpeakerSays]


def express(
    states: list[list[float]],
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    n: int = 3,
) -> Expressed:
    """Put a window of an agent's states into words: by the voice, and by each model shown here.

    Nine rules name the window's shape; each speaker then has a distribution over short expressions
    of fifteen words, which is decoded word by word. The same window gives the same draws.

    Args:
        states: Two or more states in order of time, each [t in seconds, E, I, S, V] or [t, E, I, S, V, ethical drift]; E, I, S, V in [0, 1].
        temperature: Decoding temperature T, 0 or more; 1 is the speaker's own distribution, 0 greedy.
        top_k: Keep the k likeliest continuations of each step; 0 keeps all.
        top_p: Keep the likeliest continuations that reach this mass, in (0, 1]; 1 keeps all.
        n: How many expressions to list and to draw, 0 to 100.
    """  # noqa: E501 (gradio reads one line an argument)
    try:
        window, found = explained(states)
        said = [
            one
            for who in speakers()[0]
            if (one := _says(who, window, found.shape, temperature, top_k, top_p, n)) is not None
        ]
    except ValueError as error:  # InputError is one
        raise gr.Error(str(error), print_exception=False) from error
    fired = found.rules[found.fired]
    reason = "; ".join(
        f"{c.quantity}: {c.value:.4g} {c.relation} {c.threshold:g}" for c in fired.conditions
    )
    return {
        "shape": found.shape,
        "rule": found.fired + 1,
        "reason": reason or "none of the other eight rules holds",
        "temperature": float(temperature),
        "top_k": int(top_k),
        "top_p": float(top_p),
        "speakers": said,
    }


def window_seed(window: Windows) -> int:
    """Return a seed that is the window's own: other windows draw other words."""
    return zlib.crc32(window.t.tobytes() + window.X.tobytes())


def explained(states: list[list[float]]) -> tuple[Windows, Explanation]:
    """Return one window of states, checked, and why it has its shape.

    Raises
    ------
    InputError
        The states are too few, not all numbers, or out of range; the message names the row.
    """
    try:
        rows = np.asarray(states, float)
    except (TypeError, ValueError):  # text, or states of different lengths
        rows = np.empty(0)
    if rows.ndim != 2 or rows.shape[1] not in (5, 6) or len(rows) < 2:
        raise InputError(
            "states: give two or more, each of five or six numbers: t, E, I, S, V[, drift]"
        )
    if not np.isfinite(rows).all():
        raise InputError("states: a number is not finite")
    if ((rows[:, 1:5] < 0) | (rows[:, 1:5] > 1)).any():
        row = int(np.flatnonzero(((rows[:, 1:5] < 0) | (rows[:, 1:5] > 1)).any(1))[0])
        raise InputError(f"states, row {row}: E, I, S and V lie in [0, 1]")
    drift = rows[:, 5] if rows.shape[1] == 6 else None
    found = explain(rows[:, 0], rows[:, 1:5], drift)
    return one_window(rows[:, 0], rows[:, 1:5], drift, found.shape), found


def _says(
    who: Speaker, window: Windows, shape: str, temperature: float, top_k: int, top_p: float, n: int
) -> SpeakerSays | None:
    if not 0 <= n <= _MOST:
        raise InputError(f"n={n}: give 0 to {_MOST}")
    pmf = who.law(window)
    if pmf is None:
        return None
    law = ExpressionLaw(pmf, shape).tempered(
        float(temperature), top_k=int(top_k), top_p=float(top_p)
    )
    order = np.argsort(-law.pmf, kind="stable")[: int(n)]
    drawn = law.sample_index(int(n), window_seed(window))
    return {
        "speaker": who.name,
        "about": who.about,
        "coherence": law.coherence(),
        "words": dict(zip(TOKENS, law.token_pmf().tolist(), strict=True)),
        "likeliest": [_expression(law, shape, i) for i in order.tolist()],
        "drawn": [_expression(law, shape, i) for i in drawn.tolist()],
    }


def _expression(law: ExpressionLaw, shape: str, i: int) -> Expression:
    tokens = EXPRESSIONS[i]
    only = ExpressionLaw(np.eye(1, len(EXPRESSIONS), i)[0], shape)
    return {
        "tokens": list(tokens),
        "primitives": list(to_primitives(tokens)),
        "probability": float(law.pmf[i]),
        "coherence": only.coherence(),
    }
