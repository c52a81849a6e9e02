"""Windows of anything: a log, a file, a folder, a frame, a dataset of the Hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..core.errors import InputError
from ..core.extras import require
from ..core.notices import notice
from .dataset.metadata import cut_facts, joined
from .dataset.schema import build, features, read_parquet, typed
from .dataset.shards import Shards, config_names, find_shards
from .dataset.splits import state_keys
from .dataset.window_checks import check_labels
from .sources import ReadOptions, Source, read_source
from .sources.common import text_lines
from .sources.options import DEFAULT
from .sources.parquet import column_names
from .sources.published import STATES_COLUMN, typed_from_published
from .sources.read import holds_logs_alone
from .windows import STRIDE, WINDOW

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

__all__ = ["build_table", "holds_no_dataset", "load_table", "load_trajectories", "read_any"]

_BATCH: Final = 1024
"""Windows in a batch of a stream."""


def read_any(
    source: Any,
    *,
    config: str | None = None,
    split: str | None = None,
    window: int | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    every: bool = False,
    options: ReadOptions = DEFAULT,
) -> Source | pa.Table:
    """Read whatever a source holds: series, or windows in the typed schema.

    Parameters
    ----------
    source
        As for `load_trajectories`.
    config, split, window, revision, token, options
        As for `load_trajectories`; `window` chooses among configs alone.
    every
        Read all configs, one after the other, where none is chosen.

    Raises
    ------
    InputError
        The source is not there, or is none of these.
    """
    if isinstance(source, list | tuple) and len(source) == 1:
        source = source[0]
    if holds_no_dataset(source):
        _refuse_choice("a log", config, split, revision)
        return read_source(source, options)
    if not isinstance(source, str | os.PathLike) or Path(source).is_file():
        _refuse_choice("a single table", config, split, revision)
        windows = _windows_in(source)
        return read_source(source, options) if windows is None else windows
    where: dict[str, Any] = {"revision": revision, "token": token}
    if every and config is None and window is None:
        names = config_names(source, **where)
        if len(names) > 1:
            parts = [read_any(source, config=name, split=split, **where) for name in names]
            return joined([part for part in parts if not isinstance(part, Source)])
    shards = find_shards(source, config=config, window=window, **where)
    paths = shards.of(split)
    folder = shards.fetched(paths)
    tables = [_windows_of(folder / path, shards, path) for path in paths]
    if any(table is None for table in tables):
        return read_source([folder / path for path in paths], options)
    return _without_doubles(joined([t for t in tables if t is not None]), shards.place)


def load_table(
    source: Any,
    *,
    window: int | None = None,
    stride: int | None = None,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    options: ReadOptions = DEFAULT,
) -> pa.Table:
    """Return the typed dataset of a source as an Arrow table, whatever the source is.

    Parameters, errors and warnings are those of `load_trajectories`.
    """
    found = read_any(
        source,
        config=config,
        split=split,
        window=window,
        revision=revision,
        token=token,
        options=options,
    )
    for line in found.report.warnings() if isinstance(found, Source) else ():
        notice(line)
    place = str(source) if isinstance(source, str | os.PathLike) else "the frame"
    return build_table(found, place, window, stride)


def build_table(
    found: Source | pa.Table, place: str, window: int | None = None, stride: int | None = None
) -> pa.Table:
    """Return the windows that `read_any` found, or those of the series that it found.

    Parameters
    ----------
    found
        What was read.
    place
        What messages call it.
    window, stride
        As for `load_trajectories`.

    Raises
    ------
    InputError
        No series is as long as a window; or windows have another length or stride than is asked
        for, or labels that are not those of the rules by which they say they were cut.
    """
    if not isinstance(found, Source):
        _check_cut(found, window, stride, place)
        check_labels(found, place)
        return found
    try:
        return build(found, window or WINDOW, stride or STRIDE)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


@overload
def load_trajectories(
    source: Any,
    config: str | None = ...,
    *,
    split: str | None = ...,
    revision: str | None = ...,
    streaming: Literal[False] = ...,
    token: str | bool | None = ...,
    window: int | None = ...,
    stride: int | None = ...,
    options: ReadOptions = ...,
) -> Dataset: ...


@overload
def load_trajectories(
    source: Any,
    config: str | None = ...,
    *,
    split: str | None = ...,
    revision: str | None = ...,
    streaming: Literal[True],
    token: str | bool | None = ...,
    window: int | None = ...,
    stride: int | None = ...,
    options: ReadOptions = ...,
) -> IterableDataset: ...


def load_trajectories(
    source: Any,
    config: str | None = None,
    *,
    split: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
    token: str | bool | None = None,
    window: int | None = None,
    stride: int | None = None,
    options: ReadOptions = DEFAULT,
) -> Dataset | IterableDataset:
    """Return the typed dataset of a source, whatever the source is.

    Parameters
    ----------
    source
        Series, which are cut into windows: an `anima.db`, governance updates (`.jsonl`), states in
        a table (Parquet, CSV, TSV, Feather, JSON lines, a data frame) with columns t, E, I, S, V,
        several of these, a glob, a folder, `https://…`, `hf://…`, `postgresql://…`. Or windows: a
        Parquet file of the typed dataset or of the published one (also as JSON lines), a folder of
        such files, a dataset id of the Hub (`owner/name`), a pandas, polars or Arrow table.
    config, split
        Of a folder or the Hub; by default the config that its card calls so, else the longest
        windows, and all splits, one after the other.
    revision, token
        Of the Hub: branch, tag or commit; by default the token that is logged in.
    streaming
        Return an `IterableDataset`, which reads a batch at a time.
    window, stride
        States in a window (≥ 2, by default 20), and from one window's start to the next's (≥ 1, by
        default 10). Of windows, `window` chooses the configuration `window_N`.
    options
        How states are to be read, where columns, units or owners do not speak for themselves.

    Returns
    -------
    datasets.Dataset or datasets.IterableDataset
        A row a window: lists `t` [s since the epoch], `E`, `I`, `S`, `V`, `ethical_drift`; `shape`
        (class label), `shape_name`, `source`, `agent`, `t_start`, `t_end` [s] and `tokens`.

    Raises
    ------
    InputError
        The source cannot be read (the message names file, row and field), has no such config or
        split, or windows of another length or stride; or no series is as long as a window. What is
        chosen, dropped or doubtful and yet read is said by the warning `Notice`.
    """
    named = isinstance(source, str | os.PathLike) and not Path(source).is_file()
    if streaming and named and not holds_no_dataset(source):
        shards = find_shards(source, config=config, window=window, revision=revision, token=token)
        paths = shards.of(split)
        if _holds_windows(shards, paths[0]):
            return _streamed(shards, paths, (window, stride))
    asked: dict[str, Any] = {"config": config, "split": split, "revision": revision, "token": token}
    table = load_table(source, window=window, stride=stride, options=options, **asked)

    require("datasets", "load_trajectories")
    from datasets import Dataset

    whole = Dataset(table)
    return whole.to_iterable_dataset() if streaming else whole


def _streamed(
    shards: Shards, paths: list[str], cut: tuple[int | None, int | None]
) -> IterableDataset:
    from datasets import IterableDataset

    given = {"shards": shards, "paths": paths, "cut": cut}
    stream: IterableDataset = IterableDataset.from_generator(
        _stream, features=features(), gen_kwargs=given
    )
    return stream


def holds_no_dataset(source: Any) -> bool:
    """Whether a source can hold states alone: several logs, a stream, an address, a folder."""
    if not isinstance(source, str | os.PathLike):
        return isinstance(source, list | tuple)
    path = Path(source)
    return holds_logs_alone(source) or (path.is_dir() and not _is_dataset(path))


def _windows_in(source: Any) -> pa.Table | None:
    """Return the windows of a file or a frame, None where it holds states."""
    if isinstance(source, str | os.PathLike):
        return _windows_of(Path(source))
    return _from_frame(source)


def _refuse_choice(place: str, config: Any, split: Any, revision: Any) -> None:
    for name, value in (("config", config), ("split", split), ("revision", revision)):
        if value is not None:
            raise InputError(f"{place}: has no {name}, only a folder or a dataset of the Hub has")


def _check_cut(table: pa.Table, window: int | None, stride: int | None, place: str) -> None:
    """Refuse a length or a stride that windows do not have: they are cut already."""
    lengths = pc.unique(pc.list_value_length(table["t"])).to_pylist()
    if window is not None and lengths not in ([], [window]):
        held = ", ".join(map(str, sorted(lengths)))
        raise InputError(
            f"{place}: holds windows of {held} states, not {window}; leave --window out, or give "
            "the states that they were cut from"
        )
    said = cut_facts(table).get("stride")
    if stride is not None and said != stride:
        known = "of no known stride" if said is None else f"cut with stride {said}"
        raise InputError(
            f"{place}: holds windows {known}, not of states; leave --stride out, or give the "
            "states that they were cut from"
        )


def _typed(table: pa.Table, place: str, names: list[str] | None = None) -> pa.Table | None:
    """Return the windows of a table in either schema, None where it holds none."""
    if STATES_COLUMN in table.column_names:
        return typed_from_published(table, place, names)
    return typed(table, place, names) if "t_start" in table.column_names else None


def _windows_of(path: Path, shards: Shards | None = None, name: str = "") -> pa.Table | None:
    """Read a file that holds windows, or return None where it holds anything else."""
    place = str(path) if shards is None or shards.folder else f"{shards.place}: {name}"
    kind = path.suffix.lower()
    if kind == ".parquet":
        if not {STATES_COLUMN, "t_start"} & set(column_names(path)):
            return None
        return _typed(read_parquet(path), place, shards.names if shards else None)
    if kind == ".jsonl":
        keys = _first_keys(path)
        if "mean_E" in keys:
            raise InputError(
                f"{path}: window summaries, which hold no states; read them with "
                "eisv_lumen.trajectory.sources.summaries.read_summaries"
            )
        if STATES_COLUMN in keys:
            return typed_from_published(_json_lines(path), place)
    return None


def _holds_windows(shards: Shards, path: str) -> bool:
    with _opened(shards, path) as file:
        return bool({STATES_COLUMN, "t_start"} & set(file.schema_arrow.names))


def _opened(shards: Shards, path: str) -> Any:
    from pyarrow import parquet

    if shards.folder is not None:
        return parquet.ParquetFile(shards.folder / path)
    from huggingface_hub import HfFileSystem

    where = f"datasets/{shards.repo}@{shards.revision}/{path}"
    return parquet.ParquetFile(HfFileSystem(token=shards.token).open(where, "rb"))


def _stream(
    shards: Shards, paths: list[str], cut: tuple[int | None, int | None]
) -> Iterator[dict[str, Any]]:
    """Yield rows, a batch of a file at a time, checked and typed like whole tables."""
    for path in paths:
        row = 0
        with _opened(shards, path) as file:
            for batch in file.iter_batches(_BATCH):
                place = f"{shards.place}: {path}, rows from {row}"
                table = _typed(
                    pa.Table.from_batches([batch], file.schema_arrow), place, shards.names
                )
                if table is None:
                    raise InputError(f"{place}: holds no windows")
                _check_cut(table, *cut, place)
                row += len(table)
                yield from table.to_pylist()


def _from_frame(frame: Any) -> pa.Table | None:
    """Return the windows of a pandas, polars or Arrow table, or of a `datasets.Dataset`.

    None where it holds states.
    """
    name = type(frame).__name__
    if isinstance(frame, pa.Table | pa.RecordBatch):
        table = pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else frame
    elif type(frame).__module__.split(".")[0] == "datasets":
        table = frame.with_format("arrow")[:].replace_schema_metadata(
            frame.features.arrow_schema.metadata
        )
    elif type(frame).__module__.split(".")[0] == "pandas":
        table = pa.Table.from_pandas(frame, preserve_index=False)
    elif hasattr(frame, "to_arrow"):
        table = frame.to_arrow()
    else:
        return None  # its reader says why it is none
    return _typed(table, f"the {name}")


def _is_dataset(folder: Path) -> bool:
    """Whether a folder holds windows: its card or its first Parquet file says so."""
    for path in sorted(folder.rglob("*.parquet")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            return bool({STATES_COLUMN, "t_start"} & set(column_names(path)))
    return (folder / "README.md").is_file()


def _without_doubles(table: pa.Table, place: str) -> pa.Table:
    """Drop windows whose agent, times and states stand in an earlier row: copied files."""
    if not len(table):
        return table
    _, keys = state_keys(table)
    lengths = np.asarray(pc.list_value_length(table["t"]).to_numpy(), np.int64)
    window = np.add.reduceat(keys, np.cumsum(lengths) - lengths)
    agent = np.asarray(table["agent"].combine_chunks().dictionary_encode().indices)
    whole = np.stack([window, lengths.astype(np.uint64), agent.astype(np.uint64)], axis=1)
    first = np.sort(np.unique(whole, axis=0, return_index=True)[1])
    if len(first) == len(table):
        return table
    notice(f"{place}: {len(table) - len(first):,} of {len(table):,} windows stand there twice; "
           "each is taken once")  # fmt: skip
    return table.take(pa.array(first))


def _first_keys(path: Path) -> set[str]:
    for number, line in text_lines(path):
        try:
            first = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from None
        return set(first) if isinstance(first, dict) else set()
    raise InputError(f"{path}: an empty file")


def _json_lines(path: Path) -> pa.Table:
    rows = []
    for number, line in text_lines(path):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from None
        if not isinstance(rows[-1], dict):
            raise InputError(f"{path}, line {number}: not a JSON object")
    names = [n for n in ("shape", "eisv_states", "provenance", "tokens") if n in rows[0]]
    try:
        return pa.table({n: pa.array([row.get(n) for row in rows], pa.string()) for n in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"{path}: a column is not JSON in strings ({error})") from None
