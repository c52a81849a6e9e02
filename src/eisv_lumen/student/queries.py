"""What a teacher is asked of: windows of the kinds that it was taught, and near given ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..expression.vocabulary import SHAPES
from ..teacher.prompt.messages import render_summaries, render_windows
from ..teacher.recipe import DataRecipe
from .fit import SCALES

__all__ = ["READING", "Asked", "ask"]

Floats = npt.NDArray[np.float64]

_SPREAD: Final = 0.15  # of the standard deviation of natural windows
_SHORTEST: Final = 0.01  # [s]
READING: Final = DataRecipe.model_validate(
    {"source": "summaries", "style": "blind", "synthetic_among": 1}
)
"""Summaries to learn to read without a teacher: Lumen-like ones, abrupt and synthetic ones too."""


@dataclass(frozen=True)
class Asked:
    """Windows as a teacher is shown them.

    Attributes
    ----------
    prompts : list of str
    shape : ndarray, shape (n,), int8
    summary : ndarray, shape (n, 14)
    synthetic
        Windows at the end that are synthetic ones among others.
    """

    prompts: list[str]
    shape: npt.NDArray[np.int8]
    summary: Floats
    synthetic: int = 0

    def prompts_at(self, index: npt.NDArray[np.intp]) -> list[str]:
        """Return the prompts of the windows at `index`."""
        return [self.prompts[i] for i in index]

    def first_of_each(self, n: int) -> list[npt.NDArray[np.intp]]:
        """Return the positions of the first `n` windows of each shape: of others, and of synthetic.

        Where no windows are synthetic among others, the list has one array.
        """
        end = len(self.prompts)
        ranges = [(0, end - self.synthetic), (end - self.synthetic, end)]
        return [
            np.concatenate(
                [
                    start + np.flatnonzero(self.shape[start:stop] == c)[:n]
                    for c in range(len(SHAPES))
                ]
            )
            for start, stop in ranges
            if stop > start
        ]


def ask(data: DataRecipe, n: int, seed: int, like: Floats | None = None) -> Asked:
    """Make windows of the kind that a teacher was taught, and render them as it was shown them.

    Parameters
    ----------
    data
        What the teacher's recipe says of its data.
    n
        Windows in all; balanced where the recipe balances them. Beside the natural mix a quarter
        more are abrupt ones, and of balanced and of synthetic ones, where the recipe has some.
    seed
        Their seed.
    like : ndarray, shape (m, 14), optional
        Summaries near which a quarter more are to lie; their shape is then -1.

    Raises
    ------
    InputError
        The teacher reads no summaries, or none of windows as long as those of `like`.
    """
    if like is not None and (data.source != "summaries" or data.style != "blind"):
        raise InputError("this teacher is told shapes or shown states: summaries are not for it")
    if data.source == "summaries":
        from ..trajectory.simulate import lumen_like

        parts = [lumen_like.summaries_like_real(n, seed)]
        if data.balanced_first:  # what it knows of rare shapes is not heard in their natural mix
            parts.append(lumen_like.balanced_summaries(n // 4, seed))
        parts.append(lumen_like.abrupt_summaries(n // 4, seed))
        if like is not None:
            near = _near(like, n // 4, parts[0][1], seed)
            parts.append((np.full(len(near), -1, np.int8), near))
        synthetic = n // 4 if data.synthetic_among else 0
        parts.append(lumen_like.synthetic_summaries(synthetic, seed))
        shape, summary = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Asked(render_summaries(summary, data.style, shape), shape, summary, synthetic)
    each = max(1, n // len(SHAPES))
    if data.source == "lumen_like":
        from ..trajectory.simulate.lumen_like import balanced_windows

        windows = balanced_windows(each, window=data.window, seed=seed)
    else:
        from ..trajectory.dataset.schema import synthesize, windows_from_table

        counts = dict.fromkeys(SHAPES, each)
        windows = windows_from_table(
            synthesize(counts, window=data.window, v_max=data.v_max, seed=seed)
        )
    return Asked(render_windows(windows, data.style), windows.shape, windows.summary)


def _near(like: Floats, n: int, natural: Floats, seed: int) -> Floats:
    """Return summaries near some: half of their numbers moved by some of what is usual.

    On the scale on which the student's network reads them; rounded as the real ones are.
    """
    from ..trajectory.simulate.lumen_like import round_as_real

    other = set(np.unique(like[:, 0]).tolist()) - set(np.unique(natural[:, 0]).tolist())
    if other:
        raise InputError(
            f"n_states={min(other):g}: this teacher was taught windows of {natural[0, 0]:g} states"
        )
    rng = np.random.default_rng([seed, 1])
    start = np.arcsinh(like[rng.integers(len(like), size=n)] / SCALES)
    spread = _SPREAD * np.arcsinh(natural / SCALES).std(0)
    moved = rng.normal(size=start.shape) * spread * (rng.random(start.shape) < 0.5)
    summary = np.sinh(start + moved) * SCALES
    summary[:, 0] = natural[0, 0]
    summary[:, 1] = np.maximum(summary[:, 1], _SHORTEST)
    summary[:, 2:6] = np.clip(summary[:, 2:6], 0, 1)
    return round_as_real(summary)
