"""Embedded chunks: the vectors of a corpus in reading order, with their texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .chunking import Cut
from .sequences import CONTEXT_LENGTH, SequenceSet

__all__ = ["Chunks", "check_rows", "unit_rows", "window_starts", "windows_of"]

_UNIT = 1e-3
"""How far a stored norm may lie from 1: float16 sources round to about 5e-4."""


@dataclass(frozen=True)
class Chunks:
    """The chunks of some articles, before windows are laid over them.

    Attributes
    ----------
    vectors, article, position, article_ids, encoder, texts, fingerprint, cuts
        As in `SequenceSet`.
    """

    vectors: NDArray[np.float32]
    article: NDArray[np.int32]
    position: NDArray[np.int32]
    article_ids: tuple[str, ...]
    encoder: str = ""
    texts: tuple[str, ...] = ()
    fingerprint: str = ""
    cuts: tuple[tuple[str, Cut], ...] = ()

    def __len__(self) -> int:
        """Return the number of chunks, M."""
        return len(self.vectors)


def windows_of(chunks: Chunks, context_length: int = CONTEXT_LENGTH) -> SequenceSet:
    """Lay every possible window over the chunks; none crosses an article or a gap in positions.

    Raises
    ------
    InputError
        The context is shorter than 1.
    """
    return SequenceSet(
        vectors=chunks.vectors,
        article=chunks.article,
        position=chunks.position,
        article_ids=chunks.article_ids,
        starts=window_starts(chunks.article, chunks.position, context_length),
        context_length=context_length,
        encoder=chunks.encoder,
        fingerprint=chunks.fingerprint,
        texts=chunks.texts,
        cuts=chunks.cuts,
    )


def window_starts(
    article: NDArray[np.int32], position: NDArray[np.int32], context_length: int
) -> NDArray[np.int64]:
    """Return the rows at which ``context_length + 1`` consecutive chunks of one article begin.

    Parameters
    ----------
    article, position : ndarray, shape (M,)
        In the order that `check_rows` demands.
    context_length
        K, at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> window_starts(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 1]), 1)
    array([0, 1, 3])
    """
    if context_length < 1:
        raise InputError(f"context length {context_length}: a context needs at least one chunk")
    k = context_length
    whole = (article[k:] == article[:-k]) & (position[k:] - position[:-k] == k)
    return np.flatnonzero(whole).astype(np.int64)


def unit_rows(vectors: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    """Scale every row to length 1.

    Raises
    ------
    InputError
        It is no matrix, or a row is not finite or is zero; the message names the row.
    """
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise InputError(f"{name}: shape {vectors.shape}; a matrix of one vector a row is needed")
    if vectors.dtype.itemsize > 8:
        vectors = vectors.astype(np.float64)
    # By the largest component first: the square of 1e200 is no number, that of 1e-200 is zero.
    largest = np.abs(vectors).max(axis=1, initial=0).astype(np.float64)
    if (bad := np.flatnonzero(~np.isfinite(largest) | (largest == 0))).size:
        raise InputError(f"{name}, row {bad[0]}: {_fault(largest[bad[0]])}; {_MEND}")
    extreme = (largest > 1e15) | (largest < 1e-15)
    if extreme.any():
        vectors = np.where(extreme[:, None], vectors / largest[:, None], vectors)
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return np.asarray(vectors / norms[:, None], dtype=np.float32)


def check_rows(
    vectors: NDArray[np.floating],
    article: NDArray[np.integer],
    position: NDArray[np.integer],
    article_ids: tuple[str, ...],
    name: str,
) -> None:
    """Check what every later step takes for granted about rows.

    Parameters
    ----------
    vectors, article, position, article_ids
        As in `SequenceSet`.
    name
        What the rows come from, for the message.

    Raises
    ------
    InputError
        Lengths differ; a vector is not finite or not of length 1; articles lie apart or share a
        name; positions repeat or fall. The message names article and position.
    """
    m = len(vectors)
    if vectors.ndim != 2 or article.shape != (m,) or position.shape != (m,):
        raise InputError(
            f"{name}: vectors {vectors.shape}, article {article.shape}, position "
            f"{position.shape}; they must be (M, D), (M,) and (M,)"
        )
    if len(set(article_ids)) != len(article_ids):
        twice = next(a for i, a in enumerate(article_ids) if a in article_ids[:i])
        raise InputError(f"{name}, article {twice!r}: named twice; give each article its own name")
    if m and not 0 <= int(article.min()) <= int(article.max()) < len(article_ids):
        raise InputError(f"{name}: an article's index is outside the {len(article_ids)} names")

    def at(row: int) -> str:
        return f"{name}, article {article_ids[article[row]]!r}, position {position[row]}"

    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    if (bad := np.flatnonzero(~(np.abs(norms - 1) < _UNIT))).size:
        raise InputError(f"{at(bad[0])}: {_fault(norms[bad[0]])}; {_MEND}")
    if (bad := np.flatnonzero(np.diff(article) < 0)).size:
        raise InputError(f"{at(bad[0] + 1)}: its article's rows lie apart; sort rows by article")
    same = np.diff(article) == 0
    if (bad := np.flatnonzero(same & (np.diff(position) <= 0))).size:
        row = bad[0] + 1
        fault = "stands twice" if position[row] == position[row - 1] else "is out of order"
        raise InputError(f"{at(row)}: {fault}; each chunk needs its own place, in reading order")


_MEND = "drop that chunk, or embed it again"


def _fault(norm: float) -> str:
    if not np.isfinite(norm):
        return "the vector is not finite"
    return "the vector is zero" if norm == 0 else f"the vector has length {norm:.4f}, not 1"
