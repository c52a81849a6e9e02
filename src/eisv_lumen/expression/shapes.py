"""The shapes, one entry each: the place where a shape is added, and the only one.

An entry has everything that differs between shapes. Rules, kernels, the law, synthetic windows,
the student's reader, the hints to Lumen, words and colours are all made from it. The file is pure
data and needs nothing but Python, because it travels with the published metric.

Entries stand in the order in which their rules are tried. `code` is the shape's position in
`SHAPES` and in the published datasets' class labels: a new shape takes the next number, wherever
its rule stands. Numbers that rules share stand in `trajectory/rules/thresholds.py` and are
referred to by name, with a minus in front where the bound is negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["ENTRIES", "QUANTITIES", "Condition", "Movement", "Shape"]

Limit = float | str
"""A number, or the name of one of the thresholds, with or without a minus."""
Condition = tuple[str, Literal["≥", ">", "<"], Limit]
"""One comparison of a rule: one of `QUANTITIES`, a relation, a limit."""

QUANTITIES: Final = (
    *(f"{what}_{dim}" for what in ("range", "change", "mean_d", "peak") for dim in "EISV"),
    "max_drift", "n_second", "max_first", "max_second",
)  # fmt: skip
"""What a rule can ask of a window.

range_x : greatest less least value. change_x : last less first. mean_d_x : mean first derivative
[1/s]. peak_x : states between the first greatest value and the nearer end. max_drift : greatest
ethical drift. n_second : number of second derivatives. max_first, max_second : greatest absolute
first [1/s] and second [1/s²] derivative of any dimension.
"""


@dataclass(frozen=True, slots=True)
class Movement:
    """What moves in a synthetic window of a shape; all else is a level and a little noise.

    Attributes
    ----------
    kind
        `rise` or `fall` of one dimension; `bump`: up and back, on its level; `drift`: a bump of
        ethical drift; `settle`: one step, too fast for a convergence; `approach`: ever slower
        towards a level.
    dim
        One of E, I, S, V, for the first three kinds.
    least, most
        Bounds of the change; a bump is at least 0.1 more than the least. Without `most`: up to 0.3
        more than the least, within the range.
    rate
        The mean rate [1/s] that the change must exceed, in place of `least`.
    """

    kind: Literal["rise", "fall", "bump", "drift", "settle", "approach"]
    dim: str = ""
    least: Limit = 0.0
    most: Limit | None = None
    rate: Limit = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape.

    Attributes
    ----------
    name, code
        Its name, and its position in `SHAPES`.
    rule
        Conditions that must all hold, cheapest first; the last entry's rule has none.
    means
        What a visitor reads; {NAME} is a threshold.
    tokens
        Its affine tokens.
    patterns
        P(single, pair, triple, repetition, question); sums to 1.
    trigger
        What Lumen gets when the shape is seen: a reason, and a number of tokens (1–3).
    movement
        How its synthetic windows move.
    spacing
        Time between the states of a synthetic window of 20 [s].
    least_states
        States that its shortest window has.
    real_share
        Its share of the 21,449 published real windows (rounded there: sums to 1.0001).
    colors
        On a light and on a dark page.
    """

    name: str
    code: int
    rule: tuple[Condition, ...]
    means: str
    tokens: tuple[str, ...]
    patterns: tuple[float, float, float, float, float]
    trigger: tuple[str, int]
    movement: Movement
    spacing: float = 1.0
    least_states: int = 2
    real_share: float = 0.0
    colors: tuple[str, str] = ("#64748b", "#94a3b8")


ENTRIES: Final = (
    Shape(
        name="basin_transition_down",
        code=3,
        rule=(("range_E", "≥", "BASIN_RANGE"), ("mean_d_E", "<", 0.0), ("change_E", "<", 0.0)),
        means="Energy moved by at least {BASIN_RANGE:g}, and ended lower.",
        tokens=("releasing", "threshold", "boundary"),
        patterns=(0.20, 0.30, 0.30, 0.10, 0.10),
        trigger=("basin_shift_down", 3),
        movement=Movement("fall", "E", least="BASIN_RANGE", most=0.7),
        real_share=0.0147,
        colors=("#dc2626", "#f87171"),
    ),
    Shape(
        name="basin_transition_up",
        code=4,
        rule=(("range_E", "≥", "BASIN_RANGE"), ("mean_d_E", ">", 0.0), ("change_E", ">", 0.0)),
        means="Energy moved by at least {BASIN_RANGE:g}, and ended higher.",
        tokens=("emergence", "reaching", "warmth", "return"),
        patterns=(0.15, 0.30, 0.35, 0.10, 0.10),
        trigger=("basin_shift_up", 3),
        movement=Movement("rise", "E", least="BASIN_RANGE", most=0.7),
        real_share=0.0171,
        colors=("#16a34a", "#4ade80"),
    ),
    Shape(
        name="entropy_spike_recovery",
        code=5,
        rule=(("range_S", "≥", "SPIKE_RANGE"), ("peak_S", ">", 0)),
        means=(
            "Entropy swung by at least {SPIKE_RANGE:g}, with its peak inside the window: "
            "up and back."
        ),
        tokens=("ripple", "return", "holding", "reflection"),
        patterns=(0.10, 0.30, 0.30, 0.20, 0.10),
        trigger=("spike_recovery", 2),
        movement=Movement("bump", "S", least="SPIKE_RANGE", most=0.5),
        least_states=3,
        real_share=0.0491,
        colors=("#d97706", "#fbbf24"),
    ),
    Shape(
        name="drift_dissonance",
        code=6,
        rule=(("max_drift", ">", "DRIFT_LIMIT"),),
        means="The agent's ethical drift went above {DRIFT_LIMIT:g}.",
        tokens=("boundary", "questioning", "reflection"),
        patterns=(0.10, 0.20, 0.20, 0.10, 0.40),
        trigger=("ethical_drift_detected", 3),
        movement=Movement("drift"),
        colors=("#111827", "#f8fafc"),
    ),
    Shape(
        name="void_rising",
        code=7,
        rule=(("mean_d_V", ">", "RATE_LIMIT"),),
        means="Void grew, on average by more than {RATE_LIMIT:g} a second.",
        tokens=("reaching", "curiosity", "questioning", "threshold"),
        patterns=(0.20, 0.20, 0.20, 0.10, 0.30),
        trigger=("void_expansion", 2),
        movement=Movement("rise", "V", rate="RATE_LIMIT"),
        spacing=0.22,
        real_share=0.0034,
        colors=("#7c3aed", "#a78bfa"),
    ),
    Shape(
        name="rising_entropy",
        code=1,
        rule=(("mean_d_S", ">", "RATE_LIMIT"),),
        means="Entropy grew, on average by more than {RATE_LIMIT:g} a second.",
        tokens=("ripple", "emergence", "questioning", "curiosity"),
        patterns=(0.10, 0.20, 0.30, 0.10, 0.30),
        trigger=("entropy_shift", 3),
        movement=Movement("rise", "S", rate="RATE_LIMIT"),
        spacing=0.75,
        real_share=0.0149,
        colors=("#db2777", "#f472b6"),
    ),
    Shape(
        name="falling_energy",
        code=2,
        rule=(("mean_d_E", "<", "-RATE_LIMIT"),),
        means="Energy fell, on average by more than {RATE_LIMIT:g} a second.",
        tokens=("releasing", "stillness", "boundary", "reflection"),
        patterns=(0.30, 0.30, 0.10, 0.20, 0.10),
        trigger=("energy_decline", 2),
        # A fall as wide as a basin would be a transition.
        movement=Movement("fall", "E", rate="RATE_LIMIT", most="BASIN_RANGE"),
        spacing=0.18,
        real_share=0.0145,
        colors=("#92400e", "#d6a06a"),
    ),
    Shape(
        name="convergence",
        code=8,
        rule=(
            ("n_second", "≥", 1),
            ("max_first", "<", "RATE_LIMIT"),
            ("max_second", "<", "RATE_LIMIT"),
            ("max_first", ">", "STILL"),
        ),
        means=(
            "Everything moves, but slowly and smoothly: every rate of change stays below "
            "{RATE_LIMIT:g}."
        ),
        tokens=("stillness", "resonance", "return", "deep_listening"),
        patterns=(0.40, 0.30, 0.10, 0.15, 0.05),
        trigger=("approaching_attractor", 2),
        movement=Movement("approach"),
        least_states=3,
        real_share=0.4145,
        colors=("#0ea5a4", "#2dd4bf"),
    ),
    Shape(
        name="settled_presence",
        code=0,
        rule=(),
        means="No other rule holds: a quiet window, or an erratic one.",
        tokens=("stillness", "holding", "resonance", "deep_listening"),
        patterns=(0.40, 0.30, 0.10, 0.15, 0.05),
        trigger=("settled_dynamics", 1),
        movement=Movement("settle"),
        real_share=0.4719,
        colors=("#94a3b8", "#64748b"),
    ),
)
