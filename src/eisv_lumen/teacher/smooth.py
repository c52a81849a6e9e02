"""Numbers learned as smooth functions of the number, not each by itself.

Of the thousands of numbers that `tiny` has words for, a batch holds a few of each column, and what
it teaches of 0.42 says nothing of 0.43. So while it trains, the embedding of number x in column c
is e₀(c, x) + b_c + f(x) W_c: where it began, a shift, and a linear map of fixed smooth functions f
of x. Each number seen then moves all numbers of its column. Afterwards the sums are written into
an ordinary table, and the model is a plain Qwen3.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch.nn.utils import parametrize

from .prompt import NUMBERS, Style
from .tiny import number_words, smooth_features

__all__ = ["learn_smoothly", "settle"]

_FUNCTIONS: Final = 128
_SIZE: Final = 0.1
"""Size of the functions: with it one learning rate suits W, b and all other entries."""


class SmoothNumbers(torch.nn.Module):
    """Parametrization of an embedding table: rows of numbers are functions, others are free.

    Parameters
    ----------
    table : tensor, shape (vocabulary, hidden)
        As it began.
    rows, functions
        Of each column of numbers: rows of the table (n,), and f at its numbers (n, functions).
    """

    def __init__(
        self, table: torch.Tensor, rows: list[torch.Tensor], functions: list[torch.Tensor]
    ) -> None:
        super().__init__()
        hidden = table.shape[1]
        self.map = torch.nn.Parameter(torch.zeros(len(rows), functions[0].shape[1], hidden))
        self.shift = torch.nn.Parameter(torch.zeros(len(rows), hidden))
        self._columns = len(rows)
        self.register_buffer("rows", torch.cat(rows), persistent=False)
        self.register_buffer("start", table.detach()[torch.cat(rows)].clone(), persistent=False)
        for k, f in enumerate(functions):
            self.register_buffer(f"f{k}", f.to(table.dtype), persistent=False)

    def forward(self, table: torch.Tensor) -> torch.Tensor:
        """Return the table with its numbers as they are now."""
        moved = [
            self.get_buffer(f"f{k}") @ self.map[k] + self.shift[k] for k in range(self._columns)
        ]
        numbers = self.get_buffer("start") + torch.cat(moved)
        return table.index_copy(0, self.get_buffer("rows"), numbers)


def learn_smoothly(model: Any, tokenizer: Any, style: Style, seed: int) -> None:
    """Let the numbers of a fresh `tiny` be learned as smooth functions, from now to `settle`.

    Parameters
    ----------
    model, tokenizer
        As `tiny` builds them for `style`; input and output embeddings are not tied.
    seed
        Seed of the functions.
    """
    rng = np.random.default_rng([seed, 1])
    scales = dict.fromkeys(NUMBERS[style].values())
    functions = {
        id(scale): torch.from_numpy(_SIZE * smooth_features(scale, _FUNCTIONS, rng))
        for scale in scales
    }
    ids = tokenizer.get_vocab()
    entries: dict[str, list[tuple[int, int]]] = {name: [] for name in NUMBERS[style]}
    for word, name, code in number_words(style):
        entries[name].append((ids[word], code))
    columns = {name: torch.tensor(pairs) for name, pairs in entries.items()}
    table = model.get_input_embeddings()
    parametrize.register_parametrization(
        table,
        "weight",
        SmoothNumbers(
            table.weight,
            [pairs[:, 0] for pairs in columns.values()],
            [functions[id(NUMBERS[style][name])][pairs[:, 1]] for name, pairs in columns.items()],
        ),
    )


def settle(model: Any) -> None:
    """Write the numbers as they are now into an ordinary table; of other models, do nothing."""
    table = model.get_input_embeddings()
    if parametrize.is_parametrized(table):
        parametrize.remove_parametrizations(table, "weight", leave_parametrized=True)
