"""Numbers as words: each number rounded by itself to one entry of a fixed list.

A language model with a small vocabulary reads a number best as one token, and a large one reads
the same text as the number that it is. Levels are rounded to hundredths; durations and rates to
the preferred numbers of the E24 series (IEC 60063), 24 steps a decade, with their sign. No step
falls on a threshold of the nine rules: 0.05 and 0.2 lie inside a step, so no entry is a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["LEVEL", "PREFERRED", "RATE", "SPAN", "Scale"]

PREFERRED: Final = (
    "1.0", "1.1", "1.2", "1.3", "1.5", "1.6", "1.8", "2.0", "2.2", "2.4", "2.7", "3.0",
    "3.3", "3.6", "3.9", "4.3", "4.7", "5.1", "5.6", "6.2", "6.8", "7.5", "8.2", "9.1",
)  # fmt: skip
"""The E24 series; entry k stands for 10^(k / 24)."""

_STEPS: Final = len(PREFERRED)


@dataclass(frozen=True, eq=False)
class Scale:
    """A finite list of numbers, and the words they are written as.

    Attributes
    ----------
    words : tuple of str
        In the order of `values`.
    values : ndarray, shape (n,)
        Increasing.
    log_range : tuple of int or None
        Decades (from, to) of a logarithmic scale; None for hundredths.
    signed : bool
        Whether a logarithmic scale has negative numbers.
    pattern : str
        Regular expression that matches each of `words` and nothing else.
    """

    words: tuple[str, ...]
    values: npt.NDArray[np.float64]
    log_range: tuple[int, int] | None
    signed: bool
    pattern: str

    def codes(self, x: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """Return the positions in `words` of numbers, each rounded (and clamped) by itself."""
        number = np.asarray(x, dtype=np.float64)
        if self.log_range is None:
            hundredths = np.rint(np.nan_to_num(number) * 100)
            return np.clip(hundredths, 0, len(self.words) - 1).astype(np.intp)
        low, high = self.log_range
        size = np.maximum(np.abs(number), 10.0 ** (low - 1))
        step = np.rint(np.log10(size) * _STEPS).astype(np.intp) - low * _STEPS
        step = np.clip(step, -1, (high - low) * _STEPS - 1) + 1  # 0: too small to be told from 0
        if not self.signed:
            return np.asarray(np.where(number > 0, step, 0))
        return np.asarray((high - low) * _STEPS + np.where(number < 0, -step, step))

    def write(self, x: npt.ArrayLike) -> npt.NDArray[np.object_]:
        """Return the words of numbers, in an array of the same shape."""
        return np.array(self.words, dtype=object)[self.codes(x)]


def _hundredths() -> Scale:
    words = tuple(f"{k / 100:.2f}" for k in range(101))
    return Scale(words, np.arange(101) / 100, None, False, r"(?:0\.\d\d|1\.00)(?!\d)")


def _preferred(low: int, high: int, signed: bool) -> Scale:
    decades = range(low, high)
    positive = [f"{mantissa}e{d:+d}" for d in decades for mantissa in PREFERRED]
    values = 10.0 ** (low + np.arange(len(positive)) / _STEPS)
    mantissa = "(?:" + "|".join(PREFERRED).replace(".", r"\.") + ")"
    exponent = "e(?:" + "|".join(f"{d:+d}" for d in decades).replace("+", r"\+") + r")(?!\d)"
    if not signed:
        pattern = rf"(?:{mantissa}{exponent}|0(?![.\d]))"
        return Scale(("0", *positive), np.array([0, *values]), (low, high), False, pattern)
    words = [f"-{w}" for w in reversed(positive)] + ["0"] + [f"+{w}" for w in positive]
    pattern = rf"(?:[-+]{mantissa}{exponent}|0(?![.\d]))"
    both = np.concatenate([-values[::-1], [0], values])
    return Scale(tuple(words), both, (low, high), True, pattern)


LEVEL: Final = _hundredths()
"""E, I, S, V and drift: 0.00 to 1.00; beyond is clamped."""
SPAN: Final = _preferred(-2, 6, signed=False)
"""Time steps and durations [s]: 0, and from 0.01 s to 11 days."""
RATE: Final = _preferred(-5, 2, signed=True)
"""First derivatives [1/s] and second [1/s²]: 0, and from 1e-5 to 1e2 of either sign."""
