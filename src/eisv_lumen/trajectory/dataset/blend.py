"""Real windows blended with synthetic ones, so many of each shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...core.errors import InputError
from ...expression.vocabulary import SHAPES, UnknownNameError, shape_code
from .metadata import joined

__all__ = ["blend", "parse_overrides"]


def parse_overrides(overrides: Iterable[str], per_shape: int) -> dict[str, int]:
    """Return how many windows each shape is to have: `per_shape`, but for `name=n` overrides.

    Raises
    ------
    InputError
        An override is not `name=n` with a shape's name and a count.

    Examples
    --------
    >>> parse_overrides(["drift_dissonance=800"], 400)["drift_dissonance"]
    800
    """
    counts = dict.fromkeys(SHAPES, per_shape)
    for override in overrides:
        name, _, count = override.partition("=")
        try:
            shape_code(name)
        except UnknownNameError as error:
            raise InputError(f"--shape-overrides {override}: {error}") from None
        if not count.isdecimal():
            raise InputError(f"--shape-overrides {override}: write it as {name}=800")
        counts[name] = int(count)
    return counts


def blend(
    real: pa.Table, synthetic: pa.Table, counts: Mapping[str, int], *, real_at_most: int, seed: int
) -> pa.Table:
    """Blend real windows with synthetic ones: real first, synthetic where real ones lack.

    Parameters
    ----------
    real, synthetic
        Typed tables.
    counts
        Shape to number of windows wanted.
    real_at_most
        Real windows of a shape at most; the rest of the shape's count is filled with synthetic.
    seed
        Seed of the choice among more windows than are wanted.

    Returns
    -------
    pyarrow.Table
        Real rows, then synthetic ones, each in their order; chosen rows lie on no grid, so no
        stride is said of them.

    Raises
    ------
    InputError
        There are too few windows of a shape, both kinds together.
    """
    rng = np.random.default_rng(seed)

    def choose(table: pa.Table, shape: str, most: int) -> npt.NDArray[np.int64]:
        there = np.flatnonzero(np.asarray(table["shape"]) == shape_code(shape))
        return rng.choice(there, min(most, len(there)), replace=False)

    first: list[npt.NDArray[np.int64]] = []
    second: list[npt.NDArray[np.int64]] = []
    for shape, count in counts.items():
        first.append(choose(real, shape, min(real_at_most, count)))
        second.append(choose(synthetic, shape, count - len(first[-1])))
        found = len(first[-1]) + len(second[-1])
        if found < count:
            raise InputError(
                f"{shape}: {found} windows, real and synthetic, where {count} are wanted; "
                "generate more"
            )
    parts = ((real, first), (synthetic, second))
    return joined([table.take(pa.array(np.sort(np.concatenate(rows)))) for table, rows in parts])
