"""Window summaries, JSON lines, as the published sample of real windows has them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.vocabulary import UnknownNameError, shape_code, strip_tildes, token_codes
from ..windows import SUMMARY_FIELDS
from .common import text_lines
from .governance import number

__all__ = ["Summaries", "for_fitting", "read_for_fitting", "read_summaries", "read_unlabelled"]


@dataclass(frozen=True, slots=True)
class Summaries:
    """Summaries of windows whose states are not given.

    Attributes
    ----------
    id : ndarray, shape (n,), int64
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`; as published, so not always what the rules say (§6).
    values : ndarray, shape (n, 14)
        Columns as in `SUMMARY_FIELDS`.
    expressions : sequence of n tuples of EISV tokens, without tildes
    """

    id: npt.NDArray[np.int64]
    shape: npt.NDArray[np.int8]
    values: npt.NDArray[np.float64]
    expressions: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.id)

    def take(self, index: npt.ArrayLike) -> Summaries:
        """Return the summaries at `index` (positions or a mask), in that order."""
        i = np.arange(len(self))[np.asarray(index)]
        said = [self.expressions[k] for k in i]
        return Summaries(self.id[i], self.shape[i], self.values[i], said)


def for_fitting(ids: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell the two halves apart: ids that are multiples of 4 are for fitting, the rest to evaluate.

    Examples
    --------
    >>> for_fitting([0, 2, 4, 6]).tolist()
    [True, False, True, False]
    """
    multiples: npt.NDArray[np.bool_] = np.asarray(ids) % 4 == 0
    return multiples


def read_summaries(path: str | os.PathLike[str]) -> Summaries:
    """Read window summaries.

    A line has `id`, `shape`, the 14 numbers of `SUMMARY_FIELDS` and, if the window was spoken of,
    `expression` (EISV tokens, with tildes or without); whatever else it has is left alone.

    Raises
    ------
    InputError
        The file is missing or empty, a line is not such a summary, or an id stands twice; the
        message names line and field.
    """
    ids: dict[int, int] = {}
    shapes, values, said = [], [], []
    for line_number, place, record in _records(path, ("id", "shape", *SUMMARY_FIELDS)):
        key = _id(record["id"], place)
        if key in ids:
            raise InputError(f"{place}: id {key} stands in line {ids[key]} already")
        ids[key] = line_number
        shapes.append(_shape(record["shape"], place))
        values.append(_values(record, place))
        said.append(_expression(record.get("expression"), place))
    return Summaries(np.array(list(ids)), np.array(shapes, np.int8), np.array(values), said)


def read_unlabelled(path: str | os.PathLike[str]) -> npt.NDArray[np.float64]:
    """Read the 14 numbers of each summary alone, (n, 14): all that a blind speaker is shown.

    Raises
    ------
    InputError
        As for `read_summaries`; neither `id` nor `shape` nor `expression` is wanted.
    """
    return np.array([_values(record, place) for _, place, record in _records(path, SUMMARY_FIELDS)])


def read_for_fitting(path: str | os.PathLike[str]) -> npt.NDArray[np.float64]:
    """Read the 14 numbers of the summaries that may be fitted to, without labels, (n, 14).

    Those kept for evaluation are left out (`for_fitting`); a summary without `id` is kept for none.

    Raises
    ------
    InputError
        As for `read_unlabelled`, an id is no whole number, or none is for fitting.
    """
    rows = [
        _values(record, place)
        for _, place, record in _records(path, SUMMARY_FIELDS)
        if "id" not in record or for_fitting(_id(record["id"], place))
    ]
    if not rows:
        raise InputError(f"{path}: every id is of a summary kept for evaluation (no multiple of 4)")
    return np.array(rows)


def _records(
    path: str | os.PathLike[str], wanted: Sequence[str]
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the number, the place and the object of each line; there is one, and all have these."""
    found = False
    for line_number, line in text_lines(path):
        place = f"{path}, line {line_number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: not JSON ({error})") from None
        if not isinstance(record, dict):
            raise InputError(f"{place}: not a JSON object")
        missing = [key for key in wanted if key not in record]
        if missing:
            raise InputError(f"{place}: field {missing[0]} is missing")
        found = True
        yield line_number, place, record
    if not found:
        raise InputError(f"{path}: holds no window summaries")


def _id(value: Any, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise InputError(f"{place}: id is {value!r}, not a whole number from 0 on")
    return value


def _values(record: dict[str, Any], place: str) -> list[float]:
    values = [number(record[name], name, place) for name in SUMMARY_FIELDS]
    if values[0] < 2 or values[1] < 0:
        raise InputError(f"{place}: n_states must be at least 2, and duration at least 0")
    return values


def _shape(value: Any, place: str) -> int:
    try:
        return shape_code(value)
    except UnknownNameError as error:
        raise InputError(f"{place}: shape: {error}") from None


def _expression(value: Any, place: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InputError(f"{place}: expression is {value!r}, not a list of tokens")
    try:
        token_codes(value)
    except UnknownNameError as error:
        raise InputError(f"{place}: expression: {error}") from None
    return tuple(strip_tildes(token) for token in value)
