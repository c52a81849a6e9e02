"""The listwise ranker: pool-centred cosines at each lag, and a low-rank residual."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls
# Annotations are not postponed: `strict` checks values against them.

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .base import VectorModel, unit

__all__ = ["Ranker", "RankerConfig"]


@strict
class RankerConfig(PreTrainedConfig):
    """Shape of the ranker.

    Attributes
    ----------
    dim, context_length
        D and K.
    rank
        Rank of the learned comparison of a context chunk with a candidate.
    """

    model_type = "lvm_ranker"

    dim: int = 384
    context_length: int = 5
    offset: int = 0
    rank: int = 32


class Ranker(VectorModel):
    """Score the chunks of an article as the next one; scores are logits of a softmax over them.

    The residual is zero at the start, so that training begins at the lag-cosine itself.
    """

    config_class = RankerConfig
    scores_are_logits = True

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        k = config.context_length
        self.lag = nn.Parameter(10.0 * torch.arange(1, k + 1) / (k * (k + 1) / 2))
        self.read = nn.Parameter(torch.zeros(k, config.dim, config.rank))
        self.probe = nn.Parameter(torch.randn(config.dim, config.rank) / config.rank**0.5)
        self.post_init()

    def predict(self, contexts: Tensor) -> Tensor:
        """Return the lag-weighted sum of the context (B, D), of length 1; it knows of no pool."""
        return unit(torch.einsum("k,bkd->bd", self.lag, contexts))

    def scores(self, contexts: Tensor, pool: Tensor, prediction: Tensor | None = None) -> Tensor:
        """Return logits (B, P) of each chunk of the article `pool` (P, D) being the next one."""
        centre = pool.mean(dim=0)
        candidates, seen = unit(pool - centre), unit(contexts - centre)
        query = torch.einsum("k,bkd->bd", self.lag, seen)
        residual = torch.einsum("bkd,kdr->br", seen, self.read)
        return query @ candidates.T + residual @ (candidates @ self.probe).T
