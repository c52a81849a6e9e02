"""The messages of Layer 3: a window in, an expression out (`reference/eisv.md` §5).

Four styles of the user message. `study` is the published one; `compact` holds the same facts,
each number rounded to one word of a scale; `blind` is `compact` without the shape's name; `series`
shows the states themselves before what `blind` shows, without any label. The answer is the same in
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.lumen import to_primitives
from ...expression.vocabulary import SHAPES, pattern_of, strip_tildes
from ...trajectory.series import Windows
from .number_words import LEVEL, RATE, SPAN, Scale

__all__ = [
    "HEADS",
    "MAX_STATES",
    "NUMBERS",
    "STYLES",
    "SYSTEM",
    "Style",
    "messages",
    "render_answer",
    "render_summaries",
    "render_windows",
]

Style = Literal["study", "compact", "blind", "series"]
STYLES: Final[tuple[Style, ...]] = ("study", "compact", "blind", "series")

SYSTEM: Final = "Express the window of EISV states in EISV tokens."
HEADS: Final = (
    "SHAPE:", "WINDOW:", "MEAN_EISV:", "DERIVATIVES:", "SECOND_DERIVATIVES:", "STATES:",
    "EISV_TOKENS:", "LUMEN_TOKENS:", "PATTERN:",
)  # fmt: skip

MAX_STATES: Final = 64
"""Counts of states up to here are one word for the small tokenizer."""

_DIMS: Final = ("E", "I", "S", "V")
_SUMMARY_NUMBERS: Final = (
    {"T": SPAN}
    | dict.fromkeys(_DIMS, LEVEL)
    | {f"d{d}": RATE for d in _DIMS}
    | {f"d2{d}": RATE for d in _DIMS}
)
_STATE_NUMBERS: Final = (
    {"dt": SPAN} | dict.fromkeys((*_DIMS, "D"), LEVEL) | {f"d{d}": RATE for d in _DIMS}
)
NUMBERS: Final[dict[Style, dict[str, Scale]]] = {
    "study": {},
    "compact": _SUMMARY_NUMBERS,
    "blind": _SUMMARY_NUMBERS,
    "series": _STATE_NUMBERS | _SUMMARY_NUMBERS,
}
"""The numbers of a style by name, and the scale on which each is written."""

Floats = npt.NDArray[np.float64]


def render_answer(tokens: Sequence[str]) -> str:
    """Write an expression, of tokens with tildes or without, as the assistant's message.

    Raises
    ------
    UnknownNameError
        A token is none of `TOKENS`, or there is none.

    Examples
    --------
    >>> print(render_answer(("warmth", "stillness")))
    EISV_TOKENS: ~warmth~ ~stillness~
    LUMEN_TOKENS: warm quiet
    PATTERN: PAIR
    """
    bare = [strip_tildes(token) for token in tokens]
    pattern = pattern_of(bare)
    spoken = " ".join(f"~{token}~" for token in bare)
    primitives = " ".join(to_primitives(bare))
    return f"EISV_TOKENS: {spoken}\nLUMEN_TOKENS: {primitives}\nPATTERN: {pattern}"


def messages(user: str) -> list[dict[str, str]]:
    """Return the chat that asks for an expression, in the form of the chat templates."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]


def render_summaries(
    summary: Floats, style: Style, shape: npt.ArrayLike | None = None
) -> list[str]:
    """Write window summaries as user messages.

    Parameters
    ----------
    summary : ndarray, shape (n, 14)
        Columns as in `trajectory.windows.SUMMARY_FIELDS`.
    style
        `study`, `compact` or `blind`.
    shape : array_like, shape (n,), optional
        Positions in `SHAPES`; not used by `blind`.

    Raises
    ------
    InputError
        The style needs the states, or a shape that is not given.
    """
    rows = np.asarray(summary, dtype=np.float64)
    if style == "series":
        raise InputError("style series: it shows the states, and a summary has none")
    if style == "blind":
        return _compact(rows)
    if shape is None:
        raise InputError(f"style {style}: it names the shape; give one a window")
    names = [SHAPES[code] for code in np.asarray(shape).tolist()]
    if style == "compact":
        texts = _compact(rows)
    else:
        texts = [_STUDY.format(int(row[0]), *row[1:]) for row in (rows + 0.0).tolist()]
    return [f"SHAPE: {name}\n{text}" for name, text in zip(names, texts, strict=True)]


def render_windows(windows: Windows, style: Style) -> list[str]:
    """Write windows as user messages in a style.

    Raises
    ------
    InputError
        As for `render_summaries`.
    """
    if style == "series":
        return _series(windows)
    return render_summaries(windows.summary, style, windows.shape)


_STUDY: Final = (
    "WINDOW: n_states={} duration={:.2f}\n"
    "MEAN_EISV: E={:.4f} I={:.4f} S={:.4f} V={:.4f}\n"
    "DERIVATIVES: dE={:.4f} dI={:.4f} dS={:.4f} dV={:.4f}\n"
    "SECOND_DERIVATIVES: d2E={:.4f} d2I={:.4f} d2S={:.4f} d2V={:.4f}"
)
_COMPACT: Final = (
    "WINDOW: n={} T={}\nMEAN_EISV: E={} I={} S={} V={}\n"
    "DERIVATIVES: dE={} dI={} dS={} dV={}\nSECOND_DERIVATIVES: d2E={} d2I={} d2S={} d2V={}"
)


def _compact(rows: Floats) -> list[str]:
    # The study's message has 2 and 4 decimals: what they do not hold is no fact of it.
    words = np.concatenate(
        [
            np.rint(rows[:, :1]).astype(int).astype(str).astype(object),
            SPAN.write(np.round(rows[:, 1:2], 2)),
            LEVEL.write(np.round(rows[:, 2:6], 4)),
            RATE.write(np.round(rows[:, 6:], 4)),
        ],
        axis=1,
    )
    return [_COMPACT.format(*row) for row in words.tolist()]


def _series(windows: Windows) -> list[str]:
    """Write each state on a line: time step, E I S V and drift, and their rates of change.

    The first state has neither step nor rates. Over a repeated time there is no rate: 0 stands.
    The summary's numbers come last, where a causal reader has seen all states.
    """
    dt = np.diff(windows.t, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(dt[..., None] > 0, np.diff(windows.X, axis=1) / dt[..., None], 0.0)
    levels = LEVEL.write(np.concatenate([windows.X, windows.ethical_drift[..., None]], axis=2))
    later = np.concatenate([SPAN.write(dt)[..., None], levels[:, 1:], RATE.write(rate)], axis=2)
    names = list(_STATE_NUMBERS)
    first = "STATES:" + "".join(f" {name}={{}}" for name in names[1:6])
    line = "\n" + " ".join(f"{name}={{}}" for name in names)
    form = first + line * dt.shape[1]
    flat = np.concatenate([levels[:, 0], later.reshape(len(later), -1)], axis=1)
    summaries = _compact(windows.summary)
    return [
        f"{form.format(*row)}\n{summary}"
        for row, summary in zip(flat.tolist(), summaries, strict=True)
    ]
