"""Why a window has its shape: every rule, what it asked, what it found, and by how much.

The compiled kernel says which rule fires; this says why, for one window, in plain NumPy. The two
agree on every window: quantities are taken in the same order of operations, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ...expression.shapes import ENTRIES
from .thresholds import limit

__all__ = ["Condition", "Derivatives", "Explanation", "Rule", "derivatives", "explain"]

Floats = npt.NDArray[np.float64]
Relation = Literal["≥", ">", "<"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a rule.

    Attributes
    ----------
    quantity
        What is compared, in words.
    value, threshold
        What was found, and what it is compared with; both in `unit` ("" for a plain number).
    relation
        The condition holds where `value relation threshold`.
    """

    quantity: str
    value: float
    relation: Relation
    threshold: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the comparison is true."""
        if self.relation == "≥":
            return self.value >= self.threshold
        return self.value > self.threshold if self.relation == ">" else self.value < self.threshold

    @property
    def margin(self) -> float:
        """How far the value is on the right side of the threshold; negative on the wrong one."""
        distance = self.value - self.threshold
        return -distance if self.relation == "<" else distance


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the shape that it names, and the conditions that must all hold."""

    shape: str
    conditions: tuple[Condition, ...]

    @property
    def holds(self) -> bool:
        """Whether every condition holds; the last rule has none, and always holds."""
        return all(condition.holds for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The rules of one window, in the order in which they are tried."""

    rules: tuple[Rule, ...]

    @property
    def fired(self) -> int:
        """Position in `rules` of the first that holds."""
        return next(i for i, rule in enumerate(self.rules) if rule.holds)

    @property
    def shape(self) -> str:
        """The window's shape: that of the first rule that holds."""
        return self.rules[self.fired].shape


@dataclass(frozen=True, slots=True)
class Derivatives:
    """First and second derivatives of a window (`reference/eisv.md` §2).

    Attributes
    ----------
    t1 : ndarray, shape (m,)
        Times of the first derivatives [s]; a repeated time has none.
    first : ndarray, shape (m, 4)
        [1/s], in the order of `EISV_DIMS`.
    t2 : ndarray, shape (max(m − 1, 0),)
        Times of the second derivatives [s].
    second : ndarray, shape (max(m − 1, 0), 4)
        [1/s²].
    """

    t1: Floats
    first: Floats
    t2: Floats
    second: Floats


def derivatives(t: npt.ArrayLike, X: npt.ArrayLike) -> Derivatives:
    """Differentiate the states of one window.

    Parameters
    ----------
    t : array_like, shape (n,)
        Times [s], not decreasing.
    X : array_like, shape (n, 4)
        E, I, S, V.

    Examples
    --------
    >>> d = derivatives([0, 2, 2, 3], [[0.0] * 4, [0.5] * 4, [0.75] * 4, [1.0] * 4])
    >>> d.first[:, 0].tolist(), d.second[:, 0].tolist()
    ([0.25, 0.25], [0.0])
    """
    time, states = np.asarray(t, np.float64), np.asarray(X, np.float64)
    step = np.diff(time)
    moved = step > 0
    t1, dt = time[1:][moved], step[moved]
    first = np.diff(states, axis=0)[moved] / dt[:, None]
    # A first derivative is differentiated over the step that leads to it: over a repeated time
    # the state before it and the state of the derivative before it are stamped alike.
    return Derivatives(t1, first, t1[1:], np.diff(first, axis=0) / dt[1:, None])


def explain(
    t: npt.ArrayLike, X: npt.ArrayLike, ethical_drift: npt.ArrayLike | None = None
) -> Explanation:
    """Try the rules on one window (`reference/eisv.md` §3).

    Parameters
    ----------
    t : array_like, shape (n,)
        Times [s], not decreasing; n ≥ 2.
    X : array_like, shape (n, 4)
        E, I, S, V, finite.
    ethical_drift : array_like, shape (n,), optional
        Counts as 0 where it is not given.

    Returns
    -------
    Explanation
        Its `shape` is that of `classify` on the same states.

    Raises
    ------
    InputError
        Shapes do not fit, a value is not finite, or time decreases.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.tile([0.4, 0.8, 0.1, 0.03], (20, 1))
    >>> X[:, 0] += np.linspace(0, 0.3, 20)
    >>> found = explain(np.arange(20.0), X)
    >>> found.shape, found.fired
    ('basin_transition_up', 1)
    >>> [(c.quantity, round(c.margin, 3)) for c in found.rules[1].conditions]
    [('max E − min E', 0.1), ('mean dE/dt', 0.016), ('last E − first E', 0.3)]
    """
    found = _measured(*_checked(t, X, ethical_drift))
    rules = []
    for entry in ENTRIES:
        asked = (
            Condition(_WORDS[quantity][0], found[quantity], relation, limit(bound),
                      _WORDS[quantity][1])
            for quantity, relation, bound in entry.rule
        )  # fmt: skip
        rules.append(Rule(entry.name, tuple(asked)))
    return Explanation(tuple(rules))


_WORDS: Final = (
    {f"range_{x}": (f"max {x} − min {x}", "") for x in EISV_DIMS}
    | {f"change_{x}": (f"last {x} − first {x}", "") for x in EISV_DIMS}
    | {f"mean_d_{x}": (f"mean d{x}/dt", "1/s") for x in EISV_DIMS}
    | {f"peak_{x}": (f"peak of {x}, from the nearer end", "states") for x in EISV_DIMS}
    | {
        "max_drift": ("max ethical drift", ""),
        "n_second": ("number of second derivatives", ""),
        "max_first": ("largest |first derivative|", "1/s"),
        "max_second": ("largest |second derivative|", "1/s²"),
    }
)
"""What a person reads for each of `QUANTITIES`, and its unit."""


def _measured(t: Floats, X: Floats, drift: Floats) -> dict[str, float]:
    """Return all of `QUANTITIES` of a window."""
    d = derivatives(t, X)
    # Added up in time order, as the kernel does: pairwise summation may round differently.
    means = np.cumsum(d.first, axis=0)[-1] / len(d.first) if len(d.first) else np.zeros(4)
    peaks = X.argmax(0)
    columns = {
        "range": X.max(0) - X.min(0),
        "change": X[-1] - X[0],
        "mean_d": means,
        "peak": np.minimum(peaks, len(X) - 1 - peaks),
    }
    found = {
        f"{what}_{dim}": float(value)
        for what, values in columns.items()
        for dim, value in zip(EISV_DIMS, values, strict=True)
    }
    return found | {
        "max_drift": float(drift.max()),
        "n_second": float(len(d.second)),
        "max_first": float(np.abs(d.first).max(initial=0.0)),
        "max_second": float(np.abs(d.second).max(initial=0.0)),
    }


def _checked(
    t: npt.ArrayLike, X: npt.ArrayLike, drift: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    time, states = np.asarray(t, np.float64), np.asarray(X, np.float64)
    d = np.zeros_like(time) if drift is None else np.asarray(drift, np.float64)
    if time.ndim != 1 or len(time) < 2 or states.shape != (len(time), 4) or d.shape != time.shape:
        raise InputError(
            f"t {time.shape}, X {states.shape}, ethical_drift {d.shape}: they must be (n,), (n, 4) "
            f"with the columns {', '.join(EISV_DIMS)}, and (n,), with n ≥ 2"
        )
    finite = np.isfinite(time) & np.isfinite(states).all(1) & np.isfinite(d)
    if not finite.all():
        raise InputError(f"row {int(np.argmin(finite))}: not finite; drop or mend that row")
    back = np.flatnonzero(np.diff(time) < 0)
    if back.size:
        raise InputError(f"row {int(back[0]) + 1}: time decreases; sort the states by time")
    return time, states, d
