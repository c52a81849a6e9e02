"""The causal alignment test as it was published: five tests, fixed thresholds (`lvm.md` §1).

Its definitions are kept, and three slips are mended: offsets counted from the wrong chunk, two
float paths of one similarity compared in the rank test, and a leave-one-out whose padding gives
the context back. `as_published` brings them back, to show what they do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .ablations import ABLATIONS
from .articles import Article, Floats, unit
from .identification import identify, reciprocal_rank

__all__ = ["OFFSETS", "ROLLOUT_STEPS", "Check", "PublishedTest", "offset_sweep", "published_tests"]

OFFSETS: Final = (-3, -2, -1, 0, 1, 2, 3)
ROLLOUT_STEPS: Final = 5
COHERENCE: Final = (0.45, 0.55)
"""Test E reads contexts of this mean adjacent cosine alone."""

_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "cos_next": (0.50, 0.48), "margin": (0.12, 0.10),
    "recall_1": (0.60, 0.55), "recall_5": (0.95, 0.92), "mrr": (0.80, 0.75),
    "shuffled": (-0.15, -0.15), "reversed": (-0.10, -0.10), "leave_one_out": (-0.08, -0.08),
    "all_last": (0.05, 0.05), "first_for_last": (0.05, 0.05),
    "rollout": (0.45, 0.42), "gap": (0.05, 0.05),
}  # fmt: skip
"""Threshold on the validation set, and on another corpus."""
_AT_MOST: Final = (*ABLATIONS, "gap")


@dataclass(frozen=True)
class Check:
    """One number against its published threshold."""

    name: str
    found: float
    bound: float
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether it is on the right side."""
        return self.found >= self.bound if self.at_least else self.found <= self.bound


@dataclass(frozen=True)
class PublishedTest:
    """One of the five tests on one set."""

    letter: str
    title: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every number passed."""
        return all(check.passed for check in self.checks)


def _test(letter: str, title: str, found: Mapping[str, float], ood: bool) -> PublishedTest:
    return PublishedTest(
        letter,
        title,
        tuple(
            Check(name, float(value), _BOUNDS[name][ood], name not in _AT_MOST)
            for name, value in found.items()
        ),
    )


def published_tests(
    articles: Sequence[Article],
    predictions: Floats,
    *,
    ablated: Mapping[str, Sequence[Floats]] | None = None,
    rollout: Floats | None = None,
    in_domain_cosine: float | None = None,
    ood: bool = False,
    as_published: bool = False,
) -> list[PublishedTest]:
    """Run those of the five tests whose answers are given.

    Parameters
    ----------
    articles
        N windows.
    predictions : (N, D)
        Predicted vectors, of any length.
    ablated
        Predictions on the contexts of `ablations.ablate`, by its names; for test C.
    rollout : (N, H, D), optional
        Predictions fed back as context, step by step; for test D. Step 1 is `predictions`.
    in_domain_cosine : float, optional
        `typical_cosine` of the validation set, for test E of another corpus; NaN leaves it out.
    ood : bool
        Whether this is another corpus: its thresholds are lower.
    as_published : bool
        Count offsets from the target instead of from the last context chunk, and compare two
        float paths in the ranks. (`ablate(restore=True)` makes the third slip.)
    """
    p = unit(predictions)
    sweep = offset_sweep(articles, p, as_published=as_published)
    margin = sweep[1] - max(value for offset, value in sweep.items() if offset != 1)
    tests = [
        _test("A", "offset sweep", {"cos_next": sweep[1], "margin": margin}, ood),
        _test("B", "rank within the article", _ranks(articles, p, as_published), ood),
    ]
    if ablated is not None:
        cosine = _cosine(articles, p)
        change = {
            name: float(np.mean([_cosine(articles, unit(one)) - cosine for one in ablated[name]]))
            for name in ABLATIONS
        }
        tests.append(_test("C", "change of cosine under ablation", change, ood))
    if rollout is not None:
        found = np.nanmean(rollout_cosines(articles, rollout, late=as_published))
        tests.append(_test("D", "rollout", {"rollout": float(found)}, ood))
    if in_domain_cosine is not None:
        gap = abs(in_domain_cosine - typical_cosine(articles, p))
        if np.isfinite(gap):
            tests.append(_test("E", "gap to the validation set", {"gap": gap}, ood))
    return tests


def offset_sweep(
    articles: Sequence[Article], predictions: Floats, *, as_published: bool = False
) -> dict[int, float]:
    """Return the mean cosine of predictions with the chunk at each of `OFFSETS`.

    Offset +1 is the target and 0 the last context chunk; `as_published`, 0 is the target and +1
    the chunk after it. Means are over the windows that have such a chunk; an offset that no window
    has is left out.
    """
    p, shift = unit(predictions), 0 if as_published else -1
    at = {offset: cosine_at(articles, p, offset + shift) for offset in OFFSETS}
    return {k: float(np.nanmean(cosine)) for k, cosine in at.items() if np.isfinite(cosine).any()}


def cosine_at(articles: Sequence[Article], p: Floats, offset: int) -> npt.NDArray[np.float64]:
    """Cosine of unit vectors with the chunk `offset` places after the target, NaN without one."""
    out = np.full(len(p), np.nan)
    for a in articles:
        rows, present = a.rows_at(offset)
        cosine = np.einsum("nd,nd->n", p[a.windows], a.chunks[rows])
        out[a.windows] = np.where(present, cosine, np.nan)
    return out


def rollout_cosines(
    articles: Sequence[Article], rollout: Floats, *, late: bool = False
) -> npt.NDArray[np.float64]:
    """Cosine of each step with its own chunk, (N, H): step h with target + (h − 1).

    `late`: with target + h, as published. NaN where the article has ended.
    """
    steps = unit(rollout)
    found = [cosine_at(articles, steps[:, h], h + late) for h in range(steps.shape[1])]
    return np.stack(found, axis=1)


def typical_cosine(articles: Sequence[Article], predictions: Floats) -> float:
    """Mean cosine with the target over the windows whose context has a coherence in `COHERENCE`.

    Coherence is the mean cosine of adjacent context chunks. NaN without such a window.
    """
    cosine = cosine_at(articles, unit(predictions), 0)
    typical = np.zeros(len(cosine), bool)
    for a in articles:
        adjacent = np.einsum("md,md->m", a.chunks[:-1], a.chunks[1:])
        coherence = adjacent[a.context_rows[:, :-1]].mean(axis=1)
        typical[a.windows] = (coherence >= COHERENCE[0]) & (coherence <= COHERENCE[1])
    return float(cosine[typical].mean()) if typical.any() else float("nan")


def _cosine(articles: Sequence[Article], p: Floats) -> float:
    return float(cosine_at(articles, p, 0).mean())


def _ranks(articles: Sequence[Article], p: Floats, as_published: bool) -> dict[str, float]:
    """Rank the target among all chunks of the article, its context too, as the study did."""
    if as_published:
        rank = np.empty(len(p), np.int64)
        for a in articles:
            mine = p[a.windows]
            own = np.einsum("nd,nd->n", mine, a.chunks[a.target_rows])  # another float path
            rank[a.windows] = 1 + (mine @ a.chunks.T > own[:, None]).sum(axis=1)
        none = np.zeros_like(rank)
        recall = {f"recall_{k}": float((rank <= k).mean()) for k in (1, 5)}
        return recall | {"mrr": float(reciprocal_rank(rank - 1, none).mean())}
    scores = [p[a.windows] @ a.chunks.T for a in articles]
    found = identify(articles, scores, hide=lambda _, s: s)
    return {
        "recall_1": float(found.recall_1.mean()),
        "recall_5": float(found.recall_5.mean()),
        "mrr": float(found.reciprocal.mean()),
    }
