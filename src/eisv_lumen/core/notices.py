"""What was dropped, repeated, moved or guessed is said: a Python warning, a line on stderr."""

from __future__ import annotations

import warnings

__all__ = ["Notice", "notice"]


class Notice(UserWarning):
    """Something in the data was not as it should be, and the work went on all the same.

    Turn it into an error with `warnings.simplefilter("error", Notice)`.
    """


def notice(text: str) -> None:
    """Warn whoever called the caller."""
    warnings.warn(text, Notice, stacklevel=3)
