"""Whose a log is: owners and states are compared, never the names of files."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hub_double import HubDouble, Repo
from samples import FAST
from test_growth import build, part, series, source

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.notices import Notice
from eisv_lumen.hub.syncing.growth import parquet_bytes
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.trajectory.series import Series

ID = "ada/mine"
LOG = replace(series(120), agent="lumen")


def nameless(log: Series, source: str = "log") -> Series:
    return replace(log, agent="", source=source)


def later(log: Series, seconds: float, seed: int = 5) -> Series:
    """Another robot's log, that begins some time after this one has ended."""
    other = series(60, seed, agent=log.agent)
    return replace(other, t=other.t - other.t[0] + log.t[-1] + seconds, source=log.source)


def published(here: HubDouble, *logs: Series) -> Repo:
    repo = here.store.create("dataset", ID)
    repo.write({"data/train-00000.parquet": parquet_bytes(build(list(logs), 10, 5))}, "as it was")
    return repo


def grow(*logs: Series, **how: Any) -> Any:
    return sync(ID, source(*logs), backoff=FAST, **how)


def windows(repo: Repo) -> set[tuple[Any, ...]]:
    tables = [pq.read_table(io.BytesIO(d)) for p, d in repo.files().items() if "train" in p]
    rows = [
        (agent, *times)
        for table in tables
        for agent, times in zip(table["agent"].to_pylist(), table["t"].to_pylist(), strict=True)
    ]
    assert len(set(rows)) == len(rows)
    return set(rows)


def wanted(*logs: Series) -> set[tuple[Any, ...]]:
    table = build(list(logs), 10, 5)
    return {
        (a, *t) for a, t in zip(table["agent"].to_pylist(), table["t"].to_pylist(), strict=True)
    }


@pytest.mark.parametrize("name", ["renamed", "rotated", "cut", "nameless", "under another name"])
def test_the_same_log_in_another_file_goes_on(
    here: HubDouble, name: str, recwarn: pytest.WarningsRecorder
) -> None:
    repo = published(here, part(LOG, 0, 60))
    file = {
        "renamed": replace(LOG, source="week-2"),
        "rotated": replace(part(LOG, 60, 120), source="log.1"),
        "cut": part(LOG, 58, 120),
        "nameless": nameless(LOG),
        "under another name": replace(LOG, agent="Lumen"),
    }[name]
    assert grow(file).windows == {"default": 12}
    assert windows(repo) == wanted(LOG)
    said = " ".join(str(one.message) for one in recwarn)
    told = "its states are those published of agent 'lumen'" in said
    assert told == (name in ("nameless", "under another name"))
    assert grow(file).status == "unchanged" and windows(repo) == wanted(LOG)


def test_an_old_part_of_the_log_without_a_name_is_no_new_agent(here: HubDouble) -> None:
    repo = published(here, LOG)
    assert grow(nameless(part(LOG, 20, 70))).status == "unchanged"
    assert windows(repo) == wanted(LOG)


def test_two_robots_in_one_file_stay_two(here: HubDouble) -> None:
    other = replace(series(90, 8), agent="other", source=LOG.source)
    repo = published(here, part(LOG, 0, 60), part(other, 0, 60))
    grow(LOG, other)
    assert windows(repo) == wanted(LOG, other)


@pytest.mark.parametrize("published_name", ["", "lumen"])
def test_other_states_at_the_same_times_are_another_robots(
    here: HubDouble, published_name: str
) -> None:
    """The second log is longer, as long, or shorter than the first, or lies within it."""
    first = replace(part(LOG, 0, 60), agent=published_name)
    repo = published(here, first)
    second = replace(series(90, 8), agent=published_name)
    for start, stop in ((0, 90), (0, 60), (10, 40), (45, 75)):
        with pytest.raises(InputError, match=r"are others than those published.*--agent"):
            grow(part(second, start, stop))
    assert repo.head.title == "as it was"
    if not published_name:
        assert grow(second, agent="second").windows == {"default": 17}
        assert windows(repo) == wanted(first, replace(second, agent="second"))


def test_a_nameless_log_that_begins_long_after_is_asked_for_a_name(here: HubDouble) -> None:
    first = nameless(part(LOG, 0, 60))
    repo = published(here, first)
    near, far = later(first, 1.0), later(first, 600.0)
    with pytest.raises(InputError, match="names no agent, holds none of the published states"):
        grow(far)
    assert repo.head.title == "as it was"
    assert grow(far, agent="b", dry_run=True).windows == {"default": 11}
    assert grow(far, agent="", dry_run=True).windows == {"default": 13 - 1}
    assert grow(near).windows == {"default": 12}


def test_states_from_before_the_dataset_are_told_of(here: HubDouble) -> None:
    published(here, part(LOG, 30, 90))
    with pytest.warns(Notice, match="30 states before the first published window are left out"):
        grow(LOG)
    with pytest.raises(InputError, match="all before the first published one"):
        grow(part(LOG, 0, 25))


def test_one_agent_in_two_series_is_refused(here: HubDouble) -> None:
    published(here, part(LOG, 0, 60))
    with pytest.raises(InputError, match="two series of one agent"):
        grow(part(LOG, 50, 70), part(LOG, 70, 120))
    with pytest.raises(InputError, match="the log names 2 agents itself"):
        grow(LOG, series(40, 3, agent="b"), agent="c")


def test_a_log_that_was_rounded_is_the_same(here: HubDouble) -> None:
    repo = published(here, part(LOG, 0, 60))
    text = replace(LOG, t=np.round(LOG.t, 6), X=np.round(LOG.X, 7))
    assert grow(text).windows == {"default": 12}
    assert len(windows(repo)) == len(wanted(LOG))
