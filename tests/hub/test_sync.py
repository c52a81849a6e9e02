"""Growing a dataset on the Hub: no window is lost, none is doubled, whatever happens."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_double import Fault, HubDouble, Repo, environment
from samples import DATA, FAST
from test_growth import build, grown, part, series, source

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.publishing.plan import PublishPlan, make_plan
from eisv_lumen.hub.publishing.publish import to_hub
from eisv_lumen.hub.syncing.growth import parquet_bytes
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.trajectory.series import Series

ID = "ada/windows"
LOG = series(120)
CARD = """---
license: apache-2.0
configs:
- config_name: w10
  data_files:
  - split: train
    path: w10/train-*.parquet
  - split: test
    path: w10/test-*.parquet
- config_name: w20
  data_files:
  - split: train
    path: w20/train-*.parquet
---
# Windows
"""


def plan(until: int = 60, card: str = CARD, tag: str = "v1") -> PublishPlan:
    ten = build([part(LOG, 0, until)], window=10, stride=5)
    twenty = build([part(LOG, 0, until)], window=20, stride=5)
    files = {
        "README.md": card.encode(),
        "w10/test-00000.parquet": parquet_bytes(ten.slice(0, 2)),
        "w10/train-00000.parquet": parquet_bytes(ten.slice(4)),
        "w20/train-00000.parquet": parquet_bytes(twenty),
    }
    return make_plan({DATA: files}, version="1", tag=tag)


@pytest.fixture
def repo(here: HubDouble, tmp_path: Path) -> Repo:
    """A dataset with the windows of the first 60 of the log's states."""
    to_hub(plan(), "ada", backoff=FAST)
    here.log.clear()
    return here.repo("dataset", ID)


def grow(until: int = 120, **how: Any) -> Any:
    return sync(ID, source(part(LOG, 0, until)), stride=5, backoff=FAST, **how)


def starts(repo: Repo, config: str, split: str = "train", revision: str = "main") -> list[float]:
    """First times of all windows, as they stand there."""
    tables = [
        pq.read_table(io.BytesIO(data))
        for path, data in sorted(repo.files(revision).items())
        if path.startswith(f"{config}/{split}-")
    ]
    return [t for table in tables for t in table["t_start"].to_pylist()]


def is_whole(repo: Repo, until: int = 120, revision: str = "main") -> None:
    """Each window is there once; in w10, those between the splits are left out, as they were."""
    w10 = build([part(LOG, 0, until)], window=10, stride=5)["t_start"].to_pylist()
    w20 = build([part(LOG, 0, until)], window=20, stride=5)["t_start"].to_pylist()
    assert sorted(starts(repo, "w10", revision=revision)) == w10[4:]
    assert starts(repo, "w10", "test", revision) == w10[:2]
    assert sorted(starts(repo, "w20", revision=revision)) == w20


def test_what_is_new_is_appended_in_one_commit(here: HubDouble, repo: Repo) -> None:
    before = repo.files()
    outcome = grow()
    assert (outcome.status, outcome.windows) == ("grown", {"w10": 12, "w20": 12})
    assert outcome.commit == repo.head.oid
    assert [c.title for c in repo.history()][:2] == ["Grow by 24 windows", "Publish v1"]
    after = repo.files()
    assert after.keys() - before.keys() == {
        "w10/train-grown-00001.parquet", "w20/train-grown-00001.parquet"
    }  # fmt: skip
    assert before.items() <= after.items()
    is_whole(repo)


def test_nothing_new_makes_no_commit(here: HubDouble, repo: Repo) -> None:
    assert grow(until=60).status == "unchanged"
    assert grow(until=64).status == "unchanged"
    assert sync(ID, source(), backoff=FAST).status == "unchanged"
    assert [c.title for c in repo.history()] == ["Publish v1", "initial commit"]
    grow()
    assert grow().status == "unchanged" and len(repo.history()) == 3


def test_a_rehearsal_says_what_would_come_and_changes_nothing(here: HubDouble, repo: Repo) -> None:
    before, commits = repo.files(), len(repo.history())
    told = grow(dry_run=True)
    assert (told.status, told.windows) == ("would_grow", {"w10": 12, "w20": 12})
    assert {request.method for request in here.log} <= {"GET", "HEAD"}
    assert (repo.files(), len(repo.history()), told.commit) == (before, commits, repo.head.oid)
    assert grow().windows == told.windows
    assert grow(dry_run=True).status == "unchanged"


def test_step_by_step_and_from_a_log_that_was_pruned(here: HubDouble, repo: Repo) -> None:
    for until in (70, 71, 93, 120):
        grow(until)
        is_whole(repo, until)
    assert len(repo.history()) == 5
    more = series(180, 1)
    later = Series(
        np.concatenate([LOG.t, more.t + (LOG.t[-1] - more.t[0] + 1)]),
        np.concatenate([LOG.X, more.X]),
        np.concatenate([LOG.ethical_drift, more.ethical_drift]), "anima", "a",
    )  # fmt: skip
    sync(ID, source(part(later, 100, 300)), stride=5, backoff=FAST)
    want = build([later], window=20, stride=5)["t_start"].to_pylist()
    assert sorted(starts(repo, "w20")) == want


def test_another_agent_joins(here: HubDouble, repo: Repo) -> None:
    other = series(40, 7, agent="b")
    assert sync(ID, source(other), stride=5, backoff=FAST).windows == {"w10": 7, "w20": 5}
    assert grow().windows == {"w10": 12, "w20": 12}


def test_a_growth_lives_through_a_new_version_which_brings_the_same_windows(
    here: HubDouble, repo: Repo, tmp_path: Path
) -> None:
    grow(90)
    [outcome] = to_hub(plan(until=80, tag="v2"), "ada", backoff=FAST)
    assert outcome.status == "published"
    is_whole(repo, 90)
    assert repo.refs["refs/tags/v2"] == repo.head.oid
    assert sync(ID, source(), backoff=FAST).status == "unchanged"
    to_hub(plan(until=120, tag="v3"), "ada", backoff=FAST)
    grow()
    assert not [path for path in repo.files() if "grown" in path]
    is_whole(repo)


def test_a_stranger_reads_the_grown_dataset(here: HubDouble, repo: Repo, script: Any) -> None:
    grow()
    code = """
import datasets, json
one = datasets.load_dataset("ada/windows", "w10")
two = datasets.load_dataset("ada/windows", "w20", split="train", streaming=True)
shape = one["train"].features["shape"]
print(json.dumps([{s: len(d) for s, d in one.items()}, sum(1 for _ in two), shape.names[8],
                  sorted(one["train"]["t_start"])]))
"""
    sizes, streamed, name, t_start = json.loads(script(code).stdout.splitlines()[-1])
    assert sizes == {"train": 19, "test": 2} and streamed == 21 and name == "convergence"
    assert t_start == sorted(starts(repo, "w10"))


# Faults

REQUESTS = [
    "GET whoami-v2",
    "GET blobs=",
    "HEAD README.md",
    "GET README.md",
    "GET w10/train",
    "GET w10/test",
    "GET w20/train",
    "POST preupload",
    "POST objects/batch",
    "PUT large",
    "PUT large",
    "POST commit",
    "GET blobs=",
    "HEAD README.md",
    "GET grown",
    "GET grown",
]


def test_the_requests_that_the_faults_below_strike_are_all_there_are(
    here: HubDouble, repo: Repo
) -> None:
    grow()
    assert len(here.log) == len(REQUESTS)
    for request, name in zip(here.log, REQUESTS, strict=True):
        method, text = name.split()
        assert request.method == method and text in request.path


@pytest.mark.parametrize("kind", ["503", "429", "drop_before", "drop_after"])
@pytest.mark.parametrize("nth", range(1, len(REQUESTS) + 1))
def test_one_fault(here: HubDouble, repo: Repo, nth: int, kind: Any) -> None:
    here.fail(Fault(kind, nth=nth))
    assert grow().windows == {"w10": 12, "w20": 12}
    assert [r.fault for r in here.log if r.fault] == [kind]
    is_whole(repo)
    assert len(repo.commits) == 3


@pytest.mark.parametrize("kind", ["503", "drop_after"])
@pytest.mark.parametrize("nth", range(1, len(REQUESTS) + 1))
def test_a_hub_that_goes_down_for_good_and_comes_back(
    here: HubDouble, repo: Repo, nth: int, kind: Any
) -> None:
    here.fail(Fault(kind, nth=nth, times=10_000))
    with pytest.raises(InputError, match="The same command, run again, resumes"):
        grow()
    here.faults.clear()
    grow()
    is_whole(repo)
    assert len(repo.commits) == 3


VICTIM = """
from samples import FAST
from test_growth import part, series, source
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.trajectory.series import Series
sync("ada/windows", source(part(series(120), 0, UNTIL)), stride=5, backoff=FAST)
"""


@pytest.mark.parametrize("when", ["call_before", "call_after"])
@pytest.mark.parametrize("nth", [8, 12])
def test_kill_9_of_the_client(
    here: HubDouble, repo: Repo, tmp_path: Path, nth: int, when: Any
) -> None:
    room = str(Path(__file__).parent)
    path = os.pathsep.join([room, str(Path(room).parent)])
    client = subprocess.Popen(
        [sys.executable, "-c", VICTIM.replace("UNTIL", "120")],
        env=environment(here, tmp_path / "home") | {"PYTHONPATH": path},
    )
    here.fail(Fault(when, nth=nth, call=lambda: os.kill(client.pid, signal.SIGKILL)))
    client.communicate(timeout=60)
    assert client.returncode == -signal.SIGKILL
    here.faults.clear()
    grow()
    is_whole(repo)
    assert len(repo.commits) == 3


@pytest.mark.parametrize("until", [60, 75, 120])
@pytest.mark.parametrize("nth", range(2, len(REQUESTS) + 1))
def test_another_grower_comes_between(
    here: HubDouble, repo: Repo, tmp_path: Path, nth: int, until: int
) -> None:
    """The other one has seen less of the log, or as much."""
    other = shards(repo, until)
    here.fail(Fault("call_before", nth=nth, call=lambda: repo.write(other, "the other grower")))
    grow(110)
    if nth <= REQUESTS.index("POST commit") + 1:
        is_whole(repo, max(110, until))
    grow()
    is_whole(repo)


def shards(repo: Repo, until: int) -> dict[str, bytes | str | None]:
    """Make the shards that a grower would add to the repo as it is now."""
    shards: dict[str, bytes | str | None] = {"other.txt": "another file"}
    for config, window in (("w10", 10), ("w20", 20)):
        table = pq.read_table(io.BytesIO(repo.files()[f"{config}/train-00000.parquet"]))
        new = grown(table, source(part(LOG, 0, until)), window, 5)
        if len(new):
            shards[f"{config}/train-grown-00001.parquet"] = parquet_bytes(new)
    return shards


@pytest.mark.parametrize("first", [90, 120])
def test_two_growers_at_once(here: HubDouble, repo: Repo, first: int) -> None:
    """The first commit is held up, so the other grower's lands before it."""
    here.fail(Fault("delay", "POST", "/commit/", seconds=0.3))
    with ThreadPoolExecutor() as pool:
        one = pool.submit(grow, first)
        while not here.requests("POST", "/commit/"):
            time.sleep(0.01)
        two = pool.submit(grow, 210 - first)
        outcomes = [one.result(), two.result()]
    is_whole(repo)
    assert sum(n for o in outcomes for n in o.windows.values()) == 24
    assert here.requests("POST", "/commit/")[0].fault == "delay"
    assert len(repo.commits) == (4 if first == 120 else 3)


# The older schema


def published(rows: pa.Table) -> bytes:
    """Write windows as they were first published: JSON in strings."""
    states = [
        [
            dict(zip("tEISV", values, strict=True))
            for values in zip(*(row[name] for name in "tEISV"), strict=True)
        ]
        for row in rows.to_pylist()
    ]
    old = {
        "shape": [SHAPES[code] for code in rows["shape"].to_pylist()],
        "eisv_states": [json.dumps(s) for s in states],
        "derivatives": ["[]"] * len(rows),
        "t_start": rows["t_start"],
        "t_end": rows["t_end"],
        "provenance": ["lumen_real"] * len(rows),
        "tokens": ["[]"] * len(rows),
        "n_expressions": [0] * len(rows),
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(old), sink)
    return sink.getvalue()


LUMEN = Series(LOG.t, LOG.X, None, "anima", "lumen")
OLDER_CARD = """---
license: mit
dataset_info:
  download_size: 5
---
# By hand

It has `eisv_states`.
"""


@pytest.fixture
def older(here: HubDouble) -> Repo:
    """A dataset as the study published it: no `configs`, JSON in strings."""
    old = build([part(LUMEN, 0, 60)], window=20, stride=10)
    made = here.store.create("dataset", ID)
    files = {"README.md": OLDER_CARD, "data/train-00000-of-00001.parquet": published(old)}
    made.write(files, "as it was")
    return made


def test_the_older_schema_grows_in_its_own_columns(
    here: HubDouble, older: Repo, script: Any
) -> None:
    before = older.files()
    how: dict[str, Any] = {"stride": 10, "backoff": FAST}
    assert sync(ID, source(LUMEN), dry_run=True, **how).windows == {"default": 6}
    assert sync(ID, source(LUMEN), **how).windows == {"default": 6}
    assert before.items() <= older.files().items()
    code = """
import datasets, json
d = datasets.load_dataset("ada/windows", split="train")
print(json.dumps([d.column_names, d[:], list(map(str, d.features.values()))]))
"""
    names, rows, _ = json.loads(script(code).stdout.splitlines()[-1])
    assert names == pq.read_schema(io.BytesIO(before["data/train-00000-of-00001.parquet"])).names
    want = build([LUMEN], window=20, stride=10)
    assert rows["t_start"] == want["t_start"].to_pylist()
    assert rows["shape"] == [SHAPES[code] for code in want["shape"].to_pylist()]
    for i, (text, rates) in enumerate(zip(rows["eisv_states"], rows["derivatives"], strict=True)):
        states = json.loads(text)
        assert [[s[n] for s in states] for n in "tEISV"] == [want[n][i].as_py() for n in "tEISV"]
        if i >= len(want) - 6:  # ours say their derivatives, as the study's did
            assert json.loads(rates) == [
                {"t": b["t"]} | {f"d{n}": (b[n] - a[n]) / (b["t"] - a["t"]) for n in "EISV"}
                for a, b in itertools.pairwise(states)
            ]
    assert sync(ID, source(LUMEN), **how).status == "unchanged"


def test_only_lumens_log_joins_the_older_schema(here: HubDouble, older: Repo) -> None:
    with pytest.raises(InputError, match=r"only Lumen's own log may join.*'a'.*--migrate"):
        sync(ID, source(series(90, 3)), stride=10, backoff=FAST)
    assert older.head.title == "as it was"


@pytest.mark.parametrize("kind", [None, "503", "drop_before", "drop_after"])
def test_the_older_schema_is_migrated_when_asked_and_then_grows(
    here: HubDouble, older: Repo, kind: Any
) -> None:
    was = older.head.oid
    how: dict[str, Any] = {"stride": 10, "backoff": FAST, "migrate": True}
    told = sync(ID, source(LUMEN), dry_run=True, **how)
    assert (told.status, told.windows) == ("would_grow", {"window_20": 6})
    assert older.head.title == "as it was"
    if kind:
        here.fail(Fault(kind, "POST", "/commit/"))
    outcome = sync(ID, source(LUMEN), **how)
    assert outcome.windows == {"window_20": 6}
    assert [c.title for c in older.history()][:3] == [
        "Grow by 6 windows", "Bring JSON in strings into typed columns", "as it was"
    ]  # fmt: skip
    assert older.files().keys() == {
        "README.md", "window_20/train-00000.parquet", "window_20/train-grown-00001.parquet"
    }  # fmt: skip
    want = build([LUMEN], window=20, stride=10)
    assert starts(older, "window_20") == want["t_start"].to_pylist()
    moved = pq.read_table(io.BytesIO(older.files()["window_20/train-00000.parquet"]))
    assert moved.equals(want.slice(0, 5))
    text = older.files()["README.md"].decode()
    assert "license: mit" in text and text.endswith("\nIt has `eisv_states`.\n")
    assert "dataset_info" not in text and "default: true" in text
    [tag] = [ref for ref in older.refs if ref.startswith("refs/tags/")]
    assert older.refs[tag] == was and tag.removeprefix("refs/tags/") in text


# One clear message each


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("# no head\n", "config default holds windows of several lengths"),
        (
            CARD.replace("w20/train-*", "w20/train-00000"),
            "config w20 has no pattern for train that a new shard could match alone",
        ),
    ],
)
def test_a_dataset_that_cannot_grow(here: HubDouble, tmp_path: Path, card: str, said: str) -> None:
    to_hub(plan(card=card), "ada", backoff=FAST)
    with pytest.raises(InputError) as caught:
        grow()
    assert said in str(caught.value)


def test_the_published_stride_is_kept_to(here: HubDouble, repo: Repo) -> None:
    with pytest.raises(InputError, match="config w10 was cut with stride 5; leave --stride out"):
        sync(ID, source(LOG), stride=10, backoff=FAST)
    assert len(repo.history()) == 2
    assert sync(ID, source(LOG), backoff=FAST).windows == {"w10": 12, "w20": 12}
    is_whole(repo)


def test_an_unknown_stride_has_to_be_given(here: HubDouble, repo: Repo) -> None:
    def silent(data: bytes) -> bytes:
        return parquet_bytes(pq.read_table(io.BytesIO(data)).replace_schema_metadata(None))

    repo.write({p: silent(d) for p, d in repo.files().items() if p.endswith(".parquet")})
    with pytest.raises(InputError, match="does not say with which stride it was cut; give it with"):
        sync(ID, source(LOG), backoff=FAST)
    grow()
    is_whole(repo)
    assert sync(ID, source(LOG), backoff=FAST).status == "unchanged"  # what was grown says it


def test_the_older_schema_is_left_as_it_is_where_the_stride_is_unknown(here: HubDouble) -> None:
    repo = here.store.create("dataset", ID)
    repo.write({"data/train.parquet": published(build([LOG], window=20, stride=10))}, "as it was")
    with pytest.raises(InputError, match="the older schema does not say with which stride"):
        sync(ID, source(LOG), backoff=FAST)
    assert repo.head.title == "as it was"


def test_what_is_not_there_or_not_ours(here: HubDouble, repo: Repo) -> None:
    with pytest.raises(InputError, match="ada/none: no such dataset, or it is private"):
        sync("ada/none", source(LOG), backoff=FAST)
    with pytest.raises(InputError, match="give the dataset as NAMESPACE/NAME"):
        sync("windows", source(LOG), backoff=FAST)
    with pytest.raises(InputError, match="ada may publish to"):
        sync("eve/windows", source(LOG), backoff=FAST)
    with pytest.raises(InputError, match="two series of one agent"):
        sync(ID, source(LOG, LOG), backoff=FAST)
    strange = io.BytesIO()
    pq.write_table(pa.table({"x": np.arange(3)}), strange)
    repo.write({"w20/train-00009.parquet": strange.getvalue()})
    with pytest.raises(InputError, match=r"w20/train-00009\.parquet: not the typed dataset"):
        grow()
