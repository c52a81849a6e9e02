"""The study's `.npz` files: windows with repeated vectors, read as rows that are stored once."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from typing import Any, Final

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
_SAME: Final = 1e-4
"""How far two copies of one chunk's unit vector may differ."""
_FREE: Final = 64 << 20
_UNFOLDS: Final = 20
"""A file may unfold to so many bytes, or to so many times its size: repeated vectors fold well, but
two megabytes do not become two gigabytes."""
_MOST_PLACES: Final = 2**31 - 1


def read_npz(path: str | os.PathLike[str], *, encoder: str = "") -> SequenceSet:
    """Read windows of the study; nothing is unpickled.

    Parameters
    ----------
    path
        Holds ``contexts`` or ``context_sequences`` (N, K, D), ``targets`` or ``target_vectors``
        (N, D), ``article_ids`` (N integers or strings) and ``target_indices`` (N), each target's
        own place in its article. The study's own files hold the last two as pickled ``metadata``;
        the message says how they are saved as arrays.
    encoder
        Name of the encoder, which these files do not hold.

    Returns
    -------
    SequenceSet
        Windows sorted by article and place; vectors scaled to length 1.

    Raises
    ------
    InputError
        An array is missing, is pickled, has a wrong shape or an unusable row; the file unfolds to
        far more than its size; two windows hold different vectors for one chunk; or a window
        stands twice. The message names it.
    """
    try:
        with np.load(path, allow_pickle=False) as npz:
            if not isinstance(npz, np.lib.npyio.NpzFile):
                raise InputError(f"{path}: not an .npz file")
            wanted = _wanted(npz.files, path)
            assert npz.zip is not None
            _check_sizes(npz.zip, wanted, path)
            contexts, targets, names, places = (_array(npz, name, path) for name in wanted)
    except InputError:
        raise
    except Exception as error:  # NumPy parses a header as Python's text: anything can come of it
        if "allow_pickle" in str(error):
            raise InputError(f"{path}: an array is pickled; save it as numbers") from error
        raise InputError(f"{path}: not an .npz file ({error})") from error
    _check_shapes(contexts, targets, names, places, path)
    return _rows_once(contexts, targets, _named(names, path), places, str(path), encoder)


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
    if (bad := np.flatnonzero((places < 0) | (places > _MOST_PLACES))).size:
        raise InputError(
            f"{path}, {_PLACES}, row {bad[0]}: {places[bad[0]]}; a place in an article is needed, "
            "counted chunk by chunk"
        )


def _wanted(there: Iterable[str], path: str | os.PathLike[str]) -> list[str]:
    """Return the names of contexts, targets, articles and places, before anything is read."""
    found = list(there)
    if _METADATA in found and not {_ARTICLES, _PLACES} <= set(found):
        raise InputError(
            f"{path}, {_METADATA}: is pickled, and reading a pickle can run code. Where you trust "
            "the file, save it again as arrays: z = np.load(FILE, allow_pickle=True); m = "
            f"z['{_METADATA}']; np.savez(NEW, contexts=z['{_CONTEXTS[0]}'], "
            f"targets=z['{_TARGETS[0]}'], {_ARTICLES}=[int(r['article_index']) for r in m], "
            f"{_PLACES}=[int(r['target_chunk_index']) for r in m])"
        )
    wanted: list[str] = []
    for names in (_CONTEXTS, _TARGETS, (_ARTICLES,), (_PLACES,)):
        if not (mine := [name for name in names if name in found]):
            raise InputError(f"{path}: no array {' or '.join(names)}; it has {', '.join(found)}")
        wanted.append(mine[0])
    return wanted


def _check_sizes(held: zipfile.ZipFile, names: Iterable[str], path: Any) -> None:
    """Refuse, by headers alone, arrays that unfold to far more bytes than the file has."""
    for name in names:
        member = held.getinfo(f"{name}.npy")
        with held.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(stream)
        size = dtype.itemsize
        for n in shape:
            size *= int(n)
        if max(size, member.file_size) > max(_FREE, _UNFOLDS * member.compress_size):
            raise InputError(
                f"{path}, {name}: {member.compress_size:,} bytes that unfold to "
                f"{max(size, member.file_size):,}; save it again with np.savez"
            )


def _named(names: NDArray[Any], path: Any) -> NDArray[Any]:
    """Return names of articles as integers or text; what is neither is refused."""
    if names.dtype.kind == "S":
        try:
            return np.char.decode(names, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}, {_ARTICLES}: not UTF-8; save them as strings") from error
    if names.dtype.kind not in "iuU":
        raise InputError(f"{path}, {_ARTICLES}: {names.dtype}; save them as integers or strings")
    return names


def _array(npz: Any, name: str, path: str | os.PathLike[str]) -> NDArray[Any]:
    found = npz[name]  # the bare bytes, where they do not begin as an array does
    if not isinstance(found, np.ndarray) or found.ndim == 0:
        raise InputError(f"{path}, {name}: no array of windows")
    return found
