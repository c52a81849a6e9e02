"""Windows for a student, from whatever holds them: summaries, windows, or the states of a log."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.notices import notice
from ..teacher.data.windows import facts_of_file
from ..trajectory.dataset.schema import windows_from_table
from ..trajectory.dataset.shards import Shards, find_shards
from ..trajectory.load import build_table, read_any
from ..trajectory.series import Windows
from ..trajectory.sources import Source
from ..trajectory.sources.postgres import is_postgres
from ..trajectory.sources.summaries import (
    for_fitting,
    read_for_fitting,
    read_summaries,
    read_unlabelled,
)

__all__ = ["Given", "labelled", "spoken_of", "to_be_like"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Given:
    """Windows with their shapes, as a student is scored on them.

    Attributes
    ----------
    summary : ndarray, shape (n, 14)
        Columns as in `SUMMARY_FIELDS`.
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`.
    facts
        What a record says of them: name, SHA-256, and the split.
    places
        Names each for a message.
    """

    summary: Floats
    shape: npt.NDArray[np.int8]
    facts: dict[str, Any]
    places: Sequence[str]


def labelled(source: str, taught: Sequence[int] = (), window: int | None = None) -> Given:
    """Read windows to score a student on: those kept for evaluation, as far as that is said.

    Of summaries, ids that are no multiples of 4; of a dataset with splits, `test`; else all.

    Parameters
    ----------
    source
        Summaries (JSON lines), or whatever `load_trajectories` reads.
    taught
        Lengths of the windows that the student reads; a log is cut into the first of them, and of
        a dataset with several lengths that one is taken.
    window
        States in a window, in place of those.

    Raises
    ------
    InputError
        It cannot be read, has no part for evaluation, or holds windows of another length.
    """
    if _are_summaries(source):
        kept = read_summaries(source)
        kept = kept.take(~for_fitting(kept.id))
        if not len(kept):
            raise InputError(f"{source}: every id is a multiple of 4; none is kept for evaluation")
        places = [f"{source}, id {i}" for i in kept.id.tolist()]
        return Given(kept.values, kept.shape, facts_of_file(Path(source)), places)
    windows, facts = _windows(source, taught, window, part="test")
    places = [f"{source}, window {i}" for i in range(1, len(windows) + 1)]
    return Given(windows.summary, windows.shape, facts, places)


def to_be_like(source: str | os.PathLike[str], length: int) -> tuple[Floats, dict[str, Any]]:
    """Read summaries of windows to be like, (n, 14), without labels, and facts for a record.

    Of summaries, ids that are multiples of 4, and those without an id; of a dataset with splits,
    `train`; of a log, all windows of `length` states.

    Raises
    ------
    InputError
        As for `labelled`.
    """
    name = str(source)
    if _are_summaries(name):
        near = read_for_fitting(name)
        return near, facts_of_file(Path(name)) | {"n": len(near)}
    windows, facts = _windows(name, (length,), None, part="train")
    return windows.summary, facts | {"n": len(windows)}


def spoken_of(source: str, window: int | None = None) -> list[dict[str, Any]]:
    """Read windows as keywords for `reader.Student.speak`.

    Parameters
    ----------
    source
        Summaries (JSON lines, labelled or not), windows in any form, or states, of which the last
        `window` of each series are taken, 20 by default.
    window
        Of windows, the length to choose among several.

    Returns
    -------
    list of dict
        `{"summary": …}` or `{"series": …}` for each.

    Raises
    ------
    InputError
        It cannot be read, or no series is long enough.
    """
    if _are_summaries(source):
        return [{"summary": row} for row in read_unlabelled(source).tolist()]
    found = read_any(source, window=window if _is_dataset(source) else None)
    if not isinstance(found, Source):
        w = windows_from_table(build_table(found, source, window))
        states = np.concatenate([w.t[..., None], w.X, w.ethical_drift[..., None]], axis=2)
        return [{"series": one} for one in states.tolist()]
    last = window or 20
    columns = [
        np.hstack([s.t[:, None], s.X] + [d[:, None] for d in [s.ethical_drift] if d is not None])
        for s in found.series
        if len(s) >= last
    ]
    if not columns:
        raise InputError(f"{source}: no series has the {last} states of a window")
    if len(columns) < len(found.series):
        notice(f"{len(found.series) - len(columns)} series shorter than {last} states left out")
    return [{"series": c[-last:].tolist()} for c in columns]


def _windows(
    source: str, taught: Sequence[int], window: int | None, part: str
) -> tuple[Windows, dict[str, Any]]:
    """Read the windows of one part of a source, all where it has no parts, and facts of them."""
    split = None
    config = window
    if _is_dataset(source):
        shards, config = _configuration(source, taught, window)
        if part in shards.splits:
            split = part
        elif len(shards.splits) > 1:
            raise InputError(
                f"{source}: no split {part}; there is {', '.join(shards.splits)}; make one with "
                "`eisv-lumen data build --split`"
            )
    found = read_any(source, split=split, window=config)
    if isinstance(found, Source):
        length = window or next(iter(taught), None)
        table = build_table(found, source, length, None if length is None else max(1, length // 2))
    else:
        table = build_table(found, source, config)
    try:
        windows = windows_from_table(table)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    if Path(source).is_file():
        return windows, facts_of_file(Path(source))
    digest = hashlib.sha256(windows.summary.tobytes() + windows.shape.tobytes()).hexdigest()
    # No address of a database: it may hold a password.
    name = "postgresql" if is_postgres(source) else Path(source).name
    return windows, {"windows": name, "sha256": digest} | ({"split": split} if split else {})


def _configuration(
    source: str, taught: Sequence[int], window: int | None
) -> tuple[Shards, int | None]:
    """Choose the windows of a dataset by their length: as asked for, as taught, or its own."""
    if window is None:
        for length in taught:
            with suppress(InputError):
                return find_shards(source, window=length), length
    return find_shards(source, window=window), window


def _is_dataset(source: str) -> bool:
    """Whether a source is a folder or a dataset of the Hub, which may have splits and lengths."""
    return not is_postgres(source) and not Path(source).is_file()


def _are_summaries(source: str) -> bool:
    path = Path(source)
    if path.suffix.lower() not in (".jsonl", ".ndjson") or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(1 << 16)
    return any(key in first for key in (b'"mean_E"', b'"n_states"', b'"duration"'))
