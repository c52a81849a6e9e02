"""Whatever goes wrong, at whichever request: a publish ends whole, or the next one ends it.

In all of these: nothing is lost, nothing is doubled, nobody else's commit is overwritten.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hub_double import Fault, HubDouble, Repo, environment
from samples import FAST, bytes_of, plan

from eisv_lumen.core.errors import InputError
from eisv_lumen.hub.publishing.publish import to_hub

ID = "ada/windows"
CREATING = [
    "GET whoami-v2",
    "GET info",
    "POST create",
    "GET info",
    "GET refs",
    "POST validate-yaml",
    "POST preupload",
    "POST objects/batch",
    "PUT large",
    "POST commit",
    "GET info",
    "HEAD manifest",
    "GET manifest",
    "GET refs",
    "POST tag",
]
UPDATING = ["GET whoami-v2", "GET info", *CREATING[4:]]
"""What was published before lies in the cache, its manifest, too."""
PULLING = [
    "GET whoami-v2",
    "GET info",
    "GET discussions",
    "POST validate-yaml",
    "POST preupload",
    "POST objects/batch",
    "PUT large",
    "POST commit",
]
STRIKES = ("503", "429", "drop_before", "drop_after")


def old_and_new() -> tuple[Any, Any]:
    return plan("old", b"PAR1\0old", tag="v0"), plan("new", b"PAR1\0new", tag="v1")


def is_whole(repo: Repo, titles: list[str]) -> None:
    """The plan's bytes are there, by the commits that were asked for and no others."""
    assert repo.files() == bytes_of(old_and_new()[1])["datasets/windows"]
    assert [c.title for c in repo.history()] == [*titles, "initial commit"]
    assert len(repo.commits) == len(titles) + 1
    assert repo.refs["refs/tags/v1"] == repo.head.oid


def publish(made: Any, **how: Any) -> Any:
    [outcome] = to_hub(made, "ada", backoff=FAST, **how)
    return outcome


@pytest.mark.parametrize("start", ["creating", "updating", "pulling"])
def test_the_requests_that_the_faults_below_strike_are_all_there_are(
    here: HubDouble, start: str
) -> None:
    old, new = old_and_new()
    if start != "creating":
        publish(old)
    here.log.clear()
    publish(new, create_pr=start == "pulling")
    want = {"creating": CREATING, "updating": UPDATING, "pulling": PULLING}[start]
    named = [
        w.replace("GET info", "GET blobs=").replace("manifest", "eisv-lumen.json") for w in want
    ]
    assert len(here.log) == len(want)
    for request, name in zip(here.log, named, strict=True):
        method, part = name.split()
        assert request.method == method and part in request.path


@pytest.mark.parametrize("kind", STRIKES)
@pytest.mark.parametrize("nth", range(1, len(CREATING) + 1))
def test_one_fault_on_the_way_to_a_new_repo(here: HubDouble, nth: int, kind: Any) -> None:
    here.fail(Fault(kind, nth=nth))
    assert publish(old_and_new()[1]).status == "published"
    assert [r.fault for r in here.log if r.fault] == [kind]
    is_whole(here.repo("dataset", ID), ["Publish v1"])


@pytest.mark.parametrize("kind", STRIKES)
@pytest.mark.parametrize("nth", range(1, len(UPDATING) + 1))
def test_one_fault_on_the_way_to_a_new_version(here: HubDouble, nth: int, kind: Any) -> None:
    old, new = old_and_new()
    publish(old)
    here.fail(Fault(kind, nth=nth))
    assert publish(new).status == "published"
    is_whole(here.repo("dataset", ID), ["Publish v1", "Publish v0"])


@pytest.mark.parametrize("kind", STRIKES)
@pytest.mark.parametrize("nth", range(1, len(PULLING) + 1))
def test_one_fault_on_the_way_to_a_pull_request(here: HubDouble, nth: int, kind: Any) -> None:
    old, new = old_and_new()
    publish(old)
    here.fail(Fault(kind, nth=nth))
    outcome = publish(new, create_pr=True)
    repo = here.repo("dataset", ID)
    assert outcome.status == "pull_request" and len(repo.pulls) == 1
    assert repo.files("refs/pr/1") == bytes_of(new)["datasets/windows"]
    assert repo.files() == bytes_of(old)["datasets/windows"]


@pytest.mark.parametrize("kind", ["503", "drop_after"])
@pytest.mark.parametrize("nth", range(1, len(CREATING) + 1))
def test_a_hub_that_goes_down_for_good_and_comes_back(here: HubDouble, nth: int, kind: Any) -> None:
    new = old_and_new()[1]
    here.fail(Fault(kind, nth=nth, times=10_000))
    with pytest.raises(InputError, match="The same command, run again, resumes"):
        publish(new)
    here.faults.clear()
    publish(new)
    is_whole(here.repo("dataset", ID), ["Publish v1"])


VICTIM = """
from samples import FAST, plan
from eisv_lumen.hub.publishing.publish import to_hub
print(flush=True)
to_hub(plan("new", b"PAR1\\0new", tag="v1"), "ada", backoff=FAST)
"""


@pytest.mark.parametrize("when", ["call_before", "call_after"])
@pytest.mark.parametrize("nth", range(1, len(CREATING) + 1))
def test_kill_9_of_the_client(here: HubDouble, tmp_path: Path, nth: int, when: Any) -> None:
    variables = environment(here, tmp_path / "home") | {"PYTHONPATH": str(Path(__file__).parent)}
    client = subprocess.Popen([sys.executable, "-c", VICTIM], env=variables, stdout=subprocess.PIPE)
    here.fail(Fault(when, nth=nth, call=lambda: os.kill(client.pid, signal.SIGKILL)))
    client.communicate(timeout=60)
    assert client.returncode == -signal.SIGKILL
    publish(old_and_new()[1])
    is_whole(here.repo("dataset", ID), ["Publish v1"])


@pytest.mark.parametrize("when", ["call_before", "call_after"])
@pytest.mark.parametrize("nth", range(2, len(UPDATING) + 1))
def test_another_writer_at_any_moment(here: HubDouble, nth: int, when: Any) -> None:
    old, new = old_and_new()
    publish(old)
    repo = here.repo("dataset", ID)
    here.fail(Fault(when, nth=nth, call=lambda: repo.write({"theirs.txt": "a person's"})))
    assert publish(new).status == "published"
    want = bytes_of(new)["datasets/windows"] | {"theirs.txt": b"a person's"}
    assert repo.files() == want
    assert sorted(c.title for c in repo.history()) == sorted(
        ["Publish v0", "Publish v1", "edited by hand", "initial commit"]
    )
    tagged = repo.files("v1")
    assert tagged | {"theirs.txt": b"a person's"} == want


@pytest.mark.parametrize("nth", range(2, UPDATING.index("POST commit") + 2))
def test_a_human_who_edits_the_card_while_we_publish_keeps_the_edit(
    here: HubDouble, nth: int
) -> None:
    old, new = old_and_new()
    publish(old)
    repo = here.repo("dataset", ID)
    here.fail(Fault("call_before", nth=nth, call=lambda: repo.write({"README.md": "by hand\n"})))
    outcome = publish(new)
    assert outcome.status == "stopped" and "-by hand\n" in outcome.diff
    assert repo.files()["README.md"] == b"by hand\n"


@pytest.mark.parametrize("status", ["409", "412"])
def test_the_hub_says_that_another_operation_is_in_progress(here: HubDouble, status: Any) -> None:
    old, new = old_and_new()
    publish(old)
    here.fail(Fault(status, "POST", "/commit/"))
    publish(new)
    is_whole(here.repo("dataset", ID), ["Publish v1", "Publish v0"])


def test_two_publishers_of_the_same_plan_make_one_commit(here: HubDouble) -> None:
    """The first commit is held up, so the other publisher's lands before it."""
    new = old_and_new()[1]
    here.fail(Fault("delay", "POST", "/commit/", seconds=0.3))
    with ThreadPoolExecutor() as pool:
        one = pool.submit(publish, new)
        while not here.requests("POST", "/commit/"):
            time.sleep(0.01)
        two = pool.submit(publish, new)
        assert {one.result().status, two.result().status} == {"published"}
    assert len(here.requests("POST", "/commit/")) == 2
    is_whole(here.repo("dataset", ID), ["Publish v1"])


def test_two_publishers_of_different_plans_do_not_mix(here: HubDouble) -> None:
    old, new = old_and_new()
    here.fail(Fault("delay", "POST", "/commit/", seconds=0.3))
    with ThreadPoolExecutor() as pool:
        one = pool.submit(publish, new)
        while not here.requests("POST", "/commit/"):
            time.sleep(0.01)
        two = pool.submit(publish, old)
        assert {one.result().status, two.result().status} == {"published"}
    repo = here.repo("dataset", ID)
    is_whole(repo, ["Publish v1", "Publish v0"])
    assert repo.files("v0") == bytes_of(old)["datasets/windows"]


def test_patience_ends(here: HubDouble) -> None:
    publish(old_and_new()[0])
    here.fail(Fault("429", "POST", "/commit/", times=10_000))
    with pytest.raises(InputError, match="asks for patience"):
        publish(old_and_new()[1])
    assert len(here.requests("POST", "/commit/")) == 1 + FAST.tries
