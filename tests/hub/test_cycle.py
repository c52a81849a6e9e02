"""publish → sync → publish v2 → sync, by two writers: nothing lost, doubled or leaked."""

from __future__ import annotations

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hub_double import TOKEN, HubDouble
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import DATA, FAST
from test_growth import part, series, source

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.notices import Notice
from eisv_lumen.hub.publishing.plan import PublishPlan, make_plan
from eisv_lumen.hub.publishing.publish import to_hub
from eisv_lumen.hub.publishing.retry import Backoff
from eisv_lumen.hub.syncing.growth import parquet_bytes
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.trajectory.dataset.configs import split_lengths
from eisv_lumen.trajectory.series import Series

ID = "ada/windows"
STRIDE = 5
LOGS = {"a": series(700, 1, agent="a"), "b": series(700, 2, agent="b")}
PATIENT = Backoff(tries=30, base=0.001, cap=0.01)

Window = tuple[str, str, float, float]


def logs(until: int, name: str) -> list[Series]:
    return [replace(part(log, 0, until), source=name) for log in LOGS.values()]


def plan(until: int, seed: int, tag: str) -> PublishPlan:
    tables, _ = split_lengths(source(*logs(until, tag)), (10, 20), stride=STRIDE, seed=seed)
    files: dict[str, Any] = {}
    card = "---\nconfigs:\n"
    for length, splits in tables.items():
        card += f"- config_name: window_{length}\n  data_files:\n"
        for split, table in splits.items():
            files[f"window_{length}/{split}-00000.parquet"] = parquet_bytes(table)
            card += f"  - split: {split}\n    path: window_{length}/{split}-*.parquet\n"
    files["README.md"] = f"{card}---\n# Windows\n".encode()
    return make_plan({DATA: files}, version="1", tag=tag)


def windows(here: HubDouble, revision: str = "main") -> list[Window]:
    """Config, split and key of all windows."""
    found = []
    for path, data in here.repo("dataset", ID).files(revision).items():
        if path.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(data), columns=["agent", "t_start", "t_end"])
            config, name = path.split("/")
            split = name.split("-")[0]
            found += [
                (f"{config}/{split}", row["agent"], row["t_start"], row["t_end"])
                for row in table.to_pylist()
            ]
    return found


def is_sound(here: HubDouble, revision: str = "main") -> set[tuple[str, str, float, float]]:
    """No window stands twice in a config, and no state in two splits."""
    found = windows(here, revision)
    keys = [(place.split("/")[0], *rest) for place, *rest in found]
    assert len(set(keys)) == len(keys), "doubled"
    for agent, log in LOGS.items():
        held: dict[str, set[int]] = {}
        for place, owner, start, end in found:
            if owner == agent:
                a, b = np.searchsorted(log.t, [start, end])
                held.setdefault(place.split("/")[1], set()).update(range(a, b + 1))
        splits = list(held.values())
        for i, one in enumerate(splits):
            assert not any(one & other for other in splits[:i]), "leaked"
    return {(c, *rest) for c, *rest in keys}


def wanted(until: int) -> set[tuple[str, str, float, float]]:
    """The newest window of each config and agent, on the grid from the log's begin."""
    out = set()
    for agent, log in LOGS.items():
        for length in (10, 20):
            start = (until - length) // STRIDE * STRIDE
            out.add((f"window_{length}", agent, log.t[start], log.t[start + length - 1]))
    return out


STEPS = st.lists(
    st.tuples(st.sampled_from(["sync", "two", "publish"]), st.integers(0, 80), st.integers(0, 9)),
    min_size=2,
    max_size=5,
)


@settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_nothing_is_lost_doubled_or_leaked(here: HubDouble, steps: Any) -> None:
    here.reset()
    here.user(TOKEN, "ada", orgs=("lab",))
    until, version, dropped = 300, 0, True
    to_hub(plan(until, 0, "v0"), "ada", backoff=PATIENT)
    for kind, more, seed in steps:
        before, until = is_sound(here), until + more
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)
            if kind == "publish":
                version += 1
                made = plan(until, seed, f"v{version}")
                [outcome] = to_hub(made, "ada", backoff=PATIENT)
                assert outcome.status == "published"
                assert outcome.commit == here.repo("dataset", ID).refs[f"refs/tags/v{version}"]
                is_sound(here, f"refs/tags/v{version}")
                assert {k for k in before if _is_after(k, until)} <= is_sound(here)
            else:
                grown = [source(*logs(n, f"{kind}-{n}")) for n in ((until,) if kind == "sync" else
                         (until - more // 2, until))]  # fmt: skip
                with ThreadPoolExecutor() as pool:
                    list(pool.map(lambda log: sync(ID, log, backoff=PATIENT), grown))
                after = is_sound(here)
                assert before <= after
                assert all(key in after or _in_other_split(here, key) for key in wanted(until))
        dropped = dropped and kind != "publish"
    last = is_sound(here)
    assert sync(ID, source(*logs(until, "again")), backoff=PATIENT).commit
    assert last <= is_sound(here)
    assert sync(ID, source(*logs(until, "again")), backoff=PATIENT).status == "unchanged"


def _is_after(key: tuple[str, str, float, float], until: int) -> bool:
    """Whether a window lies after all that a version of so many states holds."""
    return key[2] > LOGS[key[1]].t[min(until, 699)]


def _in_other_split(here: HubDouble, key: tuple[str, str, float, float]) -> bool:
    """Whether a window may be left out, since its states stand in validation or test."""
    return any(
        "/train" not in place and owner == key[1] and start <= key[3] and end >= key[2]
        for place, owner, start, end in windows(here)
    )


def test_a_new_version_takes_over_what_was_grown(here: HubDouble) -> None:
    to_hub(plan(300, 0, "v1"), "ada", backoff=FAST)
    sync(ID, source(*logs(600, "longer")), backoff=FAST)
    is_sound(here)
    with pytest.warns(Notice, match="grown shards stand in this version too, or meet another"):
        to_hub(plan(600, 3, "v2"), "ada", backoff=FAST)
    is_sound(here)
    repo = here.repo("dataset", ID)
    assert repo.refs["refs/tags/v2"] == repo.head.oid
    assert [c.title.split()[0] for c in repo.history()][:2] == ["Publish", "Grow"]
    assert sync(ID, source(*logs(600, "again")), backoff=FAST).status == "unchanged"


def test_other_states_under_the_same_name_stop_a_growth(here: HubDouble) -> None:
    to_hub(plan(300, 0, "v1"), "ada", backoff=FAST)
    with pytest.raises(InputError, match="others than those published"):
        sync(ID, source(series(320, 9, agent="a")), backoff=FAST)
