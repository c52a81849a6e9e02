"""The thresholds of the rules (`reference/eisv.md` §3), and the rules as the kernels take them.

The numbers stand here and nowhere else; the entries of `expression/shapes.py` refer to them by
name. Kernels get them as arguments, never as globals: numba freezes a global into the code that it
caches, and would answer an edit of this file with the old number.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ...expression.shapes import ENTRIES, QUANTITIES, Limit, Shape

BASIN_RANGE: Final = 0.2
"""Least max E − min E of a basin transition."""
SPIKE_RANGE: Final = 0.2
"""Least max S − min S of an entropy spike."""
DRIFT_LIMIT: Final = 0.3
"""Ethical drift above which a window is dissonant."""
RATE_LIMIT: Final = 0.05
"""Bound on a rate of change [1/s] or on its own rate [1/s²]."""
STILL: Final = 1e-9
"""Rate [1/s] up to which a state counts as not moving at all."""

NAMED: Final = {
    "BASIN_RANGE": BASIN_RANGE,
    "SPIKE_RANGE": SPIKE_RANGE,
    "DRIFT_LIMIT": DRIFT_LIMIT,
    "RATE_LIMIT": RATE_LIMIT,
    "STILL": STILL,
}
RELATIONS: Final = ("≥", ">", "<")


class Screen(NamedTuple):
    """What most windows are decided by, without measuring them.

    A window that reaches none of these limits fulfils no rule but the last two: it is `calm` if
    all its rates stay between `still` and `fast` and theirs below `bent`, else it is the `rest`.

    Attributes
    ----------
    range_E, range_S, drift, steep, fast, bent, still
        The least that any rule asks of the ranges of E and S, of ethical drift, of a mean rate of
        −E, S or V [1/s]; what the calm rule asks of rates [1/s] and of theirs [1/s²].
    calm, rest
        Codes of the last two rules' shapes; `calm` is −1 where the rules do not allow a screen, and
        every window is measured.
    narrow
        Row of the first rule that a window can fulfil whose ranges are below their limits.
    """

    range_E: float
    range_S: float
    drift: float
    steep: float
    fast: float
    bent: float
    still: float
    calm: int
    rest: int
    narrow: int


def limit(value: Limit) -> float:
    """Return the number that a limit stands for.

    Raises
    ------
    KeyError
        There is no such threshold.

    Examples
    --------
    >>> limit("-RATE_LIMIT"), limit(0.7)
    (-0.05, 0.7)
    """
    if not isinstance(value, str):
        return float(value)
    return -NAMED[value[1:]] if value.startswith("-") else NAMED[value]


def rule_table(entries: Sequence[Shape] = ENTRIES) -> npt.NDArray[np.float64]:
    """Return the rules as rows (code, quantity, relation, limit, row of the next rule).

    Rules stand in the order in which they are tried, a condition in each row; quantity and
    relation are positions in `QUANTITIES` and `RELATIONS`. A rule without conditions is one row
    whose quantity is −1.
    """
    rows: list[tuple[float, ...]] = []
    for entry in entries:
        following = len(rows) + max(1, len(entry.rule))
        if not entry.rule:
            rows.append((entry.code, -1, 0, 0, following))
        for quantity, relation, bound in entry.rule:
            asked = QUANTITIES.index(quantity), RELATIONS.index(relation)
            rows.append((entry.code, *asked, limit(bound), following))
    return np.array(rows, dtype=np.float64)


def screen(entries: Sequence[Shape] = ENTRIES) -> Screen:
    """Return the screen that the rules allow.

    They allow one where the last two are the calm rule and the rest, where each of the others has a
    condition that a window within the limits cannot meet, and where none of them asks for what the
    calm rule's marks only compare with its own limits.
    """
    *others, calm, rest = entries
    asked = {(quantity, relation): limit(bound) for quantity, relation, bound in calm.rule}
    fast, bent, still = (
        asked.pop(key, 0.0) for key in (("max_first", "<"), ("max_second", "<"), ("max_first", ">"))
    )
    usual = asked == {("n_second", "≥"): 1.0} and len(calm.rule) == 4 and not rest.rule
    # A rough second derivative is near enough only where rates are not far above its limit.
    allowed = usual and 0.0 < still < fast < 100 * bent
    narrow, counting = 0, True
    least = {"range_E": inf, "range_S": inf, "max_drift": inf, "steep": inf}
    for entry in others:
        found = [bound for bound in map(_screened, entry.rule) if bound is not None]
        allowed &= bool(found) and not any(map(_is_marked_otherwise, entry.rule))
        for name, bound in found:
            least[name] = min(least[name], bound)
        counting &= any(name.startswith("range") for name, _ in found)
        narrow += len(entry.rule) if counting else 0
    return Screen(
        least["range_E"], least["range_S"], least["max_drift"], least["steep"], fast, bent, still,
        calm.code if allowed else -1, rest.code, narrow if allowed else 0,
    )  # fmt: skip


def _screened(condition: tuple[str, str, Limit]) -> tuple[str, float] | None:
    """Return the limit of the screen that keeps a condition from holding, if there is one."""
    quantity, relation, bound = condition
    value = limit(bound)
    if quantity in ("range_E", "range_S") and relation != "<" and value > 0:
        return quantity, value
    if quantity == "max_drift" and relation == ">" and value >= 0:
        return quantity, value
    rises = quantity in ("mean_d_S", "mean_d_V") and relation != "<" and value > 0
    falls = quantity == "mean_d_E" and relation == "<" and value < 0
    return ("steep", abs(value)) if rises or falls else None


def _is_marked_otherwise(condition: tuple[str, str, Limit]) -> bool:
    quantity, relation, _ = condition
    return quantity in ("n_second", "max_first", "max_second") or (
        quantity == "max_drift" and relation != ">"
    )


RULES: Final = rule_table()
"""The rules, as the kernels take them; not to be written to."""
RULES.setflags(write=False)
SCREEN: Final = screen()
