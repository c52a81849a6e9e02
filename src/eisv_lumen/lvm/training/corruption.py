"""What training does to the newest chunk of a context, so that copying it does not pay."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .recipe_schema import Inputs

__all__ = ["corrupt"]


def corrupt(contexts: Tensor, inputs: Inputs) -> Tensor:
    """Return contexts (B, K, D) with the newest chunk dropped, disturbed or out of place.

    Each sample draws for itself, from torch's global generator. A drop replaces the chunk by a
    random unit vector; noise keeps its length at 1; a swap is with the chunk before it.
    """
    if not (inputs.drop or inputs.noise or inputs.swap):
        return contexts
    out = contexts.clone()
    shape = (len(contexts), 1)
    last = contexts[:, -1]
    if inputs.noise:
        noisy = F.normalize(last + inputs.noise_sigma * torch.randn_like(last), dim=-1)
        last = torch.where(_draw(shape, last) < inputs.noise, noisy, last)
    if inputs.drop:
        lost = F.normalize(torch.randn_like(last), dim=-1)
        last = torch.where(_draw(shape, last) < inputs.drop, lost, last)
    out[:, -1] = last
    if inputs.swap:
        swapped = out.clone()
        swapped[:, -1], swapped[:, -2] = out[:, -2], out[:, -1]
        out = torch.where(_draw(shape, last)[..., None] < inputs.swap, swapped, out)
    return out


def _draw(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return torch.rand(shape, device=like.device)
