"""What a visitor reads: dimensions and shapes in plain words, with the rules' own thresholds."""

from __future__ import annotations

from eisv_lumen.trajectory.rules.thresholds import BASIN_RANGE, DRIFT_LIMIT, RATE_LIMIT, SPIKE_RANGE

__all__ = ["DIMENSIONS", "SHAPE_MEANS", "plain"]

DIMENSIONS = {
    "E": ("Energy", "how much there is to act with; Lumen's warmth"),
    "I": ("Information integrity", "how clear its signals are; Lumen's clarity"),
    "S": ("Entropy", "how unsettled it is; 1 − stability"),
    "V": ("Void", "how far from present; (1 − presence) × 0.3"),
}

SHAPE_MEANS = {
    "basin_transition_down": f"Energy moved by at least {BASIN_RANGE:g}, and ended lower.",
    "basin_transition_up": f"Energy moved by at least {BASIN_RANGE:g}, and ended higher.",
    "entropy_spike_recovery": (
        f"Entropy swung by at least {SPIKE_RANGE:g}, with its peak inside the window: up and back."
    ),
    "drift_dissonance": f"The agent's ethical drift went above {DRIFT_LIMIT:g}.",
    "void_rising": f"Void grew, on average by more than {RATE_LIMIT:g} a second.",
    "rising_entropy": f"Entropy grew, on average by more than {RATE_LIMIT:g} a second.",
    "falling_energy": f"Energy fell, on average by more than {RATE_LIMIT:g} a second.",
    "convergence": (
        f"Everything moves, but slowly and smoothly: every rate of change stays below "
        f"{RATE_LIMIT:g}."
    ),
    "settled_presence": "None of the other eight rules holds: a quiet window, or an erratic one.",
}


_NAMES = {"an_hour_like_lumens": "an hour of a log like Lumen’s"}


def plain(name: str) -> str:
    """Return the name of a shape, a word or an example as prose shows it.

    Examples
    --------
    >>> plain("void_rising")
    'void rising'
    """
    return _NAMES.get(name, name.replace("_", " "))
