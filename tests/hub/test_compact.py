"""Grown shards are joined: the same rows, in one commit, and few files for ever."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_double import HubDouble, Repo
from hypothesis import given
from hypothesis import strategies as st
from samples import FAST
from test_growth import build, part, series, source

from eisv_lumen.hub.syncing.compact import MOST_GROWN, to_join
from eisv_lumen.hub.syncing.growth import parquet_bytes
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.trajectory.dataset.layouts import grown_number

pytestmark = pytest.mark.slow

ID = "ada/long"
LOG = series(60 + 5 * (MOST_GROWN + 6), agent="lumen")


@pytest.fixture
def repo(here: HubDouble) -> Repo:
    made = here.store.create("dataset", ID)
    made.write({"w/train-00000.parquet": parquet_bytes(build([part(LOG, 0, 60)], 10, 5)),
                "README.md": CARD})  # fmt: skip
    return made


CARD = """---
configs:
- config_name: w
  data_files:
  - split: train
    path: w/train-*.parquet
---
"""


def grow(until: int, **how: Any) -> Any:
    return sync(ID, source(part(LOG, 0, until)), backoff=FAST, **how)


def rows(repo: Repo) -> pa.Table:
    tables = [pq.read_table(io.BytesIO(d)) for p, d in sorted(repo.files().items()) if "train" in p]
    return pa.concat_tables(tables).sort_by("t_start")


def grown(repo: Repo) -> list[str]:
    return [path for path in repo.files() if grown_number(path)]


def test_past_64_they_are_joined_by_themselves(here: HubDouble, repo: Repo) -> None:
    most = 0
    for until in range(65, len(LOG.t) + 1, 5):
        grow(until)
        most = max(most, len(grown(repo)))
    assert most == MOST_GROWN and len(grown(repo)) < 10
    assert rows(repo).equals(build([LOG], 10, 5))
    titles = [c.title for c in repo.history()]
    assert [t for t in titles if "Compact" in t] == ["Compact 65 grown shards into 1"]
    assert grow(len(LOG.t)).status == "unchanged"


def test_they_are_joined_when_asked(here: HubDouble, repo: Repo) -> None:
    for until in (70, 80, 90):
        grow(until)
    before, commits = rows(repo), len(repo.history())
    assert grow(90, compact=True, dry_run=True).status == "unchanged"
    assert len(grown(repo)) == 3
    assert grow(90, compact=True).status == "unchanged"
    assert len(grown(repo)) == 1 and rows(repo).equals(before)
    assert len(repo.history()) == commits + 1
    assert repo.head.title == "Compact 3 grown shards into 1"
    grow(90, compact=True)
    assert len(repo.history()) == commits + 1
    assert grow(100).windows == {"w": 2} and rows(repo).equals(build([part(LOG, 0, 100)], 10, 5))


@given(st.lists(st.integers(1, 50), max_size=40), st.booleans())
def test_runs_are_of_neighbours_and_not_too_long(sizes: list[int], whole: bool) -> None:
    runs = to_join(sizes, whole=whole, most=60)
    taken = [i for run in runs for i in run]
    assert taken == sorted(set(taken)) and all(0 <= i < len(sizes) for i in taken)
    assert all(len(run) > 1 and sum(sizes[i] for i in run) <= 60 for run in runs)
    if whole:  # no two neighbours that are left could be joined
        ends = [sum(sizes[i] for i in run) for run in runs]
        left = [n for i, n in enumerate(sizes) if i not in taken]
        assert len(left) + len(ends) <= len(sizes)


@pytest.mark.parametrize("windows_an_hour", [1, 180])
def test_a_year_of_hourly_growths_stays_under_a_hundred_files(windows_an_hour: int) -> None:
    """Three configs, a card, nine published shards; and each row is sent again few times."""
    configs: list[list[int]] = [[], [], []]
    most = sent = 0
    for _ in range(365 * 24):
        for shards in configs:
            shards.append(windows_an_hour)
        if sum(map(len, configs)) > MOST_GROWN:
            for shards in configs:
                for run in to_join(shards, whole=False):
                    sent += sum(shards[i] for i in run)
                    shards[run.start : run.stop] = [sum(shards[i] for i in run)]
        most = max(most, 10 + sum(map(len, configs)))
    assert most < 100
    assert sent < 12 * sum(map(sum, configs))
