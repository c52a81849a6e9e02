"""The study's `.npz` files: windows with repeated vectors, read as rows that are stored once."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .chunks import check_rows, unit_rows
from .sequences import SequenceSet

__all__ = ["read_npz"]

_CONTEXTS: Final = ("context_sequences", "contexts")
_TARGETS: Final = ("target_vectors", "targets")
_ARTICLES: Final = "article_ids"
_PLACES: Final = "target_indices"
_METADATA: Final = "metadata"
_ADMITTED: Final = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
} | {("numpy", "ndarray"), ("numpy", "dtype")}
"""Beside dict, list, str, bytes and numbers, which need no name: all that may be rebuilt."""
_SAME: Final = 1e-4
"""How far two copies of one chunk's unit vector may differ."""


def read_npz(
    path: str | os.PathLike[str], *, convert_pickle: bool = False, encoder: str = ""
) -> SequenceSet:
    """Read windows of the study.

    Parameters
    ----------
    path
        Holds ``context_sequences`` (N, K, D), ``target_vectors`` (N, D) and ``metadata`` (N dicts
        with `article_index` and `target_chunk_index`, the target's own); or the names ``contexts``,
        ``targets``, ``article_ids`` (N) and ``target_indices`` (N).
    convert_pickle
        Read ``metadata`` although it is a pickle: by an unpickler that rebuilds arrays, dicts,
        strings and numbers and refuses every other name. Write the result with `write_sequences`,
        and never again is a pickle read.
    encoder
        Name of the encoder, which these files do not hold.

    Returns
    -------
    SequenceSet
        Windows sorted by article and place; vectors scaled to length 1.

    Raises
    ------
    InputError
        An array is missing, is pickled, has a wrong shape or an unusable row; two windows hold
        different vectors for one chunk; or a window stands twice. The message names it.
    """
    try:
        with np.load(path, allow_pickle=False) as npz:
            contexts = _first_of(npz, _CONTEXTS, path)
            targets = _first_of(npz, _TARGETS, path)
            if _ARTICLES in npz.files and _PLACES in npz.files:
                names, places = (_array(npz, name, path) for name in (_ARTICLES, _PLACES))
            elif _METADATA in npz.files:
                names, places = _from_metadata(_metadata(npz, path, convert_pickle), path)
            else:
                raise InputError(f"{path}: neither {_METADATA} nor {_ARTICLES} and {_PLACES}")
    except InputError:
        raise
    except Exception as error:  # NumPy parses a header as Python's text: anything can come of it
        if "allow_pickle" in str(error):
            raise InputError(
                f"{path}: an array other than {_METADATA} is pickled; save it as numbers"
            ) from error
        raise InputError(f"{path}: not an .npz file ({error})") from error
    _check_shapes(contexts, targets, names, places, path)
    return _rows_once(contexts, targets, names, places, str(path), encoder)


def _rows_once(
    contexts: NDArray[np.floating],
    targets: NDArray[np.floating],
    names: NDArray[Any],
    places: NDArray[np.integer],
    path: str,
    encoder: str,
) -> SequenceSet:
    """Lay the windows' chunks out once each, article after article."""
    n, k, dim = contexts.shape
    ids, article = np.unique(names, return_inverse=True)
    first_place = places.astype(np.int64) - k
    if (bad := np.flatnonzero(first_place < 0)).size:
        raise InputError(
            f"{path}, row {bad[0]}, article {names[bad[0]]!s}: target index {places[bad[0]]} "
            f"leaves no room for {k} chunks before it; it must be the target's own"
        )
    span = int(first_place.max()) + k + 1
    start_key = article.astype(np.int64) * span + first_place
    if len(twice := np.unique(start_key)) < n:
        counts = np.unique(start_key, return_counts=True)[1]
        row = int(np.flatnonzero(start_key == twice[np.argmax(counts > 1)])[1])
        raise InputError(
            f"{path}, row {row}, article {names[row]!s}: a second window with target index "
            f"{places[row]}; drop one"
        )
    vectors = np.concatenate([contexts, targets[:, None]], 1).reshape(n * (k + 1), dim)
    vectors = unit_rows(vectors, f"{path} (rows of {k + 1} a window)")
    keys = (start_key[:, None] + np.arange(k + 1)).ravel()
    chunk, source, back = np.unique(keys, return_index=True, return_inverse=True)
    for first in range(0, len(keys), 65_536):  # the copies of a chunk must agree
        part = slice(first, first + 65_536)
        apart = np.abs(vectors[part] - vectors[source[back[part]]]).max(1) > _SAME
        if apart.any():
            row = (first + int(np.argmax(apart))) // (k + 1)
            other = int(source[back[first + int(np.argmax(apart))]]) // (k + 1)
            raise InputError(
                f"{path}, rows {other} and {row}, article {names[row]!s}: different vectors for "
                "one chunk; the target indices are not the targets' own, or vectors were mixed"
            )
    found = SequenceSet(
        vectors=vectors[source],
        article=(chunk // span).astype(np.int32),
        position=(chunk % span).astype(np.int32),
        article_ids=tuple(str(i) for i in ids),
        starts=np.sort(np.searchsorted(chunk, start_key)).astype(np.int64),
        context_length=k,
        encoder=encoder,
    )
    check_rows(found.vectors, found.article, found.position, found.article_ids, path)
    return found


def _check_shapes(
    contexts: NDArray[Any], targets: NDArray[Any], names: NDArray[Any], places: NDArray[Any],
    path: str | os.PathLike[str],
) -> None:  # fmt: skip
    n = len(contexts)
    if contexts.ndim != 3 or targets.shape != (n, contexts.shape[2]):
        raise InputError(
            f"{path}: contexts {contexts.shape} and targets {targets.shape}; they must be "
            "(N, K, D) and (N, D)"
        )
    if n == 0 or names.shape != (n,) or places.shape != (n,):
        raise InputError(
            f"{path}: {n} windows, articles {names.shape}, target indices {places.shape}; "
            "one of each is needed a window"
        )
    for name, array in (("contexts", contexts), ("targets", targets)):
        if array.dtype.kind != "f":
            raise InputError(f"{path}, {name}: {array.dtype}, not floating point")
    if places.dtype.kind not in "iu":
        raise InputError(f"{path}, {_PLACES}: {places.dtype}, not integers")


def _first_of(npz: Any, names: Iterable[str], path: str | os.PathLike[str]) -> NDArray[Any]:
    for name in names:
        if name in npz.files:
            return _array(npz, name, path)
    raise InputError(f"{path}: no array {' or '.join(names)}; it has {', '.join(npz.files)}")


def _array(npz: Any, name: str, path: str | os.PathLike[str]) -> NDArray[Any]:
    found = npz[name]  # the bare bytes, where they do not begin as an array does
    if not isinstance(found, np.ndarray) or found.ndim == 0:
        raise InputError(f"{path}, {name}: no array of windows")
    return found


def _metadata(npz: Any, path: str | os.PathLike[str], convert: bool) -> list[Any]:
    with npz.zip.open(f"{_METADATA}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        if not read_header(stream)[2].hasobject:
            raise InputError(f"{path}, {_METADATA}: not an array of dicts")
        if not convert:
            raise InputError(
                f"{path}, {_METADATA}: is pickled, and a pickle can run code; convert it once with "
                "`eisv-lumen lvm sequences FILE --allow-pickle-once`, which admits plain values "
                f"alone, or save {_ARTICLES} and {_PLACES} as arrays"
            )
        try:
            found = _PlainValues(stream).load()
            return list(np.asarray(found, dtype=object).ravel())
        except InputError as error:
            raise InputError(f"{path}, {_METADATA}: {error}") from error
        except Exception as error:  # a hostile stream can raise anything
            raise InputError(f"{path}, {_METADATA}: damaged ({error})") from error


class _PlainValues(pickle.Unpickler):
    """Rebuilds arrays and plain values; any other name ends the reading before it is looked up."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise InputError(f"the pickle asks for {module}.{name}: only plain values are read")
        return super().find_class(module, name)


def _from_metadata(
    rows: list[Any], path: str | os.PathLike[str]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    fields = ("article_index", "target_chunk_index")
    for i, row in enumerate(rows):
        for field in fields:
            value = row.get(field) if isinstance(row, dict) else None
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
                raise InputError(f"{path}, {_METADATA}, row {i}, {field}: no integer")
    names, places = (np.array([int(row[f]) for row in rows], np.int64) for f in fields)
    return names, places
