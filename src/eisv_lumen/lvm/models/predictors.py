"""Models that say a vector: plain, residual, anchored to the context, or a mixture of it."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls
# Annotations are not postponed: `strict` checks values against them.

import math

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from .base import LvmConfig, PredictorOutput, VectorModel, unit
from .encoders import Encoder

__all__ = [
    "Anchored",
    "AnchoredConfig",
    "Mixture",
    "MixtureConfig",
    "Predictor",
    "PredictorConfig",
    "Residual",
    "ResidualConfig",
]

_ANCHOR_LOW, _ANCHOR_HIGH, _ANCHOR_START = 0.6, 0.9, 0.8
_ALPHA_START = 0.5


@strict
class PredictorConfig(LvmConfig):
    """P1, V3, P3 to P6b: the vector is read off the encoder's state."""

    model_type = "lvm_predictor"


class Predictor(VectorModel):
    """P1: an encoder and a linear head. The prediction keeps its length, as least squares do.

    The head speaks in units of 1/√D, the size of a unit vector's components: without it a step of
    Adam on the head's weights is larger than what is to be predicted.
    """

    config_class = PredictorConfig

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.width, config.dim)
        self.post_init()

    def predict(self, contexts: Tensor) -> Tensor:
        """Return the predicted vectors (B, D)."""
        state = self.head(self.encoder(contexts))
        prediction: Tensor = state / self.config.dim**0.5
        return prediction


@strict
class ResidualConfig(LvmConfig):
    """P2: a learned step away from the newest chunk."""

    model_type = "lvm_residual"


class Residual(VectorModel):
    """P2: norm(c_last + alpha · delta), alpha learned from 0.5."""

    config_class = ResidualConfig

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.width, config.dim)
        self.alpha = nn.Parameter(torch.tensor(_ALPHA_START))
        self.post_init()

    def predict(self, contexts: Tensor) -> Tensor:
        """Return the predicted vectors (B, D), of length 1."""
        delta = self.head(self.encoder(contexts))
        return unit(contexts[:, -1] + self.alpha * delta)


@strict
class AnchoredConfig(LvmConfig):
    """P7: the encoder's vector blended with the context's mean."""

    model_type = "lvm_anchored"


class Anchored(VectorModel):
    """P7: norm(λ · ŷ + (1 - λ) · context mean), both of unit length, λ learned in [0.6, 0.9]."""

    config_class = AnchoredConfig

    def __init__(self, config: AnchoredConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.width, config.dim)
        share = (_ANCHOR_START - _ANCHOR_LOW) / (_ANCHOR_HIGH - _ANCHOR_LOW)
        self.blend_logit = nn.Parameter(torch.tensor(math.log(share / (1 - share))))
        self.post_init()

    @property
    def blend(self) -> Tensor:
        """λ, the share of the encoder's own vector."""
        return _ANCHOR_LOW + (_ANCHOR_HIGH - _ANCHOR_LOW) * self.blend_logit.sigmoid()

    def predict(self, contexts: Tensor) -> Tensor:
        """Return the predicted vectors (B, D), of length 1."""
        own = unit(self.head(self.encoder(contexts)))
        anchor = unit(contexts.mean(dim=1))
        return unit(self.blend * own + (1 - self.blend) * anchor)


@strict
class MixtureConfig(LvmConfig):
    """P8: nothing but a mixture of the context can be said."""

    model_type = "lvm_mixture"


class Mixture(VectorModel):
    """P8: norm(Σ w_i c_i) with softmax weights, and a verifier of the order of two chunks."""

    config_class = MixtureConfig

    def __init__(self, config: MixtureConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.width, config.context_length)
        self.verifier = nn.Sequential(
            nn.Linear(4 * config.dim, config.width), nn.GELU(), nn.Linear(config.width, 1)
        )
        self.post_init()

    def forward(
        self,
        contexts: Tensor,
        pool: Tensor | None = None,
        pair: tuple[Tensor, Tensor] | None = None,
    ) -> PredictorOutput:
        """Predict, score a pool, and say of a pair of (B, D) chunks whether the second is later."""
        weights = self.weigh(contexts)
        prediction = unit(torch.einsum("bk,bkd->bd", weights, contexts))
        return PredictorOutput(
            prediction=prediction,
            scores=None if pool is None else self.scores(contexts, pool, prediction),
            weights=weights,
            order=None if pair is None else self.later(*pair),
        )

    def weigh(self, contexts: Tensor) -> Tensor:
        """Return the mixture's weights (B, K), which sum to 1."""
        weights: Tensor = self.head(self.encoder(contexts)).softmax(dim=-1)
        return weights

    def predict(self, contexts: Tensor) -> Tensor:
        """Return the predicted vectors (B, D), of length 1."""
        return unit(torch.einsum("bk,bkd->bd", self.weigh(contexts), contexts))

    def later(self, first: Tensor, second: Tensor) -> Tensor:
        """Return (B,) logits that `second` (B, D) comes after `first` (B, D)."""
        pair = torch.cat([first, second, first * second, first - second], dim=-1)
        logits: Tensor = self.verifier(pair)[..., 0]
        return logits
