"""Windows of chunk vectors, article by article: what every test here reads.

NumPy alone: the published metric is made of this folder's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = [
    "Article",
    "articles_of_examples",
    "articles_of_rows",
    "candidates",
    "codes_of",
    "first_equal",
    "unit",
]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_SAME = 1e-5  # two copies of one chunk may differ by this much in a coordinate


@dataclass(frozen=True)
class Article:
    """One article and the windows over it.

    Attributes
    ----------
    chunks : (m, D) float32
        Unit vectors in reading order.
    position : (m,) int64
        Each chunk's place in the article; strictly increasing.
    starts : (n,) int64
        Row in `chunks` of each window's first context chunk.
    windows : (n,) int64
        Place of each window in the set that the article is part of.
    context_length : int
        K.
    ahead : int
        Chunks between context and target: 0, or 1 for models of the chunk after next.
    whole : int or None
        What the article is a part of, as the long book is that was cut into several articles; None
        where it stands by itself.
    """

    chunks: Floats
    position: Ints
    starts: Ints
    windows: Ints
    context_length: int
    ahead: int = 0
    whole: int | None = None

    @property
    def context_rows(self) -> Ints:
        """(n, K) rows of the contexts, oldest first."""
        return self.starts[:, None] + np.arange(self.context_length)

    @property
    def target_rows(self) -> Ints:
        """(n,) rows of the targets."""
        return self.starts + self.context_length + self.ahead

    @cached_property
    def equal(self) -> Ints:
        """(m,) the first row that equals each (`first_equal`)."""
        return first_equal(self.chunks)

    @cached_property
    def candidates(self) -> npt.NDArray[np.bool_]:
        """(n, m) which chunks a window's next one is looked for among (`candidates`)."""
        return candidates(self.equal, self.context_rows, self.target_rows)

    def rows_at(self, offset: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Rows `offset` places after the target, and where there is one.

        Returns
        -------
        rows : (n,)
            0 where there is none.
        present : (n,)
            False where the article ends before, or a chunk in between is not held.
        """
        rows = self.target_rows + offset
        inside = (rows >= 0) & (rows < len(self.chunks))
        rows = np.where(inside, rows, 0)
        present = inside & (self.position[rows] == self.position[self.target_rows] + offset)
        return np.where(present, rows, 0), present


def unit(vectors: npt.ArrayLike) -> Floats:
    """Scale vectors along the last axis to length 1; a zero vector stays zero."""
    x = np.asarray(vectors, np.float32)
    length = np.sqrt(np.einsum("...d,...d->...", x, x))[..., None]
    return np.asarray(x / np.where(length > 0, length, 1), np.float32)


def first_equal(vectors: Floats) -> Ints:
    """Return for each row the first row that equals it, shape (m,)."""
    rows = np.ascontiguousarray(vectors + np.float32(0))  # −0 is 0
    whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, back = np.unique(whole, return_index=True, return_inverse=True)
    return np.asarray(first[back], np.int64)


def candidates(equal: Ints, context_rows: Ints, target_rows: Ints) -> npt.NDArray[np.bool_]:
    """Return what can be the next chunk: all but the context, and of equal chunks one alone.

    Nobody can tell copies of one text apart, so that they are one answer: the target stands for
    its copies, and elsewhere the first that is not in the context.

    Parameters
    ----------
    equal : (m,)
        By `first_equal`.
    context_rows : (n, K)
    target_rows : (n,)

    Returns
    -------
    ndarray of bool, shape (n, m)
    """
    out = np.ones((len(context_rows), len(equal)), bool)
    np.put_along_axis(out, context_rows, False, axis=1)
    kinds, counts = np.unique(equal, return_counts=True)
    each = np.arange(len(out))
    for kind in kinds[counts > 1]:
        rows = np.flatnonzero(equal == kind)
        there = out[:, rows]
        mine = rows == target_rows[:, None]
        stands = np.where(mine.any(axis=1), mine.argmax(axis=1), there.argmax(axis=1))
        one = np.zeros_like(there)
        one[each, stands] = there[each, stands]
        out[:, rows] = one
    return out


def codes_of(articles: Iterable[Article]) -> Ints:
    """Return for each window of the set which of the articles it is of, shape (N,).

    Parts of a whole are one: they are no independent draws.
    """
    held = list(articles)
    codes = np.empty(sum(a.windows.size for a in held), np.int64)
    for code, article in enumerate(held):
        codes[article.windows] = code if article.whole is None else article.whole
    return codes


def articles_of_rows(
    vectors: Floats,
    article: npt.NDArray[np.integer],
    position: npt.NDArray[np.integer],
    starts: npt.NDArray[np.integer],
    context_length: int,
    ahead: int = 0,
    wholes: npt.NDArray[np.integer] | None = None,
) -> tuple[Article, ...]:
    """Cut a set of windows over one array of chunks into its articles.

    Parameters
    ----------
    vectors : (M, D)
        All chunks, article after article.
    article, position : (M,)
        Each chunk's article, never decreasing, and its place there.
    starts : (N,)
        Row of each window's first context chunk, in any order.
    context_length, ahead : int
        As in `Article`.
    wholes : (A,), optional
        What each article is a part of, by the numbers in `article`.

    Returns
    -------
    tuple of Article
        Those that hold a window. Windows whose target is not there are left out, and the others
        counted anew.
    """
    target = np.minimum(starts + context_length + ahead, len(article) - 1)
    span = context_length + ahead
    whole = (article[target] == article[starts]) & (position[target] == position[starts] + span)
    starts = starts[whole]
    edges = np.flatnonzero(np.diff(article)) + 1
    firsts, lasts = np.r_[0, edges], np.r_[edges, len(article)]
    of = np.searchsorted(edges, starts, side="right")
    order = np.argsort(of, kind="stable")
    found, begins = np.unique(of[order], return_index=True)
    return tuple(
        Article(
            vectors[firsts[code] : lasts[code]],
            position[firsts[code] : lasts[code]].astype(np.int64),
            starts[windows].astype(np.int64) - firsts[code],
            windows,
            context_length,
            ahead,
            None if wholes is None else int(wholes[article[firsts[code]]]),
        )
        for code, windows in zip(found, np.split(order, begins[1:]), strict=True)
    )


def articles_of_examples(
    contexts: npt.ArrayLike,
    targets: npt.ArrayLike,
    articles: Sequence[object],
    positions: npt.ArrayLike,
) -> tuple[Article, ...]:
    """Put articles together again from loose examples.

    Parameters
    ----------
    contexts : (N, K, D)
        Context vectors, oldest first.
    targets : (N, D)
        The chunk after each context.
    articles : N names
        The article of each example.
    positions : (N,)
        The target's own place in its article; the context stands in the K places before it.

    Returns
    -------
    tuple of Article
        With every chunk that some example shows, as unit vectors.

    Raises
    ------
    ValueError
        Shapes do not fit, a vector is zero or not finite, or two examples show different chunks
        at one place of an article. The message names the example or the article and place.
    """
    c, y = np.asarray(contexts, np.float32), np.asarray(targets, np.float32)
    p = np.asarray(positions, np.int64)
    if c.ndim != 3 or y.shape != (len(c), c.shape[2]) or len(articles) != len(c) != 0:
        raise ValueError(
            f"contexts {c.shape}, targets {y.shape}, {len(articles)} articles: they must be "
            "(N, K, D), (N, D) and N, and N at least 1"
        )
    if p.shape != (len(c),):
        raise ValueError(f"positions {p.shape}: give one place for each of {len(c)} examples")
    n, k, d = c.shape
    shown = np.concatenate([c, y[:, None]], axis=1)
    length = np.linalg.norm(shown, axis=-1)
    bad = ~np.isfinite(length) | (length == 0)
    if bad.any():
        i, j = np.argwhere(bad)[0]
        what = "target" if j == k else f"context chunk {j}"
        raise ValueError(f"example {i}, {what}: zero or not finite; drop or mend that vector")
    shown = (shown / length[..., None]).reshape(-1, d)
    names, code = np.unique(np.asarray([str(a) for a in articles]), return_inverse=True)
    place = (p[:, None] + np.arange(-k, 1)).ravel()
    low = int(place.min())
    width = int(place.max()) - low + 1
    key = np.repeat(code.astype(np.int64), k + 1) * width + place - low
    keys, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    vectors = shown[first]
    differs = np.abs(shown - vectors[inverse]).max(axis=1) > _SAME
    if differs.any():
        at = int(key[np.argmax(differs)])
        raise ValueError(
            f"article {names[at // width]}, place {at % width + low}: two examples show different "
            "chunks there; `positions` is the target's own place, counted chunk by chunk"
        )
    starts = inverse.reshape(n, k + 1)[:, 0]
    return articles_of_rows(vectors, keys // width, keys % width + low, starts, k)
