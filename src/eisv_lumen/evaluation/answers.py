"""Answers of any speaker, in a file: read, and scored like our own."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.files import read_text
from ..expression.answer import Parsed, is_answer, parse
from ..expression.coherence import is_valid, shape_codes, split_tokens
from ..expression.vocabulary import pattern_of
from .baselines import feedback, initial
from .report import Decoding, EvalReport, provenance
from .scoring import Spoken, score

__all__ = ["read_answers", "report_of_answers"]

_ANSWER: Final = (
    "answer", "prediction", "completion", "response", "output", "text", "expression", "tokens",
)  # fmt: skip
_SHAPE: Final = ("shape", "reference", "label")


def read_answers(path: str | os.PathLike[str]) -> tuple[Spoken, npt.NDArray[np.int8]]:
    """Read what a speaker said of windows: JSON lines, an object a line.

    Parameters
    ----------
    path
        Each object has what was said under `answer` (or prediction, completion, response, output,
        text, expression, tokens): a whole answer of three lines, an expression as a text or a
        list of tokens, or a chat whose last message it is; and under `shape` (or reference,
        label) the window's shape, by name or by class code.

    Returns
    -------
    spoken : Spoken
        An answer that is not valid counts as silence.
    shapes : ndarray, shape (n,), int8

    Raises
    ------
    InputError
        There are none, or a line is no such object; the message names line and field.
    """
    said: list[tuple[tuple[str, ...], str] | None] = []
    shapes: list[int] = []
    for number, line in enumerate(read_text(Path(path)).splitlines(), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise InputError(f"{place}: not a JSON object with an answer and its shape")
        try:
            shapes.append(int(shape_codes([_field(row, _SHAPE, place)], 1)[0]))
            said.append(_spoken(_field(row, _ANSWER, place)))
        except ValueError as error:
            raise InputError(f"{place}: {error}") from None
    if not said:
        raise InputError(f"{path}: no answers; give a JSON object a line, with answer and shape")
    spoken = Spoken([s and s[0] for s in said], [s and s[1] for s in said])
    return spoken, np.array(shapes, np.int8)


def report_of_answers(
    path: str | os.PathLike[str],
    decoding: Decoding,
    *,
    name: str,
    title: str,
    target: str = "initial",
    command: str = "",
    seed: int = 0,
) -> EvalReport:
    """Score a file of answers against the law, between floor and ceiling.

    Parameters
    ----------
    path
        As for `read_answers`.
    decoding
        How the speaker was decoded: perfect imitation is decoded alike.
    name, title, command
        For the report.
    target
        The law that the speaker should imitate: `initial` or `learned`.
    seed
        Seed of the bootstrap, and of the voice that learns.

    Raises
    ------
    InputError
        As for `read_answers`, or the target is neither.
    """
    if target not in ("initial", "learned"):
        raise InputError(f"target {target!r}: one of initial, learned")
    laws = initial() if target == "initial" else feedback(seed)
    spoken, shapes = read_answers(path)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return EvalReport(
        kind="measured",
        name=name,
        title=title,
        target=target,
        note="Scored from answers alone: excess nats need the speaker's probabilities.",
        results=[score(spoken, shapes, laws, decoding, seed=seed)],
        provenance=provenance(
            command, seed=seed, data={"answers": Path(path).name, "sha256": digest}
        ),
    )


def _field(row: dict[str, Any], names: tuple[str, ...], place: str) -> Any:
    there = [name for name in names if row.get(name) is not None]
    if len(there) != 1:
        found = " and ".join(there) or ", ".join(map(str, row)) or "nothing"
        raise InputError(f"{place}: has {found}; give one of {', '.join(names)}")
    return row[there[0]]


def _spoken(answer: Any) -> tuple[tuple[str, ...], str] | None:
    """Return tokens and pattern of what was said, None where it is not valid."""
    if isinstance(answer, list) and answer and all(isinstance(m, dict) for m in answer):
        answer = answer[-1].get("content")  # a chat
    if isinstance(answer, str) and is_answer(answer):
        parsed = parse(answer)
        return (parsed.tokens, parsed.pattern) if isinstance(parsed, Parsed) else None
    if answer == "" or not is_valid([answer])[0]:
        return None
    tokens = split_tokens(answer)
    return tokens, pattern_of(tokens)
