"""One series cut into windows of several lengths, whose splits share no state with one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...core.errors import InputError
from ..sources.common import Source
from ..windows import STRIDE, count_windows
from .metadata import with_cut_facts
from .schema import build, without_gaps
from .splits import split_as_possible

__all__ = ["PUBLISHED_LENGTHS", "ByLength", "config_name", "split_lengths", "split_table"]

ByLength = dict[int, dict[str, pa.Table]]
"""States in a window, ascending, to split to rows of the typed dataset."""

PUBLISHED_LENGTHS: Final = (10, 15, 20)
"""States in a window: the assembler's, the recommended ones, the study's (eisv.md §2)."""


def config_name(window: int) -> str:
    """Return how windows of a length are called, as a configuration and as a folder."""
    return f"window_{window}"


def split_lengths(
    source: Source,
    lengths: Sequence[int] = PUBLISHED_LENGTHS,
    *,
    stride: int = STRIDE,
    seed: int,
) -> tuple[ByLength, int]:
    """Cut a source into windows of each length, and split them alike.

    The longest windows are split (see `splits.split_as_possible`). A shorter window goes where
    the longest one goes that begins with the same state: it holds no other states than that one,
    so no state is in two splits, whatever the lengths. Short windows that begin where no longest
    one does, at the end of a series, are left out.

    Parameters
    ----------
    source
        Series and what was uttered.
    lengths
        States in a window, each once.
    stride, seed
        As for `dataset.build` and `splits.split`.

    Returns
    -------
    tables : ByLength
    dropped : int
        How many of the longest windows, and as many of each other length, are in no split.

    Raises
    ------
    InputError
        A length stands there twice, no series is long enough, or there are not
        even two windows that share no state.
    """
    if not lengths or len(set(lengths)) != len(lengths):
        raise InputError(f"window lengths {', '.join(map(str, lengths))}: give each once")
    longest = max(lengths)
    whole = build(source, longest, stride, across_gaps=True)
    found = split_as_possible(whole, seed=seed)
    tables = {}
    for length in sorted(lengths):
        cut = whole if length == longest else build(source, length, stride, across_gaps=True)
        place = _places(source, longest, length, stride)
        tables[length] = {
            name: with_cut_facts(
                without_gaps(cut.take(pa.array(place[rows])), source.max_gap), seed=seed
            )
            for name, rows in found.items()
            if len(rows)
        }
    return tables, len(found.dropped)


def split_table(table: pa.Table, *, seed: int) -> tuple[ByLength, int]:
    """Split windows that are cut already, whatever their lengths (see `splits.split_as_possible`).

    Returns
    -------
    tables : ByLength
    dropped : int
        How many windows are in no split.

    Raises
    ------
    InputError
        There are not even two windows that share no state.
    """
    found = split_as_possible(table, seed=seed)
    size = np.asarray(table["t"].combine_chunks().value_lengths())
    tables = {
        length: {
            name: with_cut_facts(
                table.take(pa.array(rows[size[rows] == length])), window=length, seed=seed
            )
            for name, rows in found.items()
            if len(rows)
        }
        for length in np.unique(size).tolist()
    }
    return tables, len(found.dropped)


def _places(source: Source, longest: int, length: int, stride: int) -> npt.NDArray[np.int64]:
    """Return the row of the window that begins with the same state, for each longest window."""
    before, places = 0, [np.empty(0, np.int64)]
    for series in source.series:
        places.append(before + np.arange(count_windows(len(series), longest, stride)))
        before += count_windows(len(series), length, stride)
    return np.concatenate(places)
