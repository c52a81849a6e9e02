"""Networks from a context (B, K, D) to one state (B, width): what the models are built on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.errors import InputError
from .base import LvmConfig, last_slot_penalty

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """Project each vector to the network's width, read the sequence, give one state."""

    def __init__(self, config: LvmConfig) -> None:
        super().__init__()
        if config.width % config.heads:
            raise InputError(f"model.width={config.width}: not a multiple of heads={config.heads}")
        self.config = config
        self.project = nn.Linear(config.dim + (config.position_scale is not None), config.width)
        self.read = _READERS[config.encoder](config)

    def forward(self, contexts: Tensor) -> Tensor:
        """Return the (B, width) state of (B, K, D) contexts."""
        scale = self.config.position_scale
        if scale is not None:
            batch, length, _ = contexts.shape
            column = torch.linspace(0, 1, length, dtype=contexts.dtype, device=contexts.device)
            column = (scale * column)[None, :, None].expand(batch, -1, -1)
            contexts = torch.cat([contexts, column], dim=-1)
        # Components of unit vectors are about 1/√D: at that size the first layers' own output would
        # drown them.
        state: Tensor = self.read(self.project(contexts * contexts.shape[-1] ** 0.5))
        return state


class _Lstm(nn.Module):
    def __init__(self, config: LvmConfig) -> None:
        super().__init__()
        dropout = config.dropout if config.layers > 1 else 0.0
        self.lstm = nn.LSTM(
            config.width, config.width, config.layers, batch_first=True, dropout=dropout
        )

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.lstm(x)[0]
        return states[:, -1]


class _GruStack(nn.Module):
    """Layers of GRU, each added to what it read."""

    def __init__(self, config: LvmConfig) -> None:
        super().__init__()
        width, layers = config.width, range(config.layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in layers)
        self.grus = nn.ModuleList(nn.GRU(width, width, batch_first=True) for _ in layers)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        for norm, gru in zip(self.norms, self.grus, strict=True):
            x = x + self.dropout(gru(norm(x))[0])
        state: Tensor = self.norm(x[:, -1])
        return state


class _Transformer(nn.Module):
    """Attention in both directions over learned positions; the state is the mean over slots."""

    def __init__(self, config: LvmConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.position = nn.Parameter(0.02 * torch.randn(config.context_length, width))
        layer = nn.TransformerEncoderLayer(
            width,
            config.heads,
            4 * width,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, config.layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position
        bias = self.config.last_slot_bias
        mask = last_slot_penalty(bias, x.shape[1], x).expand(x.shape[1], -1) if bias else None
        state: Tensor = self.layers(x, mask=mask).mean(dim=1)
        return state


class _AttentionMixture(nn.Module):
    """AMN: the context's mean plus a learned mixture of it, then a residual MLP."""

    def __init__(self, config: LvmConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.weigh = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh(), nn.Linear(width, 1))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 4 * width),
                nn.GELU(),
                nn.Dropout(config.dropout),
                nn.Linear(4 * width, width),
            )
            for _ in range(config.layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=1)
        pairs = torch.cat([x, mean[:, None].expand_as(x)], dim=-1)
        logits = self.weigh(pairs)[..., 0]
        logits = logits + last_slot_penalty(self.config.last_slot_bias, x.shape[1], x)
        state: Tensor = mean + torch.einsum("bk,bkw->bw", logits.softmax(dim=-1), x)
        for block in self.blocks:
            state = state + block(state)
        return state


_READERS = {
    "lstm": _Lstm, "gru": _GruStack, "transformer": _Transformer, "amn": _AttentionMixture,
}  # fmt: skip
