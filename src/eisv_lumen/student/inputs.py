"""Windows in a file, as keywords for `reader.Student.speak`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError

__all__ = ["windows_of_file"]


def windows_of_file(path: Path, window: int) -> list[dict[str, Any]]:
    """Read summaries, or the last states of each series.

    Parameters
    ----------
    path
        Summaries (JSON lines, labelled or not), or states in any form that `trajectory.sources`
        reads.
    window
        States that are taken of each series.

    Returns
    -------
    list of dict
        `{"summary": …}` or `{"series": …}` for each.

    Raises
    ------
    InputError
        The file cannot be used, or no series is long enough.
    """
    if path.suffix == ".jsonl":
        from ..trajectory.sources.summaries import read_unlabelled

        return [{"summary": row} for row in read_unlabelled(path).tolist()]
    from ..trajectory.sources import read_source

    found = []
    for s in read_source(path).series:
        if len(s) < window:
            continue
        columns = [s.t[:, None], s.X]
        if s.ethical_drift is not None:
            columns.append(s.ethical_drift[:, None])
        found.append({"series": np.hstack(columns)[-window:].tolist()})
    if not found:
        raise InputError(f"{path}: no series has the {window} states of a window")
    return found
