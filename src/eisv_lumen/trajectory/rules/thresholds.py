"""The thresholds of the nine rules (`reference/eisv.md` §3), the one place where they stand."""

from typing import Final

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
