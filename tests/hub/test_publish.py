"""A publish ends with the plan's bytes there, once, and nobody else's work touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hub_double import READER, TOKEN, Fault, HubDouble
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st
from samples import DATA, FAST, SPACE, bytes_of, contents, on_disk, plan

from eisv_lumen.core.errors import InputError
from eisv_lumen.hub.publishing.plan import (
    MANIFEST,
    PublishPlan,
    RepoName,
    make_plan,
    reconcile,
    stamp,
)
from eisv_lumen.hub.publishing.publish import to_folder, to_hub

ID = "ada/windows"


def publish(made: PublishPlan, namespace: str = "ada", **how: Any) -> Any:
    return to_hub(made, namespace, backoff=FAST, **how)


# The plan


def test_a_plan_is_the_same_for_the_same_contents_and_shows_no_contents() -> None:
    assert plan().as_json() == plan().as_json()
    shown = plan().as_json()
    assert shown["tag"] == "v1.0"
    [repo] = shown["repos"]
    assert repo["card"] == {"license": "apache-2.0"}
    assert [f["path"] for f in repo["files"]] == [
        "README.md", "data/train.parquet", "notes.json", MANIFEST
    ]  # fmt: skip
    assert all(len(f["sha256"]) == 64 for f in repo["files"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a": b""}, "no card"),
        ({"README.md": b"", "../a": b""}, "'../a'"),
        ({"README.md": b"", "/a": b""}, "'/a'"),
        ({"README.md": b"", "a//b": b""}, "'a//b'"),
        ({"README.md": b"", ".git/config": b""}, "'.git/config'"),
        ({"README.md": b"", MANIFEST: b""}, MANIFEST),
        ({"README.md": b"", "a": Path("/nowhere/a")}, "/nowhere/a: cannot be read"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(files: Any, said: str) -> None:
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        make_plan({DATA: files}, version="1.0")


def test_a_stamp_holds_gits_own_name_for_the_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 9999)
    git = subprocess.run(["git", "hash-object", file], capture_output=True, text=True, check=True)
    assert stamp(file).git == git.stdout.strip()
    assert stamp(file) == stamp(file.read_bytes())


NAMES = st.sampled_from(["a", "b", "c"])
FILES = st.dictionaries(NAMES, st.sampled_from([b"1", b"2", b"3"]))


@given(FILES, FILES, FILES)
def test_reconciling_never_touches_what_somebody_else_wrote(
    planned: dict[str, bytes], found: dict[str, bytes], recorded: dict[str, bytes]
) -> None:
    changes = reconcile(
        {p: stamp(d) for p, d in planned.items()},
        {p: stamp(d).git for p, d in found.items()},
        {p: stamp(d) for p, d in recorded.items()},
    )
    after = {p: d for p, d in found.items() if p not in changes.delete}
    after |= {p: planned[p] for p in changes.write if p not in changes.conflicts}
    for path, data in found.items():
        if data not in (planned.get(path), recorded.get(path)):  # somebody else's
            assert after[path] == data
    if not changes.conflicts:
        assert planned.items() <= after.items()


# The Hub


def test_a_first_publish_makes_one_commit_and_a_tag(here: HubDouble) -> None:
    made = plan()
    [outcome] = publish(made, private=True)
    repo = here.repo("dataset", ID)
    assert {"datasets/windows": repo.files()} == bytes_of(made)
    assert [c.title for c in repo.history()] == ["Publish v1.0", "initial commit"]
    assert (outcome.status, outcome.commit) == ("published", repo.head.oid)
    assert outcome.where == f"{here.url}/datasets/{ID}"
    assert repo.refs["refs/tags/v1.0"] == repo.head.oid
    assert repo.private


def test_again_makes_no_commit_and_sends_no_file(here: HubDouble) -> None:
    publish(plan())
    before = len(here.repo("dataset", ID).commits)
    here.log.clear()
    [outcome] = publish(plan())
    assert outcome.status == "unchanged"
    assert len(here.repo("dataset", ID).commits) == before
    assert {r.method for r in here.log} == {"GET"}


def test_a_new_version_sends_what_changed_and_takes_away_what_is_gone(here: HubDouble) -> None:
    publish(plan())
    repo = here.repo("dataset", ID)
    repo.write({"theirs.txt": "a person's own file"})
    here.log.clear()
    newer = dict(contents(card="newer")[DATA])
    del newer["notes.json"]
    publish(make_plan({DATA: newer}, version="1.1"))
    assert repo.files().keys() == {"README.md", "data/train.parquet", MANIFEST, "theirs.txt"}
    assert b"newer" in repo.files()["README.md"]
    assert not here.requests("PUT") and not here.requests("POST", "/objects/batch")
    assert repo.refs["refs/tags/v1.1"] == repo.head.oid != repo.refs["refs/tags/v1.0"]


def test_a_humans_card_stops_that_repo_with_the_diff_and_no_other(here: HubDouble) -> None:
    both = {**contents(), SPACE: {"README.md": b"one\n"}}
    publish(make_plan(both, version="1.0"))
    repo = here.repo("dataset", ID)
    edited = repo.files()["README.md"].replace(b"hello", b"hello, said by hand")
    repo.write({"README.md": edited})
    newer = {**contents(card="newer"), SPACE: {"README.md": b"two\n"}}
    stopped, done = publish(make_plan(newer, version="1.1"))
    assert (stopped.status, done.status) == ("stopped", "published")
    assert "README.md changed on the Hub" in stopped.reason and "--create-pr" in stopped.reason
    assert "-hello, said by hand\n+newer\n" in stopped.diff
    assert repo.files()["README.md"] == edited and "refs/tags/v1.1" not in repo.refs

    [pull, _] = publish(make_plan(newer, version="1.1"), create_pr=True)
    assert pull.status == "pull_request" and pull.where.endswith("/discussions/1")
    assert b"newer" in repo.files("refs/pr/1")["README.md"]
    assert repo.files()["README.md"] == edited


def test_the_same_pull_request_is_not_opened_twice_and_ends_in_main(here: HubDouble) -> None:
    made = plan()
    for _ in range(2):
        [outcome] = publish(made, create_pr=True)
        assert outcome.status == "pull_request" and outcome.where.endswith("/discussions/1")
    from huggingface_hub import merge_pull_request

    merge_pull_request(ID, 1, repo_type="dataset")
    [outcome] = publish(made)
    repo = here.repo("dataset", ID)
    assert outcome.status == "unchanged" and len(repo.pulls) == 1
    assert repo.refs["refs/tags/v1.0"] == repo.head.oid


def test_a_card_that_the_hub_itself_wrote_is_nobodys(here: HubDouble) -> None:
    made = make_plan({SPACE: {"README.md": b"ours\n"}}, version="1.0")
    [outcome] = publish(made)
    repo = here.repo("space", "ada/metric")
    assert outcome.status == "published" and repo.files()["README.md"] == b"ours\n"
    assert len(repo.history()) == 2


def test_a_name_that_is_taken_is_left_alone(here: HubDouble) -> None:
    repo = here.store.create("dataset", ID)
    repo.write({"README.md": "something else\n"})
    [outcome] = publish(plan())
    assert outcome.status == "stopped" and "taken by a repo" in outcome.reason
    assert "-something else\n" in outcome.diff
    assert repo.files() == {"README.md": b"something else\n"}


def test_private_means_private(here: HubDouble) -> None:
    publish(plan())
    [outcome] = publish(plan(card="secret", tag="v2"), private=True)
    assert outcome.status == "stopped" and "is public already" in outcome.reason
    assert b"secret" not in here.repo("dataset", ID).files()["README.md"]


def test_a_tag_never_moves(here: HubDouble) -> None:
    publish(plan())
    repo = here.repo("dataset", ID)
    before = dict(repo.refs)
    [outcome] = publish(plan(card="other"))
    assert outcome.status == "stopped" and "the tag v1.0 marks other content" in outcome.reason
    assert repo.refs == before
    [outcome] = publish(plan(card="other", tag="v1.0.post1"))
    assert outcome.status == "published" and repo.refs["refs/tags/v1.0"] == before["refs/tags/v1.0"]


def test_a_dry_run_only_reads(here: HubDouble) -> None:
    [outcome] = publish(plan(), dry_run=True)
    assert outcome.status == "published" and not here.store.repos
    assert {r.method for r in here.log} == {"GET"}


def test_a_file_that_changes_under_way_is_refused_not_published(
    here: HubDouble, tmp_path: Path
) -> None:
    file = tmp_path / "train.parquet"
    file.write_bytes(b"PAR1\0one")
    made = make_plan({DATA: {**contents()[DATA], "data/train.parquet": file}}, version="1.0")
    file.write_bytes(b"PAR1\0two")
    with pytest.raises(InputError, match="windows"):
        publish(made)
    assert "data/train.parquet" not in here.repo("dataset", ID).files()


def test_what_the_hub_will_not_take_is_said_and_not_tried_forever(here: HubDouble) -> None:
    made = make_plan({DATA: {"README.md": b"---\na: [1\n---\n"}}, version="1.0")
    with pytest.raises(InputError, match=r"Invalid metadata in README\.md"):
        publish(made)


# One clear message each


def test_without_the_right_to_write(here: HubDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--namespace eve: ada may publish to ada, lab"):
        publish(plan(), "eve")
    here.user("hf_fine", "carl", role="fineGrained")
    monkeypatch.setenv("HF_TOKEN", "hf_fine")
    with pytest.raises(InputError, match="creating carl/windows: the token may not write there"):
        publish(plan(), "carl")
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(InputError, match="the token of bob only reads"):
        publish(plan(), "bob")
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    with pytest.raises(InputError, match="does not know the token; run `hf auth login`"):
        publish(plan())
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="nobody is logged in; run `hf auth login`"):
        publish(plan())
    assert not here.store.repos


def test_without_a_network(here: HubDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 cannot be reached; check the network"):
        publish(plan())
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        publish(plan())


def test_the_token_is_never_shown(
    here: HubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, caplog: Any
) -> None:
    caplog.set_level("INFO")
    made = plan()
    texts = [json.dumps(made.as_json()), repr(publish(made)), repr(publish(plan("x", tag="v2")))]
    to_folder(made, tmp_path / "out")
    texts += [repr(on_disk(tmp_path / "out")), repr(here.repo("dataset", ID).files())]
    here.fail(Fault("echo"))
    with pytest.raises(InputError, match=r"logging in: .*Bearer hf_…") as caught:
        publish(made)
    texts.append(str(caught.value))
    for odd in ("é", "\x7f\x00"):
        monkeypatch.delenv("HF_TOKEN")
        file = Path(constants.HF_TOKEN_PATH)
        file.parent.mkdir(exist_ok=True)
        file.write_text(TOKEN + odd)
        monkeypatch.setenv("HF_TOKEN", "")
        with pytest.raises(InputError, match="does not know the token") as caught:
            publish(made)
        texts.append(str(caught.value))
    texts += [*capfd.readouterr(), caplog.text]
    assert not any(TOKEN in text for text in texts)


# The folder


def test_folder_and_hub_hold_the_same_bytes(here: HubDouble, tmp_path: Path) -> None:
    made = make_plan({**contents(), SPACE: {"README.md": b"x", "a/b/c.py": b""}}, version="1.0")
    [first, second] = to_folder(made, tmp_path / "out")
    publish(made)
    on_hub = {
        "datasets/windows": here.repo("dataset", ID).files(),
        "spaces/metric": here.repo("space", "ada/metric").files(),
    }
    assert on_disk(tmp_path / "out") == on_hub == bytes_of(made)
    assert {first.status, second.status} == {"published"}
    assert first.where == str(tmp_path / "out/datasets/windows")


def test_a_folder_is_left_alone_where_nothing_changed(tmp_path: Path) -> None:
    to_folder(plan(), tmp_path)
    before = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*")}
    [outcome] = to_folder(plan(), tmp_path)
    assert outcome.status == "unchanged"
    assert {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*")} == before


def test_in_a_folder_too_a_humans_edits_stay(tmp_path: Path) -> None:
    to_folder(plan(), tmp_path)
    repo = tmp_path / "datasets/windows"
    (repo / "theirs.txt").write_text("own file")
    [outcome] = to_folder(plan(card="newer"), tmp_path)
    assert outcome.status == "published" and (repo / "theirs.txt").read_text() == "own file"
    (repo / "README.md").write_text("by hand\n")
    [outcome] = to_folder(plan(card="newest"), tmp_path)
    assert outcome.status == "stopped" and "-by hand" in outcome.diff
    assert (repo / "README.md").read_text() == "by hand\n"


def test_somebodys_folder_is_not_ours_to_fill(tmp_path: Path) -> None:
    theirs = tmp_path / "datasets/windows/thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("years of work")
    [outcome] = to_folder(plan(), tmp_path)
    assert outcome.status == "stopped" and "thesis.txt" in outcome.reason
    assert list(theirs.parent.iterdir()) == [theirs]


FULL = """
import resource, sys
from pathlib import Path
from samples import plan
from eisv_lumen.core.errors import InputError
from eisv_lumen.hub.publishing.publish import to_folder
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # longer files fail, as on a full disk
try:
    to_folder(plan(rows=b"PAR1" + bytes(30_000)), Path(sys.argv[1]))
except InputError as error:
    print(error)
"""


def test_on_a_full_disk_the_folder_stays_as_it_was(tmp_path: Path) -> None:
    to_folder(plan(), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    assert "cannot be written" in done.stdout and "Nothing was changed" in done.stdout
    assert on_disk(tmp_path) == bytes_of(plan())
    assert sorted(p.name for p in (tmp_path / "datasets").iterdir()) == ["windows"]


KILLED = """
import os, signal, sys
from pathlib import Path
from samples import plan
from eisv_lumen.hub.publishing.publish import to_folder

left, real = int(sys.argv[2]), Path.replace

def replace(self, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)

Path.replace = replace
to_folder(plan(card="newer"), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("nth", [1, 2])
def test_a_folder_publish_that_was_killed_is_finished_by_the_next(tmp_path: Path, nth: int) -> None:
    to_folder(plan(), tmp_path)
    theirs = tmp_path / "datasets/windows/theirs.txt"
    theirs.write_text("own file")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, str(nth)], check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    assert done.returncode == -9
    to_folder(plan(card="newer"), tmp_path)
    want = bytes_of(plan(card="newer"))["datasets/windows"] | {"theirs.txt": b"own file"}
    assert on_disk(tmp_path) == {"datasets/windows": want}


def test_names_that_the_hub_does_not_take() -> None:
    with pytest.raises(InputError, match="not a name"):
        make_plan({RepoName("model", "a/b"): {"README.md": b""}}, version="1")
