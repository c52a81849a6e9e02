"""Growing by pull request: main stays as it is, one request grows, nothing is lost or doubled."""

from __future__ import annotations

from typing import Any

import pytest
from hub_double import Fault, HubDouble, Repo
from huggingface_hub import CommitOperationAdd, HfApi, change_discussion_status, merge_pull_request
from huggingface_hub.errors import HfHubHTTPError
from samples import FAST
from test_growth import build, part, source
from test_sync import ID, LOG, grow, is_whole, plan, published, shards, starts

from eisv_lumen.core.errors import InputError
from eisv_lumen.hub.publishing.publish import to_hub
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.trajectory.series import Series

EVE = "hf_testTokenOfAnotherWriter"


@pytest.fixture
def repo(here: HubDouble) -> Repo:
    """A dataset with the windows of the first 60 of the log's states."""
    to_hub(plan(), "ada", backoff=FAST)
    here.log.clear()
    return here.repo("dataset", ID)


def pull(until: int = 120, **how: Any) -> Any:
    return grow(until, create_pr=True, **how)


def merge(num: int) -> None:
    merge_pull_request(ID, num, repo_type="dataset")


def methods(here: HubDouble) -> set[str]:
    return {request.method for request in here.log}


def test_new_shards_go_to_a_pull_request_and_main_is_untouched(here: HubDouble, repo: Repo) -> None:
    before, head = repo.files(), repo.head
    outcome = pull()
    assert (outcome.status, outcome.windows) == ("grown", {"w10": 12, "w20": 12})
    assert outcome.pull_request == f"{here.url}/datasets/{ID}/discussions/1"
    assert outcome.commit == repo.refs["refs/pr/1"]
    assert (repo.files(), repo.head) == (before, head)
    is_whole(repo, revision="refs/pr/1")
    assert before.items() <= repo.files("refs/pr/1").items()
    [opened] = repo.pulls
    assert (opened.title, opened.description) == ("Grow the dataset", "Grow by 24 windows")
    merge(1)
    is_whole(repo)
    done = pull()
    assert (done.status, done.pull_request, len(repo.pulls)) == ("unchanged", None, 1)


def test_what_an_open_one_holds_is_not_sent_again(here: HubDouble, repo: Repo) -> None:
    first = pull()
    here.log.clear()
    again = pull()
    assert (again.status, again.windows) == ("unchanged", {})
    assert (again.pull_request, again.commit) == (first.pull_request, first.commit)
    assert methods(here) <= {"GET", "HEAD"} and len(repo.pulls) == 1


def test_an_open_one_grows_on_and_is_merged_whole(here: HubDouble, repo: Repo) -> None:
    pages = set()
    for until in (70, 71, 93, 120):
        pages.add(pull(until).pull_request)
        is_whole(repo, until, "refs/pr/1")
        is_whole(repo, 60)
    assert len(pages) == len(repo.pulls) == 1
    assert [c.title for c in repo.history("refs/pr/1")[:2]] == [
        "Grow by 12 windows", "Grow by 8 windows"
    ]  # fmt: skip
    merge(1)
    is_whole(repo)


def test_a_rehearsal_says_where_windows_would_go_and_changes_nothing(
    here: HubDouble, repo: Repo
) -> None:
    told = pull(90, dry_run=True)
    assert (told.status, told.pull_request, told.commit) == ("would_grow", None, repo.head.oid)
    assert methods(here) <= {"GET", "HEAD"} and repo.pulls == []
    opened = pull(90)
    assert opened.windows == told.windows
    here.log.clear()
    more = pull(120, dry_run=True)
    assert (more.status, more.pull_request) == ("would_grow", opened.pull_request)
    assert methods(here) <= {"GET", "HEAD"} and repo.refs["refs/pr/1"] == opened.commit
    assert pull(120).windows == more.windows


def test_one_that_main_has_left_behind_is_replaced_whole(here: HubDouble, repo: Repo) -> None:
    """Merged in whatever order, or both, they double nothing."""
    pull(93)
    grow(80)  # straight to main
    said: list[str] = []
    second = pull(120, report=said.append)
    assert second.pull_request.endswith("/discussions/2")
    assert [text for text in said if "/discussions/1" in text and "close it" in text]
    is_whole(repo, 80)
    is_whole(repo, 120, "refs/pr/2")
    said.clear()
    assert pull(120, report=said.append).pull_request == second.pull_request
    merge(2)
    with pytest.raises(HfHubHTTPError, match="conflict in w10/train-grown-00001"):
        merge(1)
    is_whole(repo)


def test_a_card_edited_by_hand_makes_a_new_one_which_conflicts_with_the_old(
    here: HubDouble, repo: Repo
) -> None:
    pull(93)
    card = repo.files()["README.md"]
    repo.write({"README.md": card + b"more\n"})
    pull(120)
    merge(1)
    with pytest.raises(HfHubHTTPError, match="conflict"):
        merge(2)
    third = pull(120)
    assert third.pull_request.endswith("/discussions/3") and third.windows != {}
    merge(3)
    is_whole(repo)
    assert repo.files()["README.md"] == card + b"more\n"


def test_one_that_was_closed_is_not_grown(here: HubDouble, repo: Repo) -> None:
    pull()
    change_discussion_status(ID, 1, "closed", repo_type="dataset")
    assert pull().pull_request.endswith("/discussions/2")
    is_whole(repo, revision="refs/pr/2")


def test_anyone_may_send_one_and_nobody_grows_anothers(
    here: HubDouble, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.user(EVE, "eve")
    add = CommitOperationAdd("w20/train-grown-00009.parquet", b"not ours")
    HfApi(token=EVE).create_commit(
        ID, [add], commit_message="Grow the dataset", repo_type="dataset", create_pr=True
    )
    assert pull(93).pull_request.endswith("/discussions/2")
    change_discussion_status(ID, 1, "closed", repo_type="dataset")
    monkeypatch.setenv("HF_TOKEN", EVE)
    with pytest.raises(InputError, match="eve may publish to eve"):
        grow()
    for until in (93, 120):
        assert pull(until).pull_request.endswith("/discussions/3")
    is_whole(repo, revision="refs/pr/3")
    is_whole(repo, 60)


def test_the_older_schema_is_brought_along_in_the_same_one(here: HubDouble) -> None:
    log = Series(LOG.t, LOG.X, None, "anima", "lumen")
    repo = here.store.create("dataset", ID)
    old = published(build([part(log, 0, 60)], window=20, stride=10))
    before = repo.write({"README.md": "---\n---\n# By hand\n", "data/train.parquet": old})
    how = {"stride": 10, "create_pr": True, "migrate": True, "backoff": FAST}
    assert sync(ID, source(log), dry_run=True, **how).windows == {"window_20": 6}
    outcome = sync(ID, source(log), **how)
    assert outcome.windows == {"window_20": 6} and len(repo.pulls) == 1
    assert repo.head == before
    want = build([log], window=20, stride=10)["t_start"].to_pylist()
    assert starts(repo, "window_20", revision="refs/pr/1") == want
    merge(1)
    assert starts(repo, "window_20") == want


# Faults

OPENING = [
    "GET whoami-v2",
    "GET blobs=",
    "GET discussions",
    "HEAD README.md",
    "GET README.md",
    "GET w10/train",
    "GET w10/test",
    "GET w20/train",
    "POST preupload",
    "POST objects/batch",
    "PUT large",
    "PUT large",
    "POST commit/main",
    "GET blobs=",
    "GET revision/refs%2Fpr%2F1",
    "HEAD README.md",
    "GET grown",
    "GET grown",
]
GROWING = [
    "GET whoami-v2",
    "GET blobs=",
    "GET discussions",
    "GET commits/refs%2Fpr%2F1",
    "GET revision/refs%2Fpr%2F1",
    "POST preupload",
    "POST objects/batch",
    "PUT large",
    "PUT large",
    "POST commit/refs%2Fpr%2F1",
    "GET blobs=",
    "GET revision/refs%2Fpr%2F1",
    "HEAD README.md",
    "GET grown",
    "GET grown",
]
STRIKES = [(start, n) for start in (OPENING, GROWING) for n in range(1, len(start) + 1)]


def started(here: HubDouble, start: list[str]) -> None:
    if start is GROWING:
        pull(90)
    here.log.clear()


@pytest.mark.parametrize("start", [OPENING, GROWING], ids=["opening", "growing"])
def test_the_requests_that_the_faults_below_strike_are_all_there_are(
    here: HubDouble, repo: Repo, start: list[str]
) -> None:
    started(here, start)
    pull()
    assert len(here.log) == len(start)
    for request, name in zip(here.log, start, strict=True):
        method, text = name.split()
        assert request.method == method and text in request.path


@pytest.mark.parametrize("kind", ["503", "429", "drop_before", "drop_after"])
@pytest.mark.parametrize(("start", "nth"), STRIKES)
def test_one_fault(here: HubDouble, repo: Repo, start: list[str], nth: int, kind: Any) -> None:
    started(here, start)
    here.fail(Fault(kind, nth=nth))
    assert set(pull().windows) == {"w10", "w20"}
    assert [r.fault for r in here.log if r.fault] == [kind]
    is_whole(repo, revision="refs/pr/1")
    is_whole(repo, 60)
    assert len(repo.pulls) == 1
    assert len(repo.history("refs/pr/1")) == (3 if start is OPENING else 4)


@pytest.mark.parametrize("until", [75, 120])
@pytest.mark.parametrize("nth", range(2, len(OPENING) + 1))
def test_main_grows_meanwhile(here: HubDouble, repo: Repo, nth: int, until: int) -> None:
    """Whatever the request then stands on: merged or replaced, main is whole in the end."""
    to_main = shards(repo, until)
    here.fail(Fault("call_before", nth=nth, call=lambda: repo.write(to_main, "another grower")))
    first = pull(110)
    assert first.pull_request is None or len(repo.pulls) == 1
    second = pull()
    if second.pull_request:
        merge(int(second.pull_request.rpartition("/")[2]))
    grow()
    is_whole(repo)
