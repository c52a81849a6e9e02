"""What was dropped, repeated, moved or guessed is said: one Python warning, one line at the CLI."""

from __future__ import annotations

import warnings

__all__ = ["Notice", "notice"]


class Notice(UserWarning):
    """Something in the data was not as it should be, and the work went on all the same.

    Turn it into an error with `warnings.simplefilter("error", Notice)`.
    """


def notice(text: str) -> None:
    """Warn once more, even if the same words were said before."""
    with warnings.catch_warnings():
        if not any(f[0] == "error" and issubclass(Notice, f[2]) for f in warnings.filters):
            warnings.filterwarnings("always", category=Notice)
        warnings.warn(text, Notice, stacklevel=3)
