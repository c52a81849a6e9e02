"""Tables of states in any common form, streamed as Arrow batches of the wanted columns."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import csv, feather, parquet

from ...core.errors import InputError

__all__ = ["TABLES", "Table", "kind_of", "open_table", "reading", "table_of_frame"]

TABLES: Final = (
    ".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".feather", ".arrow", ".json",
    ".ndjson", ".jsonl",
)  # fmt: skip
"""Suffixes of tables of states."""
_SEPARATORS: Final = (",", ";", "\t", "|")
_SNIFF: Final = 1 << 16
_ROWS: Final = 1 << 17
"""Rows in a batch of a stream: about 7 MB of columns."""
_NO_NUMBER: Final = re.compile(
    r"CSV column #(\d+): Row #(\d+): CSV conversion error to double: invalid value '(.*)'"
)
_TEXTS: Final = ("t", "agent")
"""What is read as text out of a CSV: a time may be a number or a date."""


@dataclass(frozen=True)
class Table:
    """A table: its schema, and a function that streams the columns that are given (ours: its)."""

    schema: pa.Schema
    stream: Callable[[Mapping[str, str]], Iterator[pa.RecordBatch]]


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a table in lower case, with what it is compressed by."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def open_table(path: str | os.PathLike[str]) -> Table:
    """Open a table by its suffix.

    Raises
    ------
    InputError
        It is not of that form, or its text is not UTF-8.
    """
    kind = kind_of(path)
    if kind == ".parquet":
        return _parquet(path)
    if kind in (".feather", ".arrow"):
        return _whole(feather.read_table(path, memory_map=False))
    if kind in (".json", ".ndjson", ".jsonl"):
        return _whole(_json(Path(path)))
    return _csv(path)


def table_of_frame(frame: Any) -> Table:
    """Open a pandas, polars or Arrow table, or a mapping of columns.

    Raises
    ------
    InputError
        It is none of these.
    """
    if isinstance(frame, Mapping):
        return _whole(pa.table({str(name): pa.array(column) for name, column in frame.items()}))
    if type(frame).__module__.startswith("pandas."):
        named = frame.index.name is not None or getattr(frame.index, "tz", None) is not None
        is_time = str(frame.index.dtype).startswith("datetime64")
        if is_time and not named:
            frame = frame.rename_axis("t")
        return _whole(pa.Table.from_pandas(frame, preserve_index=bool(is_time or named)))
    if hasattr(frame, "__arrow_c_stream__"):
        return _whole(pa.table(frame))
    raise InputError(
        f"{type(frame).__name__}: not a source; give a path, an address, or a pandas, polars or "
        "Arrow table with columns t, E, I, S, V"
    )


def _whole(table: pa.Table) -> Table:
    def stream(wanted: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        chosen = table.select(list(wanted.values())).unify_dictionaries()
        yield from chosen.combine_chunks().to_batches(max_chunksize=_ROWS)

    return Table(table.schema, stream)


def _parquet(path: str | os.PathLike[str]) -> Table:
    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow

    def stream(wanted: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        # Unasked, pyarrow would hold whole row groups, however long they are.
        # Texts come as a dictionary: a long one that stands on every row is held once.
        texts = [
            wanted[role]
            for role in _TEXTS
            if role in wanted and pa.types.is_string(schema.field(wanted[role]).type)
        ]
        with parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=1 << 20, read_dictionary=texts
        ) as opened:
            yield from opened.iter_batches(_ROWS, columns=list(wanted.values()), use_threads=False)

    return Table(schema, stream)


def _csv(path: str | os.PathLike[str]) -> Table:
    head = _head(path)
    lines = head.splitlines()
    header = lines[0] if lines else ""
    separator = max(_SEPARATORS, key=header.count) if lines else ","
    comma = separator != "," and any(
        re.search(r"(^|[^\w.])-?\d+,\d", field)
        for line in lines[1:3]
        for field in line.split(separator)
    )
    # csv reads its file at once as far as a block: what is compressed is unfolded on the way.
    parse = csv.ParseOptions(delimiter=separator)
    read = csv.ReadOptions(use_threads=False, block_size=8 << 20)
    with csv.open_csv(_stream_of(path), read_options=read, parse_options=parse) as first:
        schema = first.schema

    def stream(wanted: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        types = {
            name: pa.string() if role in _TEXTS else pa.float64() for role, name in wanted.items()
        }
        convert = csv.ConvertOptions(
            include_columns=list(wanted.values()),
            column_types=types,
            decimal_point="," if comma else ".",
        )
        yield from csv.open_csv(
            _stream_of(path), read_options=read, parse_options=parse, convert_options=convert
        )

    return Table(schema, stream)


def _stream_of(path: str | os.PathLike[str]) -> Any:
    if kind_of(path).endswith(".gz"):
        return pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "gzip")
    return str(path)


def _head(path: str | os.PathLike[str]) -> str:
    """Return the first part of a text, refused where it is UTF-16."""
    opened: Any = gzip.open if kind_of(path).endswith(".gz") else Path.open
    with opened(Path(path), "rb") as file:
        head = file.read(_SNIFF)
    if head[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
        raise InputError(
            f"{path}: is in UTF-16; save it as CSV in UTF-8, or convert it: "
            f"iconv -f UTF-16 -t UTF-8 {path} > utf-8.csv"
        )
    return str(head.decode("utf-8", "replace")).lstrip("\ufeff")


def _json(path: Path) -> pa.Table:
    """Read JSON lines, or an array of objects; what is nested gets names such as `eisv.E`."""
    text = path.read_text(encoding="utf-8")
    if text.lstrip()[:1] == "[":
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON ({error})") from None
        if not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path}: an array of JSON objects is wanted, one per state")
        text = "\n".join(json.dumps(row) for row in rows)
    from pyarrow import json as lines

    table = lines.read_json(io.BytesIO(text.encode()))
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what pyarrow says about a file into our one message."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: names of columns are not UTF-8") from error
    except (pa.ArrowException, OSError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        text = " ".join(str(error).split())
        if found := _NO_NUMBER.search(text):
            column, line, value = found.groups()
            name = open_table(path).schema.names[int(column)]
            raise InputError(
                f"{path}, line {line}, column {name}: {value!r} is no number; mend or drop that "
                "line"
            ) from error
        if not text.isprintable() or "\ufffd" in text:  # bytes of the file, quoted
            text = "bytes that are no text in UTF-8"
        raise InputError(f"{path}: cannot be read ({text})") from error
