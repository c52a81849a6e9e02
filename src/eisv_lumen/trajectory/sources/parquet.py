"""States as columns of a Parquet or CSV file: t or timestamp, E, I, S, V, and two that may lack.

`ethical_drift` and `agent` may lack; other columns are left alone. Whole files become series;
files too large for that are classified batch by batch.
"""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ..series import Series
from ..windows import STRIDE, WINDOW, classify_stream
from .columns import by_agent, state_columns, wanted_columns
from .common import Report, Source, in_time_order

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "STATES",
    "classify_file",
    "column_names",
    "read_states",
    "row_count",
    "write_states",
]

Floats = npt.NDArray[np.float64]
STATES: Final = ("agent", "t", *EISV_DIMS, "ethical_drift")
"""Columns of the files that `write_states` writes."""
_NO_NUMBER: Final = re.compile(
    r"CSV column #(\d+): Row #(\d+): CSV conversion error to double: invalid value '(.*)'"
)
_ROWS = 1 << 17
"""Rows in a batch of a stream: about 7 MB of columns."""


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the columns of a Parquet or CSV file.

    Raises
    ------
    InputError
        There is no such file, or it is neither.
    """
    with _reading(path):
        return list(_open(path)[0].names)


def row_count(path: str | os.PathLike[str]) -> int:
    """Return how many rows a Parquet file says it holds; nothing is unfolded.

    Raises
    ------
    InputError
        There is no such file, or it is not Parquet.
    """
    from pyarrow import parquet

    with _reading(path):
        return int(parquet.read_metadata(path).num_rows)


def read_states(path: str | os.PathLike[str]) -> Source:
    """Read states from a Parquet or CSV file; one series an agent, sorted by time.

    `t` is in seconds since the epoch; `timestamp` is a timestamp or a text in ISO-8601 (naive is
    UTC). Rows with a NULL among time and E, I, S, V are skipped and counted; a NULL drift is 0.
    Values of E, I, S, V outside [0, 1] are clamped and counted.

    Raises
    ------
    InputError
        The file is missing or is neither, a column is missing or holds no numbers, a value is not
        finite; the message names row and column.
    """
    parts: list[tuple[Floats, Floats, Floats | None, Any]] = []
    rows = null_rows = clamped = 0
    with _reading(path):
        schema, batches = _open(path)
        wanted = wanted_columns(schema, path)
        for batch in batches(wanted):
            part, skipped, outside = state_columns(batch, path, rows)
            rows += batch.num_rows
            null_rows += skipped
            clamped += outside
            parts.append(part)
    if rows == null_rows:
        raise InputError(f"{path}: holds no usable state ({rows} rows, {null_rows} with a NULL)")
    t = np.concatenate([p[0] for p in parts])
    X = np.concatenate([p[1].T for p in parts], axis=1).T
    drift = (
        None if parts[0][2] is None else np.concatenate([p[2] for p in parts if p[2] is not None])
    )
    agents = np.concatenate([p[3] for p in parts]) if "agent" in wanted else np.zeros(len(t), "U1")
    series, moved = [], 0
    for agent, mine in by_agent(agents):
        n, time, (states, found) = in_time_order(
            t[mine], np.asfortranarray(X[mine]), None if drift is None else drift[mine]
        )
        moved += n
        series.append(Series(time, states, found, source=Path(path).stem, agent=agent))
    return Source(series, Report(rows, null_rows, moved, clamped, agents=len(series)))


def classify_file(
    path: str | os.PathLike[str], *, window: int = WINDOW, stride: int = STRIDE
) -> Iterator[npt.NDArray[np.int8]]:
    """Classify the one series of a Parquet or CSV file, batch by batch.

    Memory is that of a batch, whatever the size of the file. Values of E, I, S, V outside [0, 1]
    are clamped.

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
    if Path(path).suffix.lower() not in (".parquet", ".csv"):
        raise InputError(
            f"{path}: give states in .parquet or .csv; to convert another source: "
            f"eisv-lumen data convert {path} --out states.parquet"
        )

    def parts() -> Iterator[tuple[Floats, Floats, Floats | None]]:
        rows, first = 0, None
        schema, batches = _open(path)
        for batch in batches(wanted_columns(schema, path)):
            (t, X, drift, agents), skipped, _ = state_columns(batch, path, rows)
            rows += batch.num_rows
            if skipped:
                raise InputError(
                    f"{path}, rows up to {rows}: a NULL among the states; {_mend(path)}"
                )
            if agents is not None and len(agents):
                first = agents[0] if first is None else first
                if (agents != first).any():
                    raise InputError(f"{path}, rows up to {rows}: several agents; {_mend(path)}")
            yield t, X, drift

    with _reading(path):
        try:
            yield from classify_stream(parts(), window=window, stride=stride)
        except InputError as error:
            known = str(error).startswith(str(path))
            raise error if known else InputError(f"{path}: {error}") from error


def write_states(path: str | os.PathLike[str], series: list[Series]) -> None:
    """Write series to one Parquet file of states: agent, t, E, I, S, V, ethical_drift.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    import pyarrow as pa

    from ..dataset.schema import write_parquet

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
    write_parquet(path, pa.table(columns))


def _mend(path: str | os.PathLike[str]) -> str:
    return f"read it whole instead: eisv-lumen data build {path}"


class _reading:
    """Turn what pyarrow says about a file into our one message."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def __enter__(self) -> None:
        if not Path(self.path).is_file():
            raise InputError(f"{self.path}: no such file")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        if isinstance(error, pa.ArrowException | OSError) and not isinstance(error, InputError):
            text = " ".join(str(error).split())
            if found := _NO_NUMBER.search(text):
                column, line, value = found.groups()
                raise InputError(
                    f"{self.path}, line {line}, column {column_names(self.path)[int(column)]}: "
                    f"{value!r} is no number; mend or drop that line"
                ) from error
            if not text.isprintable() or "\ufffd" in text:  # bytes of the file, quoted
                text = "bytes that are no text in UTF-8"
            raise InputError(f"{self.path}: cannot be read ({text})") from error
        if isinstance(error, UnicodeDecodeError):
            raise InputError(f"{self.path}: names of columns are not UTF-8") from error


def _refuse_utf16(path: str | os.PathLike[str]) -> None:
    """Refuse a CSV file that begins with UTF-16's mark, as spreadsheets save "Unicode text"."""
    with Path(path).open("rb") as file:
        if file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE):
            raise InputError(
                f"{path}: is in UTF-16; save it as CSV in UTF-8, or convert it: "
                f"iconv -f UTF-16 -t UTF-8 {path} > utf-8.csv"
            )


def _open(
    path: str | os.PathLike[str],
) -> tuple[pa.Schema, Callable[[list[str]], Iterator[pa.RecordBatch]]]:
    """Return the schema of a file, and a function that streams some of its columns."""
    if Path(path).suffix.lower() == ".csv":
        from pyarrow import csv

        _refuse_utf16(path)
        read = csv.ReadOptions(use_threads=False, block_size=8 << 20)
        with csv.open_csv(path, read_options=read) as first:
            schema = first.schema

        def stream_csv(wanted: list[str]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            types = {c: pa.float64() for c in wanted if c not in ("timestamp", "agent")}
            types |= {c: pa.string() for c in wanted if c in ("timestamp", "agent")}
            convert = csv.ConvertOptions(include_columns=wanted, column_types=types)
            yield from csv.open_csv(path, read_options=read, convert_options=convert)

        return schema, stream_csv

    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow

    def stream_parquet(wanted: list[str]) -> Iterator[pa.RecordBatch]:
        # Unasked, pyarrow would hold whole row groups, however long they are.
        # Texts come as a dictionary: a long one that stands on every row is held once.
        named = [name for name in wanted if name in ("agent", "timestamp")]
        texts = [name for name in named if pa.types.is_string(schema.field(name).type)]
        with parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=1 << 20, read_dictionary=texts
        ) as file:
            yield from file.iter_batches(_ROWS, columns=wanted, use_threads=False)

    return schema, stream_parquet
