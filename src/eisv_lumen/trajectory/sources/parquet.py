"""States as columns of a table: a time, E, I, S, V, and a drift and an agent that may lack.

Whole tables become series; files too large for that are classified batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from ...core.errors import InputError
from ...core.files import atomic_path
from ...core.notices import notice
from ...eisv import EISV_DIMS
from ..series import Series
from ..windows import STRIDE, WINDOW, classify_stream
from .assemble import Part, assemble
from .columns import state_columns, wanted_columns
from .common import Source, counted
from .options import DEFAULT, ReadOptions
from .roles import agent_of_path, ignored_columns, names_an_owner
from .tables import Table, kind_of, open_table, reading, table_of_frame

__all__ = [
    "STATES",
    "classify_file",
    "column_names",
    "part_of_file",
    "part_of_frame",
    "read_states",
    "refuse_owners",
    "row_count",
    "write_states",
]

Floats = npt.NDArray[np.float64]
STATES: Final = ("agent", "t", *EISV_DIMS, "ethical_drift")
"""Columns of the files that `write_states` writes."""


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the columns of a table.

    Raises
    ------
    InputError
        There is no such file, or it is none.
    """
    with reading(path):
        return list(open_table(path).schema.names)


def row_count(path: str | os.PathLike[str]) -> int:
    """Return how many rows a Parquet file says it holds; nothing is unfolded.

    Raises
    ------
    InputError
        There is no such file, or it is not Parquet.
    """
    with reading(path):
        return int(parquet.read_metadata(path).num_rows)


def read_states(path: str | os.PathLike[str], options: ReadOptions = DEFAULT) -> Source:
    """Read states from a table in a file; one series an agent, sorted by time.

    A time is in seconds since the epoch, a timestamp, or a text in ISO-8601 (naive is UTC). Rows
    with a NULL among time and E, I, S, V are skipped and counted; a NULL drift is 0. Values of E,
    I, S, V outside [0, 1] are clamped and counted.

    Raises
    ------
    InputError
        The file is missing or is no table, a column is missing or holds no numbers, a value is not
        finite (the message names row and column), or as for `assemble`.
    """
    return assemble([part_of_file(path, options)], options)


def part_of_file(path: str | os.PathLike[str], options: ReadOptions = DEFAULT) -> Part:
    """Read a file's states as they stand there; a key `agent=ada/` in its path names their owner.

    Parameters and errors are those of `read_states`.
    """
    named = agent_of_path(Path(path), options.columns)
    source = Path(path).name.split(".")[0]
    with reading(path):
        return _part(open_table(path), str(path), source, options, named)


def part_of_frame(frame: Any, options: ReadOptions = DEFAULT) -> Part:
    """Read the states of a pandas, polars or Arrow table, or of a mapping of columns."""
    return _part(table_of_frame(frame), f"the {type(frame).__name__}", "frame", options, None)


def _part(table: Table, place: str, source: str, options: ReadOptions, named: str | None) -> Part:
    wanted = wanted_columns(table.schema, place, options)
    ignored = ignored_columns(table.schema.names, wanted)
    notes = []
    if "agent" not in wanted and named is None and options.agent is None:
        refuse_owners(table, [name for name in ignored if names_an_owner(name)], place)
    if named is not None and "agent" in wanted:
        raise InputError(
            f"{place}: the path says agent={named}, and column {wanted['agent']!r} may say "
            "another; choose one: --agent-column, or --agent NAME"
        )
    if ignored:
        notes.append(f"{counted(len(ignored), 'column')} not read: {', '.join(ignored)}")
    parts: list[tuple[Floats, Floats, Floats | None, Any]] = []
    rows = skipped = clamped = 0
    for batch in table.stream(wanted):
        part, left_out, outside = state_columns(batch, place, rows, options)
        rows += batch.num_rows
        skipped += left_out
        clamped += outside
        parts.append(part)
    if rows == skipped:  # another file may hold some
        nothing = np.empty(0), np.empty((0, 4))
        return Part(place, *nothing, None, named or "", source, rows, skipped, notes=tuple(notes))
    drifts = [p[2] for p in parts if p[2] is not None]
    return Part(
        place,
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1].T for p in parts], axis=1).T,
        np.concatenate(drifts) if drifts else None,
        named or "" if "agent" not in wanted else np.concatenate([p[3] for p in parts]),
        source,
        rows,
        skipped,
        clamped,
        notes=tuple(notes),
    )


def refuse_owners(table: Table, names: list[str], place: str) -> None:
    """Refuse a column that seems to tell rows of several owners apart, and is not read."""
    for name in names:
        batches = list(table.stream({"agent": name}))
        if not batches:
            continue
        column = pa.chunked_array([batch[name] for batch in batches])
        distinct = pc.count_distinct(column).as_py()
        if 1 < distinct <= len(column) // 2:
            raise InputError(
                f"{place}: column {name!r} holds {distinct} values and may say whose a row is; say "
                f"so with --agent-column {name}, or with --agent NAME that all rows are one's"
            )


def classify_file(
    path: str | os.PathLike[str],
    *,
    window: int = WINDOW,
    stride: int = STRIDE,
    options: ReadOptions = DEFAULT,
) -> Iterator[npt.NDArray[np.int8]]:
    """Classify the one series of a table in a file, batch by batch.

    Memory is that of a batch, whatever the size of the file. Values of E, I, S, V outside [0, 1]
    are clamped, and a `Notice` says how many.

    Yields
    ------
    ndarray, int8
        Codes of the windows that each batch completes.

    Raises
    ------
    InputError
        As for `read_states` and `classify`; the file has several agents or a NULL, or its times
        decrease: what has to be sorted cannot be streamed.
    """
    if kind_of(path) not in (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz"):
        raise InputError(
            f"{path}: give states in .parquet or .csv; to convert another source: "
            f"eisv-lumen data convert {path} --out states.parquet"
        )
    seen = {"rows": 0, "clamped": 0}

    def parts() -> Iterator[tuple[Floats, Floats, Floats | None]]:
        first = None
        table = open_table(path)
        for batch in table.stream(wanted_columns(table.schema, path, options)):
            (t, X, drift, agents), skipped, clamped = state_columns(
                batch, path, seen["rows"], options
            )
            seen["rows"] += batch.num_rows
            seen["clamped"] += clamped
            if skipped:
                raise InputError(
                    f"{path}, rows up to {seen['rows']}: a NULL among the states; {_mend(path)}"
                )
            if agents is not None and len(agents):
                first = agents[0] if first is None else first
                if (agents != first).any():
                    raise InputError(
                        f"{path}, rows up to {seen['rows']}: several agents; {_mend(path)}"
                    )
            yield t, X, drift

    with reading(path):
        try:
            yield from classify_stream(parts(), window=window, stride=stride)
        except InputError as error:
            known = str(error).startswith(str(path))
            raise error if known else InputError(f"{path}: {error}") from error
    if seen["clamped"]:
        notice(f"{path}: {counted(seen['clamped'], 'value')} outside [0, 1] clamped")


def write_states(path: str | os.PathLike[str], series: list[Series]) -> None:
    """Write series to one Parquet file of states: agent, t, E, I, S, V, ethical_drift.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    drifts = [np.zeros(len(s)) if s.ethical_drift is None else s.ethical_drift for s in series]
    agents = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(len(series), dtype=np.int32), [len(s) for s in series]),
        pa.array([s.agent for s in series], pa.string()),
    )
    states = np.concatenate([s.X.T for s in series], axis=1)
    columns = {
        "agent": agents.cast(pa.string()),
        "t": np.concatenate([s.t for s in series]),
        **dict(zip(EISV_DIMS, states, strict=True)),
        "ethical_drift": np.concatenate(drifts),
    }
    if not any(s.agent for s in series):  # an unnamed owner is said by the column's absence
        del columns["agent"]
    with atomic_path(path) as aside, aside.open("wb") as stream:
        parquet.write_table(
            pa.table(columns),
            stream,
            compression="zstd",
            row_group_size=1 << 20,
            use_content_defined_chunking=True,
            write_page_index=True,
        )


def _mend(path: str | os.PathLike[str]) -> str:
    return f"read it whole instead: eisv-lumen data build {path}"
