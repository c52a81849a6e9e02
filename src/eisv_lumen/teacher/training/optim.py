"""Muon for the matrices inside the layers, AdamW for all else, as one optimizer.

Muon (Jordan 2024) takes the momentum's nearest orthogonal matrix for a step. It is for matrices
that map hidden states to hidden states; embeddings, head and norms are AdamW's. The steps are those
of `torch.optim.Muon`, which differs in two ways. It takes the matrices one by one; here those of
one size go together, since for the small ones of `tiny` most of the time is the start of each
operation. And it always computes in bfloat16, which few CPUs have: they emulate it fifteen times
more slowly than they compute in float32, and its coarse rounding makes two machines drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import torch

__all__ = ["Muon", "MuonAdamW"]

_NEWTON_SCHULZ: Final = (3.4445, -4.7750, 2.0315)  # the quintic's coefficients (Jordan 2024)
_STEPS: Final = 5
_MOMENTUM: Final = 0.95


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum, all matrices of one size in one batch.

    Parameters
    ----------
    params
        Matrices, (rows, columns); one without a gradient is not moved.
    lr
        Learning rate; a tall matrix's is larger by the root of its sides' ratio.
    weight_decay
        Decoupled, times `lr`.
    """

    def __init__(
        self, params: Iterable[torch.nn.Parameter], lr: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step."""
        for group in self.param_groups:
            by_size: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_size.setdefault(tuple(sorted(matrix.shape)), []).append(matrix)
            for matrices in by_size.values():
                self._step_together(matrices, group["lr"], group["weight_decay"])

    def _step_together(
        self, matrices: list[torch.nn.Parameter], lr: float, weight_decay: float
    ) -> None:
        wide = [matrix.shape[0] <= matrix.shape[1] for matrix in matrices]
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        momenta = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, _MOMENTUM)
        flat = torch.stack([m if w else m.mT for m, w in zip(ahead, wide, strict=True)])
        steps = _orthogonal(flat).to(flat.dtype)
        for matrix, step, w in zip(matrices, steps, wide, strict=True):
            rows, columns = matrix.shape
            matrix.mul_(1 - lr * weight_decay)
            matrix.add_(step if w else step.mT, alpha=-lr * max(1.0, rows / columns) ** 0.5)


def _orthogonal(wide: torch.Tensor) -> torch.Tensor:
    """Return matrices near the nearest orthogonal ones: singular values about 1, (n, rows, cols).

    Five steps of the quintic Newton-Schulz iteration, rows ≤ cols; in bfloat16 on CUDA alone.
    """
    a, b, c = _NEWTON_SCHULZ
    x = wide.bfloat16() if wide.is_cuda else wide.float()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


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
            Muon(inner, lr=muon_lr, weight_decay=weight_decay),
            torch.optim.AdamW(outer, weight_decay=weight_decay, fused=True, **adamw),
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
