"""Where trajectories come from; each source is a file here, and all hand back the same nouns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import InputError
from ..windows import STRIDE, WINDOW
from .common import Expressions, Report, Source, text_lines

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

__all__ = [
    "Expressions",
    "Report",
    "Source",
    "load_table",
    "load_trajectories",
    "read_any",
    "read_source",
]


def read_source(source: str | os.PathLike[str]) -> Source:
    """Read the series of a source, told by what it is.

    Parameters
    ----------
    source
        Path of an `anima.db`, of governance updates (`.jsonl`), of states in Parquet or CSV, or
        the address of a governance database (`postgresql://…`).

    Raises
    ------
    InputError
        It is none of these, or cannot be read.
    """
    from .anima import is_sqlite, read_anima
    from .governance import read_governance
    from .parquet import read_states
    from .postgres import is_postgres, read_postgres

    if is_postgres(source):
        return read_postgres(str(source))
    reader: dict[str, Callable[[str | os.PathLike[str]], Source]] = {
        ".db": read_anima, ".sqlite": read_anima, ".jsonl": read_governance,
        ".parquet": read_states, ".csv": read_states,
    }  # fmt: skip
    read = read_anima if is_sqlite(source) else reader.get(Path(source).suffix.lower())
    if read is None:
        if not Path(source).exists():
            raise InputError(f"{source}: no such file")
        raise InputError(
            f"{source}: not a source; give an anima.db, governance updates (.jsonl), states "
            "(.parquet, .csv) or postgresql://…"
        )
    return read(source)


def read_any(source: str | os.PathLike[str]) -> Source | pa.Table:
    """Read whatever a source holds: series, or windows in the typed schema.

    Parameters
    ----------
    source
        As for `read_source`, or what holds windows already: a Parquet file of the typed dataset
        or of the published one (also as JSON lines), a folder of such files, or a dataset id of
        the Hub (`owner/name`), whose splits are put one after the other.

    Raises
    ------
    InputError
        The source is not there, or is none of these.
    """
    from .postgres import is_postgres

    path = Path(source)
    if not is_postgres(source):
        if path.is_dir():
            return _from_folder(path)
        if not path.exists():
            return _from_hub(str(source))
        windows = _windows_of(path)
        if windows is not None:
            return windows
    return read_source(source)


def load_table(
    source: str | os.PathLike[str], *, window: int = WINDOW, stride: int = STRIDE
) -> pa.Table:
    """Return the typed dataset of a source as an Arrow table, whatever the source is.

    Parameters
    ----------
    source
        As for `read_any`.
    window, stride
        How series are cut; of no account where the source holds windows.

    Raises
    ------
    InputError
        As for `read_any`, or no series is as long as a window.
    """
    from ..dataset.schema import build

    found = read_any(source)
    if not isinstance(found, Source):
        return found
    try:
        return build(found, window, stride)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def load_trajectories(
    source: str | os.PathLike[str], *, window: int = WINDOW, stride: int = STRIDE
) -> Dataset:
    """Return the typed dataset of a source as a `datasets.Dataset`, whatever the source is.

    Parameters
    ----------
    source
        Series: an `anima.db`, governance updates (`.jsonl`), states in Parquet or CSV, or
        `postgresql://…`; they are cut into windows. Or windows: a Parquet file of the typed dataset
        or of the published one (also as JSON lines), a folder of such files, or a dataset id of
        the Hub (`owner/name`), whose splits are put one after the other.
    window, stride
        States in a window (≥ 2), and from one window's start to the next's (≥ 1); of no account
        where the source holds windows.

    Returns
    -------
    datasets.Dataset
        A row a window: lists `t` [s since the epoch], `E`, `I`, `S`, `V`, `ethical_drift`; `shape`
        (class label), `source`, `agent`, `t_start`, `t_end` [s] and `tokens`.

    Raises
    ------
    InputError
        The source is not there, is none of these, cannot be read (the message names file, row and
        field), or no series is as long as a window.

    Examples
    --------
    >>> import eisv_lumen
    >>> data = eisv_lumen.load_trajectories("anima.db")  # doctest: +SKIP
    >>> data.features["shape"].int2str(data[0]["shape"])  # doctest: +SKIP
    'settled_presence'
    """
    table = load_table(source, window=window, stride=stride)

    from datasets import Dataset

    return Dataset(table)


def _windows_of(path: Path) -> pa.Table | None:
    """Read a file that holds windows, or return None where it holds anything else."""
    from ..dataset.schema import read_parquet, read_table
    from .parquet import column_names
    from .published import STATES_COLUMN, typed_from_published

    kind = path.suffix.lower()
    if kind == ".parquet":
        names = column_names(path)
        if STATES_COLUMN in names:
            return typed_from_published(read_parquet(path), str(path))
        if "t_start" in names:
            return read_table(path)
    if kind == ".jsonl":
        keys = _first_keys(path)
        if "mean_E" in keys:
            raise InputError(
                f"{path}: window summaries, which hold no states; read them with "
                "eisv_lumen.trajectory.sources.summaries.read_summaries"
            )
        if STATES_COLUMN in keys:
            return typed_from_published(_json_lines(path), str(path))
    return None


def _from_folder(path: Path) -> pa.Table:
    from ..dataset.metadata import joined

    files = sorted(path.rglob("*.parquet"))
    if not files:
        raise InputError(f"{path}: a folder without Parquet files; give a dataset's folder")
    return joined([load_table(file) for file in files])


def _from_hub(name: str) -> pa.Table:
    if name.count("/") != 1 or name.startswith(("/", ".")) or Path(name).suffix:
        raise InputError(f"{name}: no such file or folder, and not a dataset id (owner/name)")

    from datasets import load_dataset

    from ..dataset.metadata import joined
    from ..dataset.schema import typed
    from .published import STATES_COLUMN, typed_from_published

    try:
        splits = load_dataset(name)
    except Exception as error:  # whatever the client raises, the dataset could not be had
        text = " ".join(str(error).split())
        raise InputError(
            f"{name}: no such file, and the dataset could not be loaded from the Hub ({text})"
        ) from error
    parts = []
    for label, part in splits.items():
        table = part.data.table
        read = typed_from_published if STATES_COLUMN in table.column_names else typed
        parts.append(read(table, f"{name}, split {label}"))
    return joined(parts)


def _first_keys(path: Path) -> set[str]:
    for number, line in text_lines(path):
        try:
            first = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from None
        return set(first) if isinstance(first, dict) else set()
    raise InputError(f"{path}: an empty file")


def _json_lines(path: Path) -> pa.Table:
    import pyarrow as pa

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
