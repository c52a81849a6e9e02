"""Progress and warnings go through `logging`, so that who embeds the package decides."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["LOGGER", "Progress", "say"]

LOGGER: Final = logging.getLogger("eisv_lumen")
LOGGER.addHandler(logging.NullHandler())


def say(text: str) -> None:
    """Log a line of progress; the command line prints it on stderr."""
    LOGGER.info("%s", text)


class Progress:
    """Say how far a long step is, every few seconds and at its end, with the time that is left.

    A line suits a terminal and a log file alike.

    Parameters
    ----------
    doing
        What is done, as in "embedding".
    every
        Seconds between lines.

    Examples
    --------
    >>> from eisv_lumen.core.log import Progress
    >>> progress = Progress("embedding")
    >>> for done in range(1, 4):
    ...     progress(done, 3)
    """

    def __init__(self, doing: str, every: float = 10.0) -> None:
        self._doing, self._every = doing, every
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` are done."""
        now = time.monotonic()
        if now - self._last < self._every or not done:
            return
        self._last = now
        left = (now - self._start) * (total - done) / done
        say(f"{self._doing}: {done:,} of {total:,} ({done / total:.0%}), {clock(left)} left")


def clock(seconds: float) -> str:
    """Write a time to wait, as in 40 s, 3 min, 1.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
