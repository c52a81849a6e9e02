"""Contexts with something taken away: what a model that uses the order must notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from .articles import Article, Floats, Ints

__all__ = ["ABLATIONS", "ablate", "backward", "contexts_of", "leave_out", "shuffled"]

ABLATIONS: Final = ("shuffled", "reversed", "leave_one_out", "all_last", "first_for_last")


def shuffled(contexts: Floats, seed: int = 0) -> Floats:
    """Put each window's context into an order of its own, drawn from `seed`; shape (N, K, D)."""
    n, k, _ = contexts.shape
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(k), (n, 1)), axis=1)
    return np.take_along_axis(contexts, order[..., None], axis=1)


def leave_out(contexts: Floats, slot: int, *, restore: bool = False) -> Floats:
    """Drop one chunk of each context and pad at the end with the last chunk that is left.

    Parameters
    ----------
    contexts : (N, K, D)
        Oldest first.
    slot : int
        Which of the K to drop.
    restore : bool
        Pad with the original last chunk, as the study did: dropping the last one then gives back
        the very context.
    """
    left = np.delete(contexts, slot, axis=1)
    pad = contexts[:, -1:] if restore else left[:, -1:]
    return np.concatenate([left, pad], axis=1)


def ablate(
    contexts: npt.ArrayLike, seed: int = 0, *, restore: bool = False
) -> dict[str, list[Floats]]:
    """Return the contexts of each ablation, by the names in `ABLATIONS`.

    Parameters
    ----------
    contexts : (N, K, D)
        Oldest first.
    seed : int
        Of the shuffling.
    restore : bool
        As in `leave_out`.

    Returns
    -------
    dict of lists of (N, K, D)
        One array each; for ``leave_one_out`` K of them, one for each chunk left out.
    """
    c = np.asarray(contexts, np.float32)
    k = c.shape[1]
    return {
        "shuffled": [shuffled(c, seed)],
        "reversed": [np.ascontiguousarray(c[:, ::-1])],
        "leave_one_out": [leave_out(c, slot, restore=restore) for slot in range(k)],
        "all_last": [np.repeat(c[:, -1:], k, axis=1)],
        "first_for_last": [np.concatenate([c[:, :-1], c[:, :1]], axis=1)],
    }


def contexts_of(articles: Sequence[Article]) -> Floats:
    """Contexts of all windows of the set, (N, K, D), oldest first."""
    return _gather(articles, [a.context_rows for a in articles])


def backward(articles: Sequence[Article]) -> Floats:
    """Contexts from the other side, as far from each target: the K chunks after, nearest last.

    Returns
    -------
    ndarray, shape (N, K, D)
        Where the article ends before, the forward context stands in its place.
    """
    rows = []
    for a in articles:
        offsets = range(a.context_length + a.ahead, a.ahead, -1)
        after = [a.rows_at(offset) for offset in offsets]
        whole = np.logical_and.reduce([present for _, present in after])
        behind = np.stack([row for row, _ in after], axis=1)
        rows.append(np.where(whole[:, None], behind, a.context_rows))
    return _gather(articles, rows)


def _gather(articles: Sequence[Article], rows: Sequence[Ints]) -> Floats:
    n = sum(a.windows.size for a in articles)
    out = np.empty((n, articles[0].context_length, articles[0].chunks.shape[1]), np.float32)
    for a, row in zip(articles, rows, strict=True):
        out[a.windows] = a.chunks[row]
    return out
