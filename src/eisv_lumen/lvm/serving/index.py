"""An index of embedded chunks: who is nearest to a vector, exactly or through FAISS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..alignment.articles import Floats, Ints, first_equal, unit
from ..data.chunks import Chunks
from ..data.identity import check_same_encoder
from ..data.sequences import SequenceSet

__all__ = ["ChunkIndex"]

_SAME_VECTOR: Final = 0.999
"""Cosine of a chunk's vectors in two folders, at least; less is another text in its place."""
_BLOCK: Final = 512  # queries whose cosines with all chunks are held at once
_NEIGHBOURS: Final = 32  # links of a chunk in FAISS's graph
_EFFORT: Final = 128  # breadth of the search in it


@dataclass(frozen=True)
class ChunkIndex:
    """Chunks with unit vectors, searched by cosine; equal ones are one, and found by the first.

    Attributes
    ----------
    chunks
        What is searched; the encoder's name stands in it.
    graph
        FAISS's HNSW graph over the distinct vectors: fast, and now and then it misses a neighbour.
        None: exact matrix products.
    """

    chunks: Chunks
    graph: Any = None

    @cached_property
    def equal(self) -> Ints:
        """(M,) the first row that equals each."""
        return first_equal(self.chunks.vectors)

    @cached_property
    def distinct(self) -> Ints:
        """Rows that equal none before them, in order."""
        return np.flatnonzero(self.equal == np.arange(len(self.chunks)))

    @classmethod
    def of(cls, chunks: Chunks, *, approximate: bool = False) -> ChunkIndex:
        """Build an index.

        Raises
        ------
        InputError
            There are no chunks, or FAISS is asked for and not installed.
        """
        if not len(chunks):
            raise InputError("no chunks to index; embed some text first")
        found = cls(chunks)
        if not approximate:
            return found
        try:
            import faiss
        except ImportError as error:
            raise InputError(f"{error}; install it with: pip install 'eisv-lumen[lvm]'") from error
        faiss.omp_set_num_threads(1)  # the same graph each time
        graph = faiss.IndexHNSWFlat(
            chunks.vectors.shape[1], _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT
        )
        graph.hnsw.efConstruction = graph.hnsw.efSearch = _EFFORT
        # A graph of copies is a knot that a search does not come out of.
        graph.add(chunks.vectors[found.distinct])
        return cls(chunks, graph)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, approximate: bool = False) -> ChunkIndex:
        """Read the folder of `lvm embed` or `lvm sequences` and index its chunks."""
        from ..data.storage import read_chunks

        return cls.of(read_chunks(folder), approximate=approximate)

    def nearest(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """Find the k distinct chunks of the highest cosine.

        Parameters
        ----------
        queries : (n, D)
            Of any length but zero; cosines are taken.
        k : int
            At most as many as there are distinct chunks.

        Returns
        -------
        cosines, rows : (n, k)
            The highest first; of equal ones the earlier row. FAISS may find fewer: their rows
            are −1.
        """
        k = min(k, len(self.distinct))
        q = np.ascontiguousarray(unit(queries))
        if self.graph is not None:
            self.graph.hnsw.efSearch = max(_EFFORT, k)
            cosines, found = self.graph.search(q, k)
            return cosines, np.where(found < 0, -1, self.distinct[found])
        vectors = self.chunks.vectors
        if len(self.distinct) < len(vectors):
            vectors = vectors[self.distinct]
        parts = [q[i : i + _BLOCK] @ vectors.T for i in range(0, len(q), _BLOCK)]
        best = [top(part, k) for part in parts]
        return np.concatenate(
            [np.take_along_axis(p, r, axis=1) for p, r in zip(parts, best, strict=True)]
        ), self.distinct[np.concatenate(best)]

    def rows_of(self, sequences: SequenceSet) -> NDArray[np.int64]:
        """Find the index's row of each row of a set, by article and position.

        Raises
        ------
        InputError
            The set has another encoder, or a chunk that the index lacks or holds otherwise.
        """
        check_same_encoder("the sequences", sequences, "the index", self.chunks)
        mine = self.chunks
        known = {name: i for i, name in enumerate(mine.article_ids)}
        article = np.array([known.get(name, -1) for name in sequences.article_ids])
        span = int(max(mine.position.max(), sequences.position.max())) + 1
        keys = mine.article.astype(np.int64) * span + mine.position
        order = np.argsort(keys)
        wanted = article[sequences.article] * span + sequences.position
        at = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
        rows = order[at]
        missing = (keys[rows] != wanted) | (article[sequences.article] < 0)
        if missing.any():
            i = int(np.argmax(missing))
            raise InputError(
                f"article {sequences.article_ids[sequences.article[i]]!r}, position "
                f"{sequences.position[i]}: not in the index; index the folder that the sequences "
                "were made of"
            )
        alike = np.einsum("md,md->m", mine.vectors[rows], sequences.vectors) > _SAME_VECTOR
        if not alike.all():
            i = int(np.argmin(alike))
            raise InputError(
                f"article {sequences.article_ids[sequences.article[i]]!r}, position "
                f"{sequences.position[i]}: holds another text in the index ({(~alike).sum()} of "
                f"{len(rows)} do): it was cut otherwise; index the folder that the sequences were "
                "made of"
            )
        return rows.astype(np.int64)


def top(scores: Floats, k: int) -> Ints:
    """Return the columns of the k highest scores of each row, the highest first, ties in order."""
    n = scores.shape[1]
    if k < n:
        kth = np.partition(scores, n - k, axis=1)[:, n - k, None]
        # Ties at the edge: keep the earlier ones, as a stable sort of everything would.
        above = (scores > kth).sum(axis=1, keepdims=True)
        at = scores == kth
        keep = (scores > kth) | (at & (np.cumsum(at, axis=1) <= k - above))
        columns = np.nonzero(keep)[1].reshape(len(scores), k)
    else:
        columns = np.tile(np.arange(n), (len(scores), 1))
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)
