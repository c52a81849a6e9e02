"""What the dataset's card promises, looked up in the data before it is said."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ...trajectory.dataset.splits import SPLITS, owners
from ...trajectory.validation import check_seconds

__all__ = ["check_disjoint", "check_range"]

Tables = Mapping[str, Mapping[str, pa.Table]]
"""Rows of the typed dataset by configuration and split."""


def check_disjoint(tables: Tables, where: str) -> None:
    """Refuse splits that share a state, within a configuration or across them.

    A state is known by whose it is and its time. Whose it is does not hang on names alone: two
    agents with equal states are one, see `splits.owners`.

    Parameters
    ----------
    tables
        What is to be published.
    where
        What messages call it.

    Raises
    ------
    InputError
        A state is in two splits; the message names both, agent and time.
    """
    parts = [(f"{c}/{s}", s, table) for c, splits in tables.items() for s, table in splits.items()]
    columns = ["source", "agent", "t", *EISV_DIMS]
    whole = pa.concat_tables([table.select(columns) for _, _, table in parts])
    lists = whole["t"].combine_chunks()
    rows = np.repeat(np.arange(len(whole)), np.asarray(lists.value_lengths()))
    time, owner = np.rint(np.asarray(lists.flatten()) * 1e6) / 1e6, owners(whole)[rows]
    sizes = [len(table) for _, _, table in parts]
    part = np.repeat(np.arange(len(parts)), sizes)[rows]
    side = np.array([SPLITS.index(split) for _, split, _ in parts])[part]
    order = np.lexsort((side, time, owner))
    owner, time, side = owner[order], time[order], side[order]
    shared = (np.diff(owner) == 0) & (np.diff(time) == 0) & (np.diff(side) != 0)
    if shared.any():
        i = int(np.argmax(shared))
        one, other = order[i], order[i + 1]
        agent = whole["agent"][int(rows[one])].as_py()
        raise InputError(
            f"{where}: {parts[part[one]][0]} and {parts[part[other]][0]} share a state (agent "
            f"{agent!r}, t = {time[i]:.6f}); build all configurations again, in one command: "
            "eisv-lumen data build SOURCE --out RUN/dataset --split --window N --window M"
        )


def check_range(tables: Tables, where: str) -> None:
    """Refuse states outside [0, 1], and times that are not in seconds.

    Parameters
    ----------
    tables, where
        As for `check_disjoint`.

    Raises
    ------
    InputError
        There is one; the message names its shard, row and column.
    """
    for config, splits in tables.items():
        for split, table in splits.items():
            for row, t in enumerate(table["t_end"].to_pylist()):
                check_seconds(t, f"{where}: {config}/{split}, row {row}")
            for dim in EISV_DIMS:
                lists = table[dim].combine_chunks()
                values = lists.flatten().to_numpy(zero_copy_only=False)
                wrong = ~((values >= 0) & (values <= 1))
                if wrong.any():
                    i = int(np.argmax(wrong))
                    ends = np.cumsum(lists.value_lengths())
                    row = int(np.searchsorted(ends, i, "right"))
                    raise InputError(
                        f"{where}: {config}/{split}, row {row}: {dim} is {values[i]}, not in "
                        "[0, 1]; build the dataset again from its states, which clamps them, or "
                        "mend the row"
                    )
