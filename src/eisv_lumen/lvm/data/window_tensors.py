"""A sequence set as tensors: batches are row numbers, looked up where they are used."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError
from ..alignment.articles import first_equal
from .sequences import SequenceSet

__all__ = ["WindowTable"]


@dataclass(frozen=True)
class WindowTable:
    """Windows over resident vectors.

    Attributes
    ----------
    vectors : (M, D) float32
        Unit vectors of all chunks.
    first, last : (M,) int64
        First and last row of each row's article.
    position : (M,) int64
        Each row's place in its article; a chunk that was left out leaves a gap.
    starts : (N,) int64
        Row of each window's first context chunk.
    length : int
        K.
    offset : int
        The target is row ``start + K + offset``: 0 the next chunk, 1 the one after (P6).
    equal : (M,) int64
        The first row of the same article that equals each row: copies of a text are one answer.
    """

    vectors: Tensor
    first: Tensor
    last: Tensor
    position: Tensor
    starts: Tensor
    length: int
    offset: int
    equal: Tensor

    @classmethod
    def of(cls, sequences: SequenceSet, offset: int = 0, device: str = "cpu") -> WindowTable:
        """Take the windows of a set whose target at `offset` exists.

        Raises
        ------
        InputError
            No window has one.
        """
        rows = sequences.target_rows + offset
        safe = np.minimum(rows, len(sequences.vectors) - 1)
        reach = sequences.context_length + offset
        usable = (
            (rows == safe)
            & (sequences.article[safe] == sequences.window_article)
            & (sequences.position[safe] - sequences.position[sequences.starts] == reach)
        )
        if not usable.any():
            raise InputError(f"no window has a chunk {offset} after its target; give longer texts")
        first = np.searchsorted(sequences.article, sequences.article, side="left")
        last = np.searchsorted(sequences.article, sequences.article, side="right") - 1

        equal = np.empty(len(sequences.vectors), np.int64)
        for begin in np.unique(first):
            mine = slice(begin, int(last[begin]) + 1)
            equal[mine] = begin + first_equal(sequences.vectors[mine])

        def resident(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        return cls(
            resident(sequences.vectors.astype(np.float32)),
            resident(first.astype(np.int64)),
            resident(last.astype(np.int64)),
            resident(sequences.position.astype(np.int64)),
            resident(np.sort(sequences.starts[usable]).astype(np.int64)),
            sequences.context_length,
            offset,
            resident(equal),
        )

    def __len__(self) -> int:
        """Return the number of windows, N."""
        return len(self.starts)

    def to(self, device: torch.device | str) -> WindowTable:
        """Return the table on a device."""
        names = ("vectors", "first", "last", "position", "starts", "equal")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def articles(self) -> list[Tensor]:
        """Return the numbers of the windows of each article that has any, in order."""
        _, counts = torch.unique_consecutive(self.first[self.starts], return_counts=True)
        numbers = torch.arange(len(self), device=self.starts.device)
        return list(torch.split(numbers, counts.tolist()))

    def context_rows(self, windows: Tensor) -> Tensor:
        """(B, K) rows of the contexts, oldest first."""
        return self.starts[windows, None] + torch.arange(self.length, device=self.starts.device)

    def target_rows(self, windows: Tensor) -> Tensor:
        """(B,) rows of the targets."""
        return self.starts[windows] + self.length + self.offset

    def contexts(self, windows: Tensor) -> Tensor:
        """(B, K, D) contexts, oldest first."""
        return self.vectors[self.context_rows(windows)]

    def targets(self, windows: Tensor) -> Tensor:
        """(B, D) targets."""
        return self.vectors[self.target_rows(windows)]

    def after(self, windows: Tensor, steps: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Chunks so many places after the targets, (B, F, D), and where there is one, (B, F)."""
        target = self.target_rows(windows)[:, None]
        far = torch.tensor(steps, device=target.device)
        inside = target + far <= self.last[target]
        rows = torch.where(inside, target + far, target)
        present = inside & (self.position[rows] - self.position[target] == far)
        return self.vectors[torch.where(present, rows, target)], present

    def distractors(self, windows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Draw rows of the same article outside the window, (B, count), and which are distinct.

        Drawn from torch's global generator, with replacement; a second copy is not present.
        """
        start, reach = self.starts[windows], self.length + self.offset + 1
        first, last = self.first[start], self.last[start]
        others = (last - first + 1 - reach)[:, None]
        drawn = (torch.rand(len(windows), count, device=start.device) * others).long()
        rows = first[:, None] + drawn
        rows = rows + reach * (rows >= start[:, None])
        same = rows[:, :, None] == rows[:, None, :]
        present = (others > 0) & ~same.tril(-1).any(dim=-1)
        return torch.where(others > 0, rows, start[:, None]), present

    def candidates(self, windows: Tensor) -> Tensor:
        """(n, P) which chunks of one article can be next: `alignment.articles.candidates`."""
        rows = self.pool(windows[0])
        context = self.context_rows(windows) - rows.start
        target = self.target_rows(windows) - rows.start
        equal = self.equal[rows] - rows.start
        place = torch.arange(len(equal), device=equal.device)
        there = torch.ones(len(windows), len(equal), dtype=torch.bool, device=equal.device)
        there.scatter_(1, context, False)
        if bool((equal == place).all()):
            return there
        # Of equal chunks the target comes first, then the earliest that is not in the context.
        turn = torch.where(place == target[:, None], -1, place.expand(len(windows), -1))
        turn = turn.masked_fill(~there, len(equal))
        first = torch.full_like(turn, len(equal))
        first.scatter_reduce_(1, equal.expand(len(windows), -1), turn, "amin")
        return there & (turn == first.gather(1, equal.expand(len(windows), -1)))

    def pool(self, window: int | Tensor) -> slice:
        """Rows of the article that a window is of."""
        start = self.starts[window]
        return slice(int(self.first[start]), int(self.last[start]) + 1)
