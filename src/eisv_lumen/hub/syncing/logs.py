"""Whether a log goes on from what is published: owners and states are compared, never names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ..publishing.client import Snapshot
from .growth import LastWindow, has_digest, is_far, is_same
from .shards import Shard, Shards

if TYPE_CHECKING:
    from ...trajectory.series import Series
    from ...trajectory.sources.common import Source as States
    from .diff import Published

__all__ = ["Logs"]


@dataclass
class Logs:
    """The series of a log, held against one revision of a dataset.

    Attributes
    ----------
    sure
        Whether the user has said whose the log is.
    say
        Told of what is assumed or left out.
    """

    shards: Shards
    there: Snapshot
    configs: Sequence[Published]
    sure: bool
    say: Callable[[str], None]
    _found: dict[tuple[int, str], LastWindow] = field(default_factory=dict)

    def identified(self, states: States) -> States:
        """Return the log with its owners as the dataset calls them.

        Raises
        ------
        InputError
            A series has other states than are published at the same times of the same owner; or
            nobody says whose it is, and it begins long after the published ones.
        """
        named = [self._named(series) for series in states.series]
        owners = [series.agent for series in named]
        if twice := sorted({owner for owner in owners if owners.count(owner) > 1}):
            raise InputError(
                f"{_called(twice[0])}: two series of one agent; join them in order of time"
            )
        for series in named:
            self._check(series)
        return replace(states, series=named)

    def last(self, config: Published, states: States) -> dict[str, LastWindow]:
        """Return the last published window of each of the log's owners."""
        found = {}
        for series in states.series:
            last = self._last(self.configs.index(config), series.agent, series)
            if last is not None:
                found[series.agent] = last
        return found

    def _named(self, series: Series) -> Series:
        """Return a series under the name that its states have in the dataset already, if any."""
        published = [config.owners() for config in self.configs]
        if not len(series) or any(series.agent in owners for owners in published):
            return series
        for number, owners in enumerate(published):
            for owner, facts in owners.items():
                low = np.searchsorted(series.t, facts.last - 1e-5)
                if low == len(series) or series.t[low] > facts.last + 1e-5:
                    reaches = facts.first <= series.t[-1] <= facts.reach
                    if series.agent or not reaches:
                        continue
                    window = self._at(number, owner, float(series.t[-1]))
                else:
                    window = self._last(number, owner, series)
                if window is not None and is_same(series, window.t, window.X):
                    self.say(
                        f"{_called(series.agent)}: its states are those published of "
                        f"{_called(owner)}, so its windows go on from them"
                    )
                    return replace(series, agent=owner)
        return series

    def _check(self, series: Series) -> None:
        for number, config in enumerate(self.configs):
            facts = config.owners().get(series.agent)
            if facts is None or not len(series):
                continue
            early = int(np.searchsorted(series.t, facts.first))
            if early >= len(series):
                raise InputError(self._stranger(series, "all before the first published one"))
            reaches = series.t[-1] >= facts.last
            seen = (
                self._last(number, series.agent, series)
                if reaches
                else self._at(number, series.agent, float(series.t[-1]))
            )
            if seen is None:
                continue
            same = is_same(series, seen.t, seen.X)
            if same is False:
                raise InputError(self._stranger(series, "others than those published then"))
            if same is None and not series.agent and not self.sure and is_far(series, seen.t):
                raise InputError(
                    f"{self.shards.id}: the log names no agent, holds none of the published states "
                    "and begins long after them, so it may be another's: say whose it is with "
                    "--agent (as published: --agent ''), or give a log that overlaps"
                )
            if early > len(seen.t):
                self.say(
                    f"{_called(series.agent)}: {early:,} states before the first published window "
                    "are left out"
                )

    def _stranger(self, series: Series, how: str) -> str:
        return (
            f"{self.shards.id}: the states of {_called(series.agent)} from "
            f"{_time(series.t[0])} to {_time(series.t[-1])} are {how}: if the log is another "
            "agent's, name it with --agent; if it was changed, publish it again"
        )

    def _last(self, number: int, owner: str, series: Series) -> LastWindow | None:
        """Return an owner's last published window, of the log itself where it holds it."""
        if (number, owner) in self._found:
            return self._found[number, owner]
        config = self.configs[number]
        facts = config.owners().get(owner)
        if facts is None:
            return None
        found = None
        window = next((s.said["window"] for s in config.shards if "window" in s.said), None)
        if facts.digest is not None and window is not None:
            found = has_digest(series, window, facts.last, facts.last_end, facts.digest)
        if found is None:
            found = self._at(number, owner, facts.last)
        if found is not None:
            self._found[number, owner] = found
        return found

    def _at(self, number: int, owner: str, until: float) -> LastWindow | None:
        """Read the latest published window of an owner that starts by a time."""
        best: LastWindow | None = None
        for shard in self._latest_first(number, owner, until):
            if best is not None and shard.owners[owner].last < best.t[0]:
                break
            row = self.shards.window_at(self.there, shard.path, owner, until)
            if row is None:
                continue
            found = LastWindow.of(row)
            if best is None or (found.t[0], found.t[-1]) > (best.t[0], best.t[-1]):
                best = found
        return best

    def _latest_first(self, number: int, owner: str, until: float) -> list[Shard]:
        """Return the shards that may hold an owner's windows by a time."""
        may = [
            shard
            for shard in self.configs[number].shards
            if owner in shard.owners and shard.owners[owner].first <= until
        ]
        return sorted(may, key=lambda shard: shard.owners[owner].last, reverse=True)


def _called(owner: str) -> str:
    return f"agent {owner!r}" if owner else "the log that names no agent"


def _time(t: float) -> str:
    return str(np.datetime64(round(t * 1000), "ms")) + "Z"
