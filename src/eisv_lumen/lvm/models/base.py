"""What all latent vector models share: configuration, calling convention, default scores."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls
# Annotations are not postponed: `strict` checks values against them.

from dataclasses import dataclass
from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

__all__ = ["EncoderName", "LvmConfig", "PredictorOutput", "VectorModel"]

EncoderName = Literal["lstm", "gru", "transformer", "amn"]


@strict
class LvmConfig(PreTrainedConfig):
    """Shape of a model that reads K context vectors.

    Attributes
    ----------
    dim
        Width D of a chunk vector.
    context_length
        K, the number of chunks read.
    offset
        Which chunk is predicted: 0 the one after the context, 1 the one after that (P6).
    encoder, width, layers, heads, dropout
        The network that reads the context; `heads` is the transformer's.
    position_scale
        None: no position column. Otherwise each vector gets one more component, from 0 for the
        oldest to `position_scale` for the newest.
    last_slot_bias
        Taken from the attention logits of the newest slot; transformer and amn alone.
    """

    model_type = "lvm"

    dim: int = 384
    context_length: int = 5
    offset: int = 0
    encoder: EncoderName = "transformer"
    width: int = 512
    layers: int = 4
    heads: int = 8
    dropout: float = 0.1
    position_scale: float | None = None
    last_slot_bias: float = 0.0


@dataclass
class PredictorOutput(ModelOutput):
    """What a model says about a batch of contexts.

    Attributes
    ----------
    prediction : (B, D)
        The predicted vector; its length is the model's own, except where a model normalises.
    scores : (B, P) or None
        Scores of the candidates, where a pool was given.
    weights : (B, K) or None
        The mixture over the context, of models that are one.
    order : (B,) or None
        Logits that the second of a pair comes later, where a pair was given.
    """

    prediction: Tensor
    scores: Tensor | None = None
    weights: Tensor | None = None
    order: Tensor | None = None


class VectorModel(PreTrainedModel):
    """A model from (B, K, D) context vectors to a vector, and to scores of candidates.

    A subclass has `predict`, and `scores` where it is more than a cosine. `forward` gathers both,
    so that what trains passes through one call, as distributed training needs.
    """

    config_class: type[PreTrainedConfig] = LvmConfig
    base_model_prefix = ""
    main_input_name = "contexts"
    config: Any
    scores_are_logits = False
    """Whether the softmax of `scores` is itself the model's distribution over an article."""

    def _init_weights(self, module: Any) -> None:
        """Keep what torch's own modules drew; loading refuses a file with missing weights."""

    def forward(self, contexts: Tensor, pool: Tensor | None = None) -> PredictorOutput:
        """Predict, and score a pool where one is given.

        Parameters
        ----------
        contexts : (B, K, D)
            Unit vectors, oldest chunk first.
        pool : (P, D), optional
            Unit vectors of all chunks of the article; who ranks leaves out the context.
        """
        prediction = self.predict(contexts)
        scores = None if pool is None else self.scores(contexts, pool, prediction)
        return PredictorOutput(prediction=prediction, scores=scores)

    def predict(self, contexts: Tensor) -> Tensor:
        """Return the predicted vectors (B, D)."""
        raise NotImplementedError

    def scores(self, contexts: Tensor, pool: Tensor, prediction: Tensor | None = None) -> Tensor:
        """Score candidates, (B, P), higher for likelier: the cosine with the prediction.

        Parameters
        ----------
        contexts, pool
            As in `forward`.
        prediction : (B, D), optional
            Of these contexts, where it is known already.
        """
        said = self.predict(contexts) if prediction is None else prediction
        return unit(said) @ pool.T


def unit(x: Tensor) -> Tensor:
    """Scale the last axis to length 1; zero stays zero."""
    return F.normalize(x, dim=-1)


def last_slot_penalty(bias: float, length: int, like: Tensor) -> Tensor:
    """(K,) logits to add to attention over slots: -bias at the newest, 0 elsewhere."""
    penalty = torch.zeros(length, dtype=like.dtype, device=like.device)
    penalty[-1] = -bias
    return penalty
