"""Predictions and scores of a trained model, on arrays."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import InputError
from ..models import VectorModel

__all__ = ["predict", "score_pool"]

_BATCH = 1024
Array = NDArray[np.float32]


@torch.inference_mode()
def predict(model: VectorModel, contexts: Array, *, batch_size: int = _BATCH) -> Array:
    """Predict the next vector of each context.

    Parameters
    ----------
    model
        From `load_predictor`, or trained.
    contexts : (N, K, D)
        Unit vectors, oldest first.
    batch_size
        Contexts a pass.

    Returns
    -------
    (N, D) float32 array
        As the model says it; least-squares models do not say unit vectors.

    Raises
    ------
    InputError
        The contexts' shape is not the model's.
    """
    _check(model, contexts)
    out = np.empty((len(contexts), model.config.dim), np.float32)
    for begin in range(0, len(contexts), batch_size):
        part = slice(begin, begin + batch_size)
        out[part] = model.predict(_tensor(model, contexts[part])).cpu().numpy()
    return out


@torch.inference_mode()
def score_pool(
    model: VectorModel, contexts: Array, pool: Array, *, batch_size: int = _BATCH
) -> Array:
    """Score every chunk of an article as the next one of each context.

    Parameters
    ----------
    model, contexts, batch_size
        As for `predict`.
    pool : (P, D)
        Unit vectors of all chunks of the article. Who ranks leaves out the context.

    Returns
    -------
    (N, P) float32 array
        Cosines of vector models, logits of a ranker.

    Raises
    ------
    InputError
        The shapes are not the model's, or the pool is empty.
    """
    _check(model, contexts)
    if pool.ndim != 2 or pool.shape[1] != model.config.dim or not len(pool):
        raise InputError(
            f"pool {pool.shape}: the model wants (P, {model.config.dim}), P at least 1"
        )
    candidates = _tensor(model, pool)
    out = np.empty((len(contexts), len(pool)), np.float32)
    for begin in range(0, len(contexts), batch_size):
        part = slice(begin, begin + batch_size)
        out[part] = model.scores(_tensor(model, contexts[part]), candidates).cpu().numpy()
    return out


def _tensor(model: VectorModel, array: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(model.device)


def _check(model: VectorModel, contexts: Array) -> None:
    wanted = (model.config.context_length, model.config.dim)
    if contexts.ndim != 3 or contexts.shape[1:] != wanted:
        raise InputError(
            f"contexts {contexts.shape}: the model wants (N, {wanted[0]}, {wanted[1]})"
        )
    if model.training:
        raise InputError("the model is in training mode; call model.eval() first")
