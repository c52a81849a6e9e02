"""Muon for the matrices inside the layers, AdamW for all else, as one optimizer.

Muon (Jordan 2024) takes the momentum's nearest orthogonal matrix for a step. It is for matrices
that map hidden states to hidden states; embeddings, head and norms are AdamW's.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["MuonAdamW"]


class MuonAdamW(torch.optim.Optimizer):
    """Two optimizers that step together; schedules reach both through `param_groups`.

    Parameters
    ----------
    model
        Its matrices under `layers` are Muon's.
    muon_lr
        Learning rate of Muon.
    weight_decay
        For both.
    **adamw
        `lr`, `betas`, `eps` of AdamW.
    """

    def __init__(
        self, model: torch.nn.Module, muon_lr: float, weight_decay: float = 0.0, **adamw: Any
    ) -> None:
        inner: list[torch.nn.Parameter] = []
        outer: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                (inner if parameter.ndim == 2 and ".layers." in name else outer).append(parameter)
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(inner, lr=muon_lr, weight_decay=weight_decay),
            torch.optim.AdamW(outer, weight_decay=weight_decay, **adamw),
        )
        super().__init__([group for part in self.parts for group in part.param_groups], {})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Let both take a step."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the states of both, and share their groups again."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]
