"""Windows of consecutive chunk vectors, kept as rows of one array rather than as copies.

A window is K context rows and the target row after them, all of one article. Because the rows
of an article are stored in order, a vector at any offset from the target is a row as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chunking import Cut

CONTEXT_LENGTH = 5
"""K, the chunks that a model sees (`lvm.md` §1)."""


class Neighbours(NamedTuple):
    """Vectors at one offset from the targets, and which windows have one."""

    vectors: NDArray[np.float32]
    """(N, D); rows without a neighbour are zero."""
    present: NDArray[np.bool_]
    """(N,); False where the article ends before the offset, or a chunk in between is not held."""


@dataclass(frozen=True)
class SequenceSet:
    """Windows over the chunk vectors of a set of articles.

    Attributes
    ----------
    vectors : (M, D) float32
        Unit vectors of all chunks, article after article, in reading order.
    article : (M,) int32
        Index of each row's article in `article_ids`; never decreases.
    position : (M,) int32
        The chunk's place in its article; strictly increasing inside an article.
    article_ids : tuple of str
        Names of the articles, unique.
    starts : (N,) int64
        Row of each window's first context chunk.
    context_length : int
        K; rows ``starts .. starts+K-1`` are the context, row ``starts+K`` is the target.
    encoder : str
        Name of the encoder that made the vectors.
    fingerprint : str
        Of that encoder (`identity.fingerprint_of`); empty where it is not known.
    texts : tuple of str
        What each row says (M), or nothing where only vectors are known.
    cuts : tuple of (str, Cut)
        How the articles of each corpus were cut, as far as it is known.
    """

    vectors: NDArray[np.float32]
    article: NDArray[np.int32]
    position: NDArray[np.int32]
    article_ids: tuple[str, ...]
    starts: NDArray[np.int64]
    context_length: int = CONTEXT_LENGTH
    encoder: str = ""
    fingerprint: str = ""
    texts: tuple[str, ...] = ()
    cuts: tuple[tuple[str, Cut], ...] = ()

    def __len__(self) -> int:
        """Return the number of windows, N."""
        return len(self.starts)

    @property
    def dim(self) -> int:
        """Width of a vector, D."""
        return int(self.vectors.shape[1])

    @property
    def context_rows(self) -> NDArray[np.int64]:
        """(N, K) rows of the contexts, oldest first."""
        return self.starts[:, None] + np.arange(self.context_length)

    @property
    def target_rows(self) -> NDArray[np.int64]:
        """(N,) rows of the targets."""
        return self.starts + self.context_length

    @property
    def window_article(self) -> NDArray[np.int32]:
        """(N,) index of each window's article."""
        return self.article[self.starts]

    def contexts(self) -> NDArray[np.float32]:
        """(N, K, D) context vectors, oldest first; a copy."""
        return self.vectors[self.context_rows]

    def targets(self) -> NDArray[np.float32]:
        """(N, D) target vectors; a copy."""
        return self.vectors[self.target_rows]

    def at_offset(self, offset: int) -> Neighbours:
        """Vectors `offset` places after the target: 0 is the target, -1 the last context chunk."""
        rows = self.target_rows + offset
        inside = (rows >= 0) & (rows < len(self.vectors))
        safe = np.where(inside, rows, 0)
        present = (
            inside
            & (self.article[safe] == self.window_article)
            & (self.position[safe] - self.position[self.target_rows] == offset)
        )
        return Neighbours(np.where(present[:, None], self.vectors[safe], np.float32(0)), present)
