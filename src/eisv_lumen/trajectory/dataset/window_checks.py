"""Windows are checked before they are used: one pass over the columns of the typed dataset."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...core.errors import InputError
from ...core.notices import notice
from ...eisv import EISV_DIMS
from ..validation import LATEST, check_seconds
from ..windows import label_each
from .metadata import cut_facts

__all__ = ["LISTS", "check_labels", "check_resolution", "check_windows", "labels_off"]

LISTS: Final = ("t", *EISV_DIMS, "ethical_drift")
"""Columns with one value a state."""
SHARE: Final = 0.01
"""What is wrong in more than this share is refused, not only counted."""
_COARSE: Final = 1e-3
"""[s] Times that their type cannot tell apart any finer are refused."""

Floats = npt.NDArray[np.float64]


def check_resolution(column: pa.ChunkedArray, place: str) -> None:
    """Refuse times of a type too coarse for them, such as today's seconds in float32.

    Raises
    ------
    InputError
        Neighbouring numbers of the type lie more than a millisecond apart.
    """
    value = getattr(column.type, "value_type", None)
    if value not in (pa.float16(), pa.float32()) or not len(column):
        return
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    finite = np.abs(flat[np.isfinite(flat)])
    step = float(np.spacing(finite.max())) if finite.size else 0.0
    if step > _COARSE:
        raise InputError(
            f"{place}: column 't' holds {value}, whose steps are {step:g} s at such times; store t "
            "as float64 (double) from its origin on"
        )


def check_windows(table: pa.Table, place: str) -> None:
    """Refuse rows of the typed dataset that are no windows.

    Parameters
    ----------
    table
        In the typed schema.
    place
        What messages call it.

    Raises
    ------
    InputError
        A value is NULL or not finite, a list is shorter than its times, times decrease, are not
        in seconds or are not those of t_start and t_end, a window has less than two states, or
        more than 1 % of the states lie outside [0, 1]. The message names row and field.

    Warns
    -----
    Notice
        Up to 1 % of the states lie outside [0, 1].
    """
    if not table.num_rows:
        return
    for name in ("source", "agent", "t_start", "t_end"):
        if table[name].null_count:
            row = int(np.argmax(table[name].is_null().to_numpy()))
            raise InputError(f"{place}, row {row}: {name} is NULL; fill it in, or drop that row")
    lengths = _lengths(table, "t", place)
    ends = np.cumsum(lengths)
    if lengths.min() < 2:
        row = int(np.argmax(lengths < 2))
        raise InputError(
            f"{place}, row {row}: {lengths[row]} states; a window has at least 2: drop that row"
        )
    outside = 0
    for name in LISTS:
        own = _lengths(table, name, place)
        if (own != lengths).any():
            row = int(np.argmax(own != lengths))
            raise InputError(
                f"{place}, row {row}: {name} has {own[row]} values where t has {lengths[row]}; "
                "mend that row, or drop it"
            )
        values = _values(table, name, ends, place)
        if name == "t":
            _check_times(values, table, lengths, place)
        elif name in EISV_DIMS:
            outside += int(((values < 0) | (values > 1)).sum())
    if outside:
        total = len(EISV_DIMS) * int(ends[-1])
        text = f"{place}: {outside:,} of {total:,} values of E, I, S, V lie outside [0, 1]"
        if outside > SHARE * total:
            raise InputError(f"{text}; build the windows again from their states, scaled to [0, 1]")
        notice(text)


def _lengths(table: pa.Table, name: str, place: str) -> npt.NDArray[np.int64]:
    column = table[name]
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise InputError(f"{place}, row {row}: {name} is NULL; mend that row, or drop it")
    return np.asarray(pc.list_value_length(column).to_numpy(), np.int64)


def _values(table: pa.Table, name: str, ends: npt.NDArray[np.int64], place: str) -> Floats:
    flat = table[name].combine_chunks().flatten()
    if flat.null_count:
        row = int(np.searchsorted(ends, np.argmax(np.asarray(flat.is_null())), "right"))
        raise InputError(f"{place}, row {row}: {name} holds a NULL; mend that row, or drop it")
    values = np.asarray(flat.to_numpy(zero_copy_only=False), np.float64)
    if not np.isfinite(values).all():
        i = int(np.argmax(~np.isfinite(values)))
        row = int(np.searchsorted(ends, i, "right"))
        raise InputError(
            f"{place}, row {row}: {name} holds {values[i]}, which is not finite; mend that row, "
            "or drop it"
        )
    return values


def _check_times(t: Floats, table: pa.Table, lengths: npt.NDArray[np.int64], place: str) -> None:
    ends = np.cumsum(lengths)

    def row_of(i: int) -> int:
        return int(np.searchsorted(ends, i, "right"))

    late = int(np.argmax(np.abs(t) > LATEST))
    check_seconds(float(t[late]), f"{place}, row {row_of(late)}")
    falls = np.diff(t) < 0
    falls[ends[:-1] - 1] = False  # from one window to the next
    if falls.any():
        i = int(np.argmax(falls))
        raise InputError(
            f"{place}, row {row_of(i)}: time decreases from {t[i]:.6f} to {t[i + 1]:.6f}; sort "
            "that window by time, or drop it"
        )
    for name, own in (("t_start", t[ends - lengths]), ("t_end", t[ends - 1])):
        said = table[name].to_numpy()
        off = ~(np.abs(said - own) <= _COARSE)  # what passed through a text may be off a little
        if off.any():
            row = int(np.argmax(off))
            raise InputError(
                f"{place}, row {row}: {name} is {said[row]:.6f} where t says {own[row]:.6f}; mend "
                "that row, or drop it"
            )


def labels_off(table: pa.Table) -> int:
    """Count the windows whose label is not what the rules give for their states.

    Parameters
    ----------
    table
        In the typed schema, checked; windows may differ in length.
    """
    off = 0
    lengths = np.asarray(pc.list_value_length(table["t"]).to_numpy(), np.int64)
    for length in np.unique(lengths).tolist():
        rows = table.filter(pa.array(lengths == length))
        t, *X, drift = (
            rows[name].combine_chunks().flatten().to_numpy().reshape(-1, length) for name in LISTS
        )
        ruled, _ = label_each(t, np.stack(X, axis=-1), drift)
        off += int((ruled != rows["shape"].to_numpy()).sum())
    return off


def check_labels(table: pa.Table, place: str) -> None:
    """Compare labels with the rules, and refuse those that contradict their own cut.

    Labels may rightly differ from the rules: the study labelled windows of 20 states and kept
    four of them. So they are refused only where the table says how it was cut.

    Parameters
    ----------
    table
        In the typed schema, checked.
    place
        What messages call it.

    Raises
    ------
    InputError
        The table says how its windows were cut, and more than 1 % of the labels are not those of
        the rules.

    Warns
    -----
    Notice
        Some labels are not those of the rules.
    """
    off = labels_off(table)
    if not off:
        return
    text = (
        f"{place}: {off:,} of {table.num_rows:,} labels are not what the rules give for the states"
    )
    if "window" in cut_facts(table) and off > SHARE * table.num_rows:
        raise InputError(
            f"{text}, although the file says how its windows were cut; build it again from its "
            "states, or check the order of its class names"
        )
    notice(f"{text}; they are kept as they are")
