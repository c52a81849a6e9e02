"""Chunks and windows on disk: one folder each, safetensors and Parquet.

A folder of chunks holds ``vectors.safetensors`` (tensor ``vectors``, (M, D) float32),
``chunks.parquet`` (``article``, ``position``, ``text``; row for row) and ``about.json`` (format,
encoder with its fingerprint, cuts, provenance). A folder of sequences is one of chunks with
``windows.parquet`` (``start``) and the context length in ``about.json``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.files import check_folder_place, plain_disk_errors, read_json, write_json
from .chunking import Cut
from .chunks import Chunks, check_rows
from .sequences import SequenceSet

__all__ = [
    "About",
    "check_place",
    "read_about",
    "read_chunks",
    "read_sequences",
    "read_vectors",
    "write_chunks",
    "write_sequences",
    "write_vectors",
]

_VECTORS: Final = "vectors.safetensors"
_CHUNKS: Final = "chunks.parquet"
_WINDOWS: Final = "windows.parquet"
_ABOUT: Final = "about.json"
_FORMAT: Final = "eisv-lumen-vectors/1"


@dataclass(frozen=True)
class About:
    """What a folder says of itself."""

    encoder: str
    context_length: int | None
    """None in a folder of chunks without windows."""
    provenance: dict[str, Any]
    fingerprint: str = ""
    """Of the encoder; empty in folders written before there were any."""
    cuts: tuple[tuple[str, Cut], ...] = ()
    """How each corpus was cut, as far as it is said."""


def write_chunks(
    chunks: Chunks, folder: str | os.PathLike[str], provenance: dict[str, Any] | None = None
) -> None:
    """Write embedded chunks, whole or not at all; the same chunks give the same bytes.

    Raises
    ------
    InputError
        The rows are unusable (`check_rows`), the folder holds something else, or the disk is full.
    """
    about = _about(chunks) | {"provenance": provenance or {}}
    with _whole_folder(Path(folder)) as aside:
        _write_rows(chunks, aside, str(folder))
        write_json(aside / _ABOUT, about)


def write_sequences(
    sequences: SequenceSet,
    folder: str | os.PathLike[str],
    *,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write windows with their vectors, whole or not at all; equal sets give equal bytes.

    Parameters
    ----------
    sequences, folder
        What is written, and where to.
    provenance
        What made the windows; goes to ``about.json``.

    Raises
    ------
    InputError
        The rows or windows are unusable, the folder holds something else, or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    s = sequences
    _check_windows(s, str(folder))
    about = _about(s) | {"context_length": s.context_length, "provenance": provenance or {}}
    with _whole_folder(Path(folder)) as aside:
        rows = Chunks(s.vectors, s.article, s.position, s.article_ids, s.encoder, s.texts)
        _write_rows(rows, aside, str(folder))
        pq.write_table(pa.table({"start": pa.array(s.starts, pa.int64())}), aside / _WINDOWS)
        write_json(aside / _ABOUT, about)


def read_about(folder: str | os.PathLike[str]) -> About:
    """Read what a folder says of itself.

    Raises
    ------
    InputError
        It is no folder of ours.
    """
    path = Path(folder) / _ABOUT
    if not path.is_file():
        raise InputError(
            f"{folder}: no vectors here (no {_ABOUT}); make them with `eisv-lumen lvm embed` and "
            "`eisv-lumen lvm sequences`"
        )
    about = read_json(path)
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise InputError(f"{path}, format: not {_FORMAT}; write the folder again")
    try:
        k = about.get("context_length")
        made = dict(about["provenance"])
        old = made.get("cut")  # where it stood before it went with the vectors
        cuts = about.get("cuts") or ([["", old]] if isinstance(old, dict) else [])
        return About(
            str(about["encoder"]),
            None if k is None else int(k),
            made,
            str(about.get("fingerprint") or ""),
            tuple((str(corpus), Cut(**cut)) for corpus, cut in cuts),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}; write the folder again") from error


def read_chunks(folder: str | os.PathLike[str]) -> Chunks:
    """Read the chunks of a folder, be it one of chunks or of sequences.

    Raises
    ------
    InputError
        A file is missing or damaged, or a row is unusable; the message names it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    base, about = Path(folder), read_about(folder)
    vectors = read_vectors(base / _VECTORS)
    path = base / _CHUNKS
    try:
        table = pq.read_table(path, columns=["article", "position", "text"])
        names = table["article"].combine_chunks()
        names = names.dictionary_encode() if not pa.types.is_dictionary(names.type) else names
        article = np.asarray(names.indices).astype(np.int32)
        if not pa.types.is_integer(table["position"].type):
            raise ValueError("position is no column of integers")
        position = np.asarray(table["position"].cast(pa.int32()))
        texts = tuple(table["text"].to_pylist()) if not table["text"].null_count else ()
        article_ids = tuple(names.dictionary.to_pylist())
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise InputError(f"{path}: {error}; write the folder again") from error
    if texts and len(texts) != len(vectors):
        raise InputError(f"{path}: {len(texts)} rows for {len(vectors)} vectors; write it again")
    check_rows(vectors, article, position, article_ids, str(folder))
    return Chunks(vectors, article, position, article_ids, about.encoder, texts,
                  about.fingerprint, about.cuts)  # fmt: skip


def read_sequences(folder: str | os.PathLike[str]) -> SequenceSet:
    """Read the windows of a folder.

    Raises
    ------
    InputError
        There are none, a file is missing or damaged, or a row or window is unusable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    base, about = Path(folder), read_about(folder)
    path = base / _WINDOWS
    if about.context_length is None or not path.is_file():
        raise InputError(f"{folder}: chunks without windows; run `eisv-lumen lvm sequences` first")
    chunks = read_chunks(folder)
    try:
        starts = np.asarray(pq.read_table(path, columns=["start"])["start"]).astype(np.int64)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: {error}; write the folder again") from error
    found = SequenceSet(
        vectors=chunks.vectors,
        article=chunks.article,
        position=chunks.position,
        article_ids=chunks.article_ids,
        starts=starts,
        context_length=about.context_length,
        encoder=about.encoder,
        fingerprint=about.fingerprint,
        texts=chunks.texts,
        cuts=about.cuts,
    )
    _check_windows(found, str(folder))
    return found


def write_vectors(path: Path, vectors: NDArray[np.float32]) -> None:
    """Write one matrix as safetensors."""
    from safetensors.numpy import save_file

    save_file({"vectors": np.ascontiguousarray(vectors, np.float32)}, path)


def read_vectors(path: Path) -> NDArray[np.float32]:
    """Read the matrix that `write_vectors` wrote.

    Raises
    ------
    InputError
        The file is missing or damaged, or is no float32 matrix.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        vectors = load_file(path)["vectors"]
    except (OSError, KeyError, SafetensorError) as error:
        raise InputError(f"{path}: {error}; write the folder again") from error
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise InputError(f"{path}: {vectors.dtype} {vectors.shape}, not float32 (M, D)")
    return np.asarray(vectors)


def _about(made: Chunks | SequenceSet) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "encoder": made.encoder,
        "fingerprint": made.fingerprint,
        "cuts": [[corpus, asdict(cut)] for corpus, cut in made.cuts],
    }


def _write_rows(chunks: Chunks, folder: Path, name: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_rows(chunks.vectors, chunks.article, chunks.position, chunks.article_ids, name)
    if chunks.texts and len(chunks.texts) != len(chunks):
        raise InputError(f"{name}: {len(chunks.texts)} texts for {len(chunks)} vectors")
    article = pa.DictionaryArray.from_arrays(
        pa.array(chunks.article, pa.int32()), pa.array(list(chunks.article_ids), pa.string())
    )
    texts = chunks.texts or [None] * len(chunks)
    table = pa.table(
        {
            "article": article,
            "position": pa.array(chunks.position, pa.int32()),
            "text": pa.array(texts, pa.string()),
        }
    )
    pq.write_table(table, folder / _CHUNKS, compression="zstd")
    write_vectors(folder / _VECTORS, chunks.vectors)


def _check_windows(s: SequenceSet, name: str) -> None:
    """Check that every window lies in one article and on consecutive positions."""
    k = s.context_length
    if k < 1:
        raise InputError(f"{name}: context length {k}; a context needs at least one chunk")
    if len(np.unique(s.starts)) != len(s.starts):
        raise InputError(f"{name}: a window stands twice; lay the windows again")
    outside = (s.starts < 0) | (s.starts + k >= len(s.vectors))
    safe = np.where(outside, 0, s.starts)
    end = np.where(outside, 0, s.starts + k)
    broken = (
        outside | (s.article[safe] != s.article[end]) | (s.position[end] - s.position[safe] != k)
    )
    if broken.any():
        i = int(np.argmax(broken))
        raise InputError(
            f"{name}, window {i} (row {s.starts[i]}): leaves its article or skips a chunk; lay "
            "the windows again with `eisv-lumen lvm sequences`"
        )


def check_place(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder that holds other files than ours, or cannot be made."""
    target = Path(folder)
    check_folder_place(target)
    if target.exists() and not (target / _ABOUT).is_file() and any(target.iterdir()):
        raise InputError(f"{target}: holds other files; choose an empty or a new folder")


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target`; on success it takes its place.

    Raises
    ------
    InputError
        `target` holds something that is not ours, or the disk is full.
    """
    check_place(target)
    with plain_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            new, old = aside / "new", aside / "old"
            new.mkdir()
            yield new
            if target.exists():
                target.rename(old)
            new.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
