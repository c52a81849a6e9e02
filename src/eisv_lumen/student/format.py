"""A student's file, from arrays and back: the one place that knows its form, beside its reader."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.files import read_text, write_bytes
from ..expression.law import EXPRESSIONS, ExpressionLaw
from ..expression.shapes import ENTRIES
from ..expression.vocabulary import INQUIRY_TOKENS, SHAPES, TOKENS
from ..trajectory.rules.thresholds import limit
from .reader import FORMAT, Student, checksum

__all__ = [
    "Net",
    "Rows",
    "laws_of_rows",
    "make_student",
    "read_student",
    "row_laws",
    "summary_laws",
    "write_student",
]

Floats = npt.NDArray[np.float64]

_DIGITS: Final = 6
_NAMES: Final = {"shapes": SHAPES, "tokens": TOKENS, "inquiry": INQUIRY_TOKENS}


@dataclass(frozen=True)
class Rows:
    """How to speak: pattern probabilities (k, 5) and token weights (k, 15).

    A row's patterns are single, pair, triple, repetition and question; of its weights, in the order
    of `TOKENS`, only the ratios count.
    """

    patterns: Floats
    weights: Floats


@dataclass(frozen=True)
class Net:
    """One hidden layer, from a window's summary to the weights of rows that are mixed.

    Attributes
    ----------
    n_states : tuple of int
        Lengths of the windows that it was taught.
    scales : ndarray, shape (14,)
        Its input is asinh(summary / scales).
    hidden, hidden_bias : ndarray, shapes (h, 14) and (h,)
        Units with tanh.
    out, out_bias : ndarray, shapes (k, h) and (k,)
        Units with a softmax over all.
    rows : Rows
        The k rows that it mixes.
    """

    n_states: tuple[int, ...]
    scales: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats
    rows: Rows

    def read(self, summary: Floats) -> Floats:
        """Return the rows' weights for each window: (n, 14) to (n, k), each summing to 1."""
        x = np.arcsinh(summary / self.scales)
        z = np.tanh(x @ self.hidden.T + self.hidden_bias) @ self.out.T + self.out_bias
        e = np.exp(z - z.max(1, keepdims=True))
        return np.asarray(e / e.sum(1, keepdims=True))


def make_student(rows: Rows, net: Net | None = None) -> Student:
    """Return a student; its numbers are rounded to six significant digits.

    Parameters
    ----------
    rows
        One for each shape, in the order of `SHAPES`.
    net
        None where the student is to read no summaries.
    """
    body: dict[str, Any] = {
        **_common(),
        **_as_lists(rows),
    }
    if net is not None:
        layers = {"hidden": (net.hidden, net.hidden_bias), "out": (net.out, net.out_bias)}
        body["net"] = {
            "n_states": list(net.n_states),
            "scales": _short(net.scales),
            **{
                name: [[_short(row), _short(bias)] for row, bias in zip(*layer, strict=True)]
                for name, layer in layers.items()
            },
            **_as_lists(net.rows),
        }
    return Student(body)


def write_student(student: Student, path: str | os.PathLike[str]) -> None:
    """Write a student with its checksum; equal students give equal bytes."""
    content = {"format": FORMAT, "sha256": checksum(student.body), "student": student.body}
    write_bytes(path, json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n")


def read_student(path: str | os.PathLike[str]) -> Student:
    """Read a student: its file, or the folder that `distil` wrote.

    Raises
    ------
    InputError
        The file is missing, is no student, was changed since it was written, or names shapes or
        tokens that are not ours.
    """
    if Path(path).is_dir():
        path = Path(path) / "student.json"
    text = read_text(path)
    try:
        student = Student.loads(text, str(path))
    except ValueError as error:
        raise InputError(str(error)) from error
    for field, names in _NAMES.items():
        if student.body[field] != list(names):  # its rows would be taken for those of other names
            raise InputError(f"{path}: {field} must be, in this order: {', '.join(names)}")
    return student


def row_laws(student: Student) -> list[ExpressionLaw]:
    """Return the exact law of each shape, as the reader speaks it."""
    rows = Rows(np.array(student.body["patterns"]), np.array(student.body["weights"]))
    return [ExpressionLaw(p, s) for p, s in zip(laws_of_rows(rows), SHAPES, strict=True)]


def summary_laws(
    student: Student, summary: Floats, where: Callable[[int], str] = "row {}".format
) -> Floats:
    """Return what a student would say of many summaries: (n, 14) to (n, 2970).

    Parameters
    ----------
    student
        It reads summaries.
    summary : ndarray, shape (n, 14)
        Columns as in `SUMMARY_FIELDS`.
    where
        Names row i for a message.

    Raises
    ------
    InputError
        The student reads no summaries, or was not taught windows of a length among these.
    """
    net = student.body.get("net")
    if net is None:
        raise InputError("this student reads no summaries; give it shapes or series")
    other = np.flatnonzero(~np.isin(summary[:, 0], net["n_states"]))
    if other.size:
        raise InputError(
            f"{where(int(other[0]))}: n_states={summary[other[0], 0]:g}: this student was taught "
            f"windows of {', '.join(map(str, net['n_states']))} states"
        )

    def layer(name: str) -> tuple[Floats, Floats]:
        units: Sequence[Any] = net[name]
        return np.array([row for row, _ in units]), np.array([bias for _, bias in units])

    rows = Rows(np.array(net["patterns"]), np.array(net["weights"]))
    found = Net(
        tuple(net["n_states"]), np.array(net["scales"]), *layer("hidden"), *layer("out"), rows
    )
    return found.read(summary) @ laws_of_rows(rows)


def laws_of_rows(rows: Rows) -> Floats:
    """Return the laws of rows, as the reader speaks them: (k, 2970), over `EXPRESSIONS`."""
    names = [str(k) for k in range(len(rows.weights))]
    lists = {"patterns": rows.patterns.tolist(), "weights": rows.weights.tolist()}
    student = Student({**_common(), "shapes": names, "rules": [[names[0], []]], **lists})
    laws = map(student.law, names)
    return np.array([[law[e] for e in EXPRESSIONS] for law in laws])


def _common() -> dict[str, Any]:
    """Return what is the same for every student: names, and the rules."""
    rules = [
        [entry.name, [[q, relation, limit(bound)] for q, relation, bound in entry.rule]]
        for entry in ENTRIES
    ]
    return {field: list(names) for field, names in _NAMES.items()} | {"rules": rules}


def _as_lists(rows: Rows) -> dict[str, Any]:
    return {"patterns": _short(rows.patterns), "weights": _short(rows.weights)}


def _short(values: Any) -> Any:
    """Round to significant digits, so that the file is no longer than what it knows."""
    if np.ndim(values):
        return [_short(value) for value in values]
    return float(f"{values:.{_DIGITS}g}")
