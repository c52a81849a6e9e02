"""The listwise ranker: pool-centred cosines at each lag, less the crowd, in a learned metric.

With chunks centred by their article's mean, and u(c) = unit(c + c R P) for a low-rank R P that is
zero at the start, a candidate p scores

    Σ_k w_k ⟨u(c_k), u(p)⟩ − h log Σ_{q ≠ p} exp(β ⟨u(q), u(p)⟩),    q over the article.

The second term is the inverted softmax (Smith, Turban, Hamblin & Hammerla 2017) with a learned
share h: a chunk that much of the article is near to needs less of a reason to be near the context.

To that a small network (`hidden` units) adds what it makes of each candidate's `standing` in the
pool: how the candidate ranks among the neighbours of each context chunk and that chunk among the
candidate's, how sharply, and who else is near. It hears the other candidates once, through their
likeness to this one and through how likely they are by a first guess: a candidate beside the
likely next chunk is perhaps the one after it. Its last layer is zero at the start. It reads cosines
alone, and the pool is a set to it.
"""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls
# Annotations are not postponed: `strict` checks values against them.

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .base import VectorModel, unit
from .pool_features import SHARPNESS, Standing, features, standing

__all__ = ["Ranker", "RankerConfig"]

_UNIT = 1000.0
"""Scalars are kept in this unit, so that one rate of Adam suits them and the matrices."""
_LAG_SUM, _BETA = 12.0, 5.0
_NET_UNIT = 100.0
"""The same for the network's weights."""
_FAINT = 1e-3
"""Of a uniform share: added to shares before their logarithm."""


@strict
class RankerConfig(PreTrainedConfig):
    """Shape of the ranker.

    Attributes
    ----------
    dim, context_length
        D and K.
    offset
        Which chunk is meant: 0 the one after the context.
    rank
        Rank of what is learned of the metric; with 0 the metric stays as it is.
    crowding
        Whether the crowd has a price; without, h is 0.
    hidden
        Units of the network that reads a candidate's standing; with 0 there is none.
    heard
        Numbers that each candidate tells the others; with 0 they tell nothing.
    """

    model_type = "lvm_ranker"

    dim: int = 384
    context_length: int = 5
    offset: int = 0
    rank: int = 64
    crowding: bool = True
    hidden: int = 0
    heard: int = 8

    def validate_rank(self) -> None:
        """Refuse sizes below 0; called by `strict`."""
        for name in ("rank", "hidden", "heard"):
            if (size := getattr(self, name)) < 0:
                raise ValueError(f"{name} {size}: give 0 or more")


class Ranker(VectorModel):
    """Scores chunks of an article as the next one; scores are logits of a softmax over them.

    Untrained it is the pool-centred lag-cosine, with weights that rise to the newest chunk.
    """

    config_class = RankerConfig
    scores_are_logits = True

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        rise = torch.arange(1.0, config.context_length + 1)
        self.lag = nn.Parameter(_LAG_SUM / _UNIT * rise / rise.sum())
        if config.crowding:
            self.crowd = nn.Parameter(torch.tensor(0.0))
            self.sharpness = nn.Parameter(torch.tensor(_BETA / _UNIT))
        if config.rank:
            self.read = nn.Parameter(torch.randn(config.dim, config.rank) / config.rank**0.5)
            self.write = nn.Parameter(torch.zeros(config.rank, config.dim))
        if config.hidden:
            self.judge = _Judge(features(config.context_length), config.hidden, config.heard)
        self.post_init()

    def predict(self, contexts: Tensor) -> Tensor:
        """Return the lag-weighted sum of the context (B, D), of length 1; it knows of no pool."""
        return unit(torch.einsum("k,bkd->bd", self.lag, contexts))

    def scores(self, contexts: Tensor, pool: Tensor, prediction: Tensor | None = None) -> Tensor:
        """Return logits (B, P) of each chunk of the article `pool` (P, D) being the next one."""
        centre = pool.mean(dim=0)
        candidates = self._metric(unit(pool - centre))
        query = torch.einsum("k,bkd->bd", _UNIT * self.lag, self._metric(unit(contexts - centre)))
        found = query @ candidates.T
        if self.config.crowding:
            found = found - self._price(candidates)
        if self.config.hidden:
            found = found + self.judge(standing(contexts, pool), found)
        return found

    def numbers(self) -> dict[str, Any]:
        """Return `w`, oldest lag first, and `h` and `beta` where crowds have a price."""
        found: dict[str, Any] = {"w": (_UNIT * self.lag).tolist()}
        if self.config.crowding:
            found["h"] = float(_UNIT * self.crowd.detach())
            found["beta"] = float(_UNIT * self.sharpness.detach())
        return found

    def _price(self, candidates: Tensor) -> Tensor:
        """(P,) what each candidate pays for the others near it."""
        if len(candidates) == 1:  # nothing to compare with
            return torch.zeros_like(candidates[:, 0])
        near = _UNIT * self.sharpness * (candidates @ candidates.T)
        itself = torch.eye(len(candidates), dtype=torch.bool, device=candidates.device)
        return _UNIT * self.crowd * near.masked_fill(itself, -torch.inf).logsumexp(dim=0)

    def _metric(self, x: Tensor) -> Tensor:
        return unit(x + (x @ self.read) @ self.write) if self.config.rank else x


class _Judge(nn.Module):
    """What a small network adds to the score of each candidate, from where it stands."""

    def __init__(self, features: int, hidden: int, heard: int) -> None:
        super().__init__()
        self.straight = _Linear(features, 1, zero=True)
        self.see = _Linear(features, hidden, bias=True)
        if heard:
            self.guess = _Linear(hidden, 1, zero=True)
            self.tell = _Linear(hidden, heard, bias=True)
            self.hear = _Linear((1 + len(SHARPNESS)) * heard, hidden, zero=True)
            self.weigh = _Linear(2 + len(SHARPNESS), hidden, zero=True)
        self.say = _Linear(hidden, 1, zero=True)
        self.heard = heard

    def forward(self, where: Standing, scores: Tensor) -> Tensor:
        """Return what is added to `scores` (B, P)."""
        added: Tensor = self.straight(where.features)[..., 0]
        seen: Tensor = self.see(where.features)
        if self.heard:
            units = nn.functional.gelu(seen)
            guess = scores + added + self.guess(units)[..., 0]
            seen = seen + self._others(where, units, guess)
        said: Tensor = self.say(nn.functional.gelu(seen))[..., 0]
        return said + added

    def _others(self, where: Standing, units: Tensor, guess: Tensor) -> Tensor:
        """(B, P, hidden) of what the other open candidates tell, and of how likely they are."""
        told = self.tell(units) * where.open[..., None]
        left = where.open.sum(dim=1).clamp(min=1)
        near = torch.einsum("szx,bzd->bxsd", where.near, told).flatten(2)
        average = told.sum(dim=1, keepdim=True) / left[:, None, None]
        shut = torch.finfo(guess.dtype).min
        likely = guess.masked_fill(where.open == 0, shut).softmax(dim=1) * where.open
        beside = torch.einsum("szx,bz->bxs", where.near, likely)
        shares = torch.cat([beside, likely[..., None]], dim=2) * left[:, None, None]
        sizes = torch.cat([(shares + _FAINT).log(), likely[..., None]], dim=2) / 3
        heard: Tensor = self.hear(torch.cat([near, average.expand_as(told)], dim=2))
        weighed: Tensor = self.weigh(sizes)
        return heard + weighed


class _Linear(nn.Module):
    """A linear map with its weights in units of `_NET_UNIT`."""

    def __init__(self, n: int, m: int, *, bias: bool = False, zero: bool = False) -> None:
        super().__init__()
        bound = 0.0 if zero else n**-0.5 / _NET_UNIT
        self.weight = nn.Parameter(torch.empty(m, n).uniform_(-bound, bound))
        if bias:
            self.bias = nn.Parameter(torch.empty(m).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map the last axis."""
        found: Tensor = nn.functional.linear(x, _NET_UNIT * self.weight)
        return found + _NET_UNIT * self.bias if hasattr(self, "bias") else found
