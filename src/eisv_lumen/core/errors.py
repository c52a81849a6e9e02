"""The one error that a user's input can cause."""

from __future__ import annotations

__all__ = ["InputError"]


class InputError(ValueError):
    """Input that cannot be used; the message names the file, row or field, and the mend.

    The command line prints the message alone and exits with 2. Anything else that escapes is a
    defect of ours and keeps its traceback. The three files that the published metric is made of
    (`expression/vocabulary`, `law`, `coherence`) know no others: they raise ValueError, which this
    is, too.
    """
