"""The listwise ranker: pool-centred cosines at each lag, less the crowd, in a learned metric.

With chunks centred by their article's mean, and u(c) = unit(c + c R P) for a low-rank R P that is
zero at the start, a candidate p scores

    Σ_k w_k ⟨u(c_k), u(p)⟩ − h log Σ_{q ≠ p} exp(β ⟨u(q), u(p)⟩),    q over the article.

The second term is the inverted softmax (Smith, Turban, Hamblin & Hammerla 2017) with a learned
share h: a chunk that much of the article is near to needs less of a reason to be near the context.
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

__all__ = ["Ranker", "RankerConfig"]

_UNIT = 1000.0
"""Scalars are kept in this unit, so that one rate of Adam suits them and the matrices."""
_LAG_SUM, _BETA = 12.0, 5.0


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
    """

    model_type = "lvm_ranker"

    dim: int = 384
    context_length: int = 5
    offset: int = 0
    rank: int = 64
    crowding: bool = True

    def validate_rank(self) -> None:
        """Refuse a rank below 0; called by `strict`."""
        if self.rank < 0:
            raise ValueError(f"rank {self.rank}: give 0 or more")


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
        return found - self._price(candidates) if self.config.crowding else found

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
