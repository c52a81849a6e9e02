"""Where a candidate stands among the chunks of its article: what a pool tells beside a cosine.

A chunk has one chunk before it and one after it, so candidates compete: one that has a much nearer
neighbour elsewhere is less likely to follow the context. All that is said here comes of cosines
of the context with the pool and within the pool, both centred by the pool's mean. The pool is a
set: nothing depends on its order. Chunks of the context that lie in the pool are known, so they
are no rivals ("open" are the others).
"""

# parts of torch are not annotated throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor

from .base import unit

__all__ = ["SHARPNESS", "Standing", "balanced", "features", "standing"]

SHARPNESS: Final = (1.0, 2.0, 4.0)
"""Of soft choices among chunks: of cosines over their standard deviation in the pool."""
_SAME: Final = 1e-5
"""Cosines closer than this are one."""
_LEAST_SPREAD: Final = 0.05
"""So that exp(sharpness · cosine / spread) is finite."""
_SINKHORN: Final = 30
_DAMPING: Final = 0.8
_NEVER: Final = -1e9


class Standing(NamedTuple):
    """What a pool says of its chunks as the next ones.

    Attributes
    ----------
    features : (B, P, F)
        Of each candidate for each context; each of the order of 1.
    near : (len(SHARPNESS), P, P)
        `balanced` at each sharpness.
    open : (B, P)
        1 where a chunk is not of the context, else 0.
    """

    features: Tensor
    near: Tensor
    open: Tensor


def features(context_length: int) -> int:
    """Return F, how many features there are."""
    return (8 + 2 * len(SHARPNESS)) * context_length + 5 * len(SHARPNESS) + 17


def balanced(cosines: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
    """Share each chunk out among the others so that all are equally asked for.

    Sinkhorn's iteration on exp(sharpness · cosines), the diagonal left out, with one potential a
    chunk, as the matrix is symmetric.

    Returns
    -------
    near : (P, P)
        Rows sum to 1, columns nearly.
    potential : (P,)
        Logarithm of what a chunk has left to give: low where many are near to it.
    """
    itself = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    logits = (sharpness * cosines).masked_fill(itself, _NEVER)
    potential = logits.new_zeros(len(logits))
    for _ in range(_SINKHORN):
        potential = (potential - (logits + potential).logsumexp(dim=1)) / 2
    return (logits + potential).softmax(dim=1), potential


@torch.no_grad()
def standing(contexts: Tensor, pool: Tensor) -> Standing:
    """Say where each chunk of a pool stands as the next one of each context.

    Parameters
    ----------
    contexts : (B, K, D)
        Unit vectors, oldest first; they may lie in the pool or not.
    pool : (P, D)
        Unit vectors of the article's chunks, in any order.

    Returns
    -------
    Standing
        Of a pool of one chunk, all features are 0.
    """
    size, length = len(pool), contexts.shape[1]
    raw = contexts @ pool.T  # (B, K, P)
    member = raw > 1 - _SAME
    known = member.any(dim=1)
    free = (~known).to(raw.dtype)
    if size == 1:
        empty = raw.new_zeros(len(raw), 1, features(length))
        return Standing(empty, raw.new_zeros(len(SHARPNESS), 1, 1), free)
    centre = pool.mean(dim=0)
    x, c = unit(pool - centre), unit(contexts - centre)
    among, own = x @ x.T, c @ x.T  # (P, P), (B, K, P)
    itself = torch.eye(size, dtype=torch.bool, device=pool.device)
    spread = among[~itself].std(correction=0).clamp(min=_LEAST_SPREAD)
    left = free.sum(dim=1, keepdim=True).clamp(min=1)  # open chunks, (B, 1)
    others = (left - free).clamp(min=1)  # and open chunks beside the candidate, (B, P)

    bare = among.masked_fill(itself, 0.0)
    middle = free @ bare / others
    deviation = (free @ bare.square() / others - middle.square()).clamp(min=1e-4).sqrt()
    seen = own * free[:, None]
    row_middle = seen.sum(dim=2, keepdim=True) / left[..., None]
    row_square = ((own - row_middle).square() * free[:, None]).sum(dim=2, keepdim=True)
    row_deviation = (row_square / left[..., None]).clamp(min=1e-4).sqrt()
    rivals = among.masked_fill(itself, -2.0).expand(len(raw), -1, -1)
    rivals = rivals.masked_fill(known[..., None], -2.0)  # (B, z, candidate)
    nearer = torch.stack(
        [(rivals > own[:, k, None] + _SAME).sum(dim=1) for k in range(length)], dim=1
    ).to(raw.dtype)
    hidden = own.masked_fill(known[:, None], -2.0)
    ahead = _count_above(hidden, own)

    by_lag = [
        4 * own,
        4 * raw - 2,
        (own - middle[:, None]) / deviation[:, None] / 2,
        (own - row_middle) / row_deviation / 2,
        nearer.log1p() - 2,
        3 / (1 + nearer),
        ahead.log1p() - 2,
        3 / (1 + ahead),
    ]
    by_chunk, near, newest = [], [], own[:, -1]
    for sharp in SHARPNESS:
        beta = sharp / spread
        crowd = free @ (beta * among).exp().masked_fill(itself, 0.0)
        claim = -(crowd[:, None] / (beta * own).exp()).log1p()
        by_lag.append((claim + others[:, None].log()) / (1 + sharp))
        choice = (beta * own).masked_fill(known[:, None], _NEVER).logsumexp(dim=2, keepdim=True)
        by_lag.append((beta * own - choice + left[..., None].log()) / (1 + sharp))
        plain = (beta * among).masked_fill(itself, _NEVER).softmax(dim=1)
        share, potential = balanced(among, float(beta))
        near.append(share)
        first = (beta * newest).masked_fill(known, _NEVER).softmax(dim=1)
        spreading = torch.eye(size, dtype=share.dtype, device=share.device) - _DAMPING * share
        walked = torch.linalg.solve(spreading.T, first.T).T
        by_chunk += [
            (crowd / others).clamp(min=1e-12).log() / (1 + sharp),
            (potential + math.log(size) / 2).expand_as(first),
            (first @ share * size + 1e-4).log() / 2,
            (first @ plain * size + 1e-4).log() / 2,
            (walked * size + 1e-4).log() / 2,
        ]

    ordered = (c[:, :-1] * c[:, 1:]).sum(dim=-1)  # (B, K − 1)
    after = (c[:, 1:] @ x.T).masked_fill(member[:, 1:], -2.0)
    steps = (after > ordered[..., None] + _SAME).sum(dim=2).to(raw.dtype).log1p().mean(dim=1)
    by_chunk += [
        4 * rivals.amax(dim=1).clamp(min=-1.0) - 2,
        4 * rivals.topk(2, dim=1).values[:, 1].clamp(min=-1.0) - 2,
        8 * middle,
        8 * deviation - 1,
        4 * (pool @ unit(centre)).expand_as(middle) - 2,
        4 * (pool - centre).norm(dim=1).expand_as(middle) - 3,
        4 * own[:, -2:].amin(dim=1),
        4 * own[:, :-1].amax(dim=1) - 1,
    ]
    by_window = [
        left[:, 0].log() - 4,
        (spread.log() + 2).expand(len(raw)),
        4 * ordered.mean(dim=1) - 1,
        4 * ordered[:, -1] - 1,
        4 * hidden[:, -1].amax(dim=1).clamp(min=-1.0) - 2,
        steps - 2,
        8 * row_middle[:, -1, 0],
        (4 * (pool @ unit(centre)).mean() - 2).expand(len(raw)),
        (4 * among.masked_fill(itself, -1.0).amax(dim=1).mean() - 2).expand(len(raw)),
    ]
    found = [
        torch.cat(by_lag, dim=1).transpose(1, 2),
        torch.stack(by_chunk, dim=2),
        torch.stack(by_window, dim=1)[:, None].expand(-1, size, -1),
    ]
    return Standing(torch.cat(found, dim=2).clamp(min=-8.0, max=8.0), torch.stack(near), free)


def _count_above(values: Tensor, own: Tensor) -> Tensor:
    """Count along the last axis how many of `values` are above each of `own`."""
    ordered = values.sort(dim=-1).values.contiguous()
    below = torch.searchsorted(ordered, (own + _SAME).contiguous(), right=True)
    return (values.shape[-1] - below).to(own.dtype)
