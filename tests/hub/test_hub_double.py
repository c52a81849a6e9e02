"""The double is worth what the real clients say of it: they run against it unchanged."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hub_double import READER, Fault, HubDouble
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

CARD = b"---\ntags: [x]\n---\nhello"


def add(path: str, data: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, io.BytesIO(data))


@pytest.fixture
def api(here: HubDouble) -> HfApi:
    return HfApi()


def test_a_repo_is_made_filled_read_and_deleted(api: HfApi, here: HubDouble) -> None:
    url = api.create_repo("ada/thing", repo_type="dataset")
    assert (url.repo_id, url.repo_type) == ("ada/thing", "dataset")
    binary = bytes(range(256)) * 8
    info = api.create_commit(
        "ada/thing", [add("data/a.parquet", binary), add("README.md", CARD)],
        commit_message="first", commit_description="why", repo_type="dataset",
    )  # fmt: skip
    repo = here.repo("dataset", "ada/thing")
    assert repo.head.oid == info.oid
    assert repo.head.tree["data/a.parquet"].lfs and not repo.head.tree["README.md"].lfs

    about = api.dataset_info("ada/thing", files_metadata=True)
    sizes = {s.rfilename: (s.size, s.lfs.sha256 if s.lfs else None) for s in about.siblings or []}
    assert sizes["data/a.parquet"] == (len(binary), repo.head.tree["data/a.parquet"].sha256)
    assert about.card_data and about.card_data["tags"] == ["x"]
    listed = {entry.path for entry in api.list_repo_tree("ada/thing", repo_type="dataset")}
    assert listed == {".gitattributes", "README.md", "data"}
    found = api.get_paths_info("ada/thing", ["data/a.parquet", "nowhere"], repo_type="dataset")
    assert [f.path for f in found] == ["data/a.parquet"]

    path = api.hf_hub_download("ada/thing", "data/a.parquet", repo_type="dataset")
    assert Path(path).read_bytes() == binary
    titles = [(c.title, c.message) for c in api.list_repo_commits("ada/thing", repo_type="dataset")]
    assert titles == [("first", "why"), ("initial commit", "")]
    api.delete_repo("ada/thing", repo_type="dataset")
    assert not api.repo_exists("ada/thing", repo_type="dataset")


def test_what_is_there_is_not_sent_again(api: HfApi, here: HubDouble) -> None:
    api.create_repo("ada/m")
    api.create_commit("ada/m", [add("a.bin", b"\0one")], commit_message="a")
    api.create_commit("ada/m", [add("b.bin", b"\0one"), add("c.txt", b"c")], commit_message="b")
    assert len(here.requests("PUT")) == 1
    api.create_commit("ada/m", [add("c.txt", b"c")], commit_message="nothing")
    assert [c.title for c in here.repo("model", "ada/m").history()] == ["b", "a", "initial commit"]


def test_deleting_files_and_folders(api: HfApi, here: HubDouble) -> None:
    api.create_repo("ada/m")
    files = [add(p, b"x") for p in ("a/1", "a/b/2", "c")]
    api.create_commit("ada/m", files, commit_message="a")
    api.create_commit(
        "ada/m", [CommitOperationDelete("a/"), CommitOperationDelete("c")], commit_message="b"
    )
    assert here.repo("model", "ada/m").files() == {}
    with pytest.raises(EntryNotFoundError):
        api.create_commit("ada/m", [CommitOperationDelete("c")], commit_message="c")


def test_a_commit_onto_a_stale_parent_is_refused(api: HfApi, here: HubDouble) -> None:
    api.create_repo("ada/m")
    old = here.repo("model", "ada/m").head.oid
    api.create_commit("ada/m", [add("a", b"1")], commit_message="a", parent_commit=old)
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_commit("ada/m", [add("a", b"2")], commit_message="b", parent_commit=old)
    assert caught.value.response.status_code == 412
    assert here.repo("model", "ada/m").files() == {"a": b"1"}


def test_pull_requests_branches_and_tags(api: HfApi, here: HubDouble) -> None:
    api.create_repo("ada/m")
    info = api.create_commit("ada/m", [add("a", b"1")], commit_message="a", create_pr=True)
    assert info.pr_revision == "refs/pr/1"
    repo = here.repo("model", "ada/m")
    assert repo.files() == {} and repo.files("refs/pr/1") == {"a": b"1"}
    assert api.model_info("ada/m", revision="refs/pr/1").sha == info.oid
    refs = api.list_repo_refs("ada/m", include_pull_requests=True)
    assert [r.ref for r in refs.pull_requests or []] == ["refs/pr/1"]
    [pull] = api.get_repo_discussions("ada/m", discussion_status="open")
    assert (pull.num, pull.title, pull.is_pull_request) == (1, "a", True)
    api.merge_pull_request("ada/m", 1)
    assert repo.files() == {"a": b"1"}
    assert api.get_discussion_details("ada/m", 1).status == "merged"

    api.create_tag("ada/m", tag="v1")
    with pytest.raises(HfHubHTTPError):
        api.create_tag("ada/m", tag="v1")
    api.create_tag("ada/m", tag="v1", exist_ok=True)
    api.create_branch("ada/m", branch="side")
    api.create_commit("ada/m", [add("b", b"2")], commit_message="b", revision="side")
    assert repo.files("side") == {"a": b"1", "b": b"2"} and repo.files("v1") == {"a": b"1"}


def test_a_pull_request_is_its_authors_to_grow_and_merges_whole_or_not_at_all(
    api: HfApi, here: HubDouble
) -> None:
    api.create_repo("ada/m")
    repo, eve = here.repo("model", "ada/m"), HfApi(token="hf_eve")
    here.user("hf_eve", "eve")
    eve.create_commit("ada/m", [add("a", b"1")], commit_message="a", create_pr=True)
    grow = {"commit_message": "b", "revision": "refs/pr/1"}
    eve.create_commit("ada/m", [add("b", b"2")], **grow)
    api.create_commit("ada/m", [add("b", b"3")], commit_message="another", create_pr=True)
    with pytest.raises(HfHubHTTPError) as caught:
        eve.create_commit("ada/m", [add("c", b"4")], **grow | {"revision": "refs/pr/2"})
    assert caught.value.response.status_code == 403
    api.merge_pull_request("ada/m", 1)
    assert repo.files() == {"a": b"1", "b": b"2"}
    with pytest.raises(HfHubHTTPError) as caught:
        api.merge_pull_request("ada/m", 2)
    assert caught.value.response.status_code == 409
    assert repo.files() == {"a": b"1", "b": b"2"} and repo.pulls[1].status == "open"


def test_error_codes_and_rights(api: HfApi, here: HubDouble) -> None:
    api.create_repo("ada/secret", private=True)
    with pytest.raises(RevisionNotFoundError):
        api.model_info("ada/secret", revision="nope")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("ada/secret", "nope")
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree("ada/secret", "nope"))
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_repo("ada/secret")
    assert caught.value.response.status_code == 409
    api.create_repo("ada/secret", exist_ok=True)
    api.create_repo("lab/thing")
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_repo("eve/thing")
    assert caught.value.response.status_code == 403

    bob = HfApi(token=READER)
    with pytest.raises(RepositoryNotFoundError):
        bob.model_info("ada/secret")
    assert bob.whoami()["auth"]["accessToken"]["role"] == "read"
    with pytest.raises(HfHubHTTPError) as caught:
        bob.create_commit("lab/thing", [add("a", b"1")], commit_message="a")
    assert caught.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError) as caught:
        HfApi(token="hf_wrong").whoami()
    assert caught.value.response.status_code == 401


def test_ranges(api: HfApi, here: HubDouble) -> None:
    from huggingface_hub.utils import get_session

    here.store.create("model", "ada/m").write({"a.bin": b"\0" + bytes(range(99))})
    url = f"{here.url}/ada/m/resolve/main/a.bin"
    whole = get_session().get(url)
    for asked, want in (
        ("2-5", whole.content[2:6]),
        ("90-", whole.content[90:]),
        ("-3", whole.content[-3:]),
    ):
        part = get_session().get(url, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, want)
    assert get_session().get(url, headers={"Range": "bytes=200-"}).status_code == 416
    head = get_session().head(url)
    assert head.headers["X-Linked-Size"] == "100" and head.headers["X-Repo-Commit"]


@pytest.mark.parametrize("kind", ["503", "429", "drop_before", "drop_after"])
def test_faults_strike_the_request_they_name(api: HfApi, here: HubDouble, kind: Any) -> None:
    api.create_repo("ada/m")
    repo = here.repo("model", "ada/m")
    here.fail(Fault(kind, "POST", "/commit/", nth=2))
    api.create_commit("ada/m", [add("a", b"1")], commit_message="a")
    with pytest.raises(Exception):  # noqa: B017  HfHubHTTPError, or httpx2's own
        api.create_commit("ada/m", [add("a", b"2")], commit_message="b")
    assert repo.files() == {"a": b"2" if kind == "drop_after" else b"1"}
    api.create_commit("ada/m", [add("a", b"3")], commit_message="c")
    assert repo.files() == {"a": b"3"}
    assert [r.fault for r in here.requests("POST", "/commit/")] == [None, kind, None]


STRANGER = """
import json, os
import datasets, evaluate
from huggingface_hub import HfApi, snapshot_download

datasets.Dataset.from_dict({"x": [1, 2, 3]}).push_to_hub("ada/numbers")
table = datasets.load_dataset("ada/numbers", split="train")
stream = datasets.load_dataset("ada/numbers", split="train", streaming=True)
folder = snapshot_download("ada/numbers", repo_type="dataset")
metric = evaluate.load("ada/twice").compute(predictions=[1, 2], references=[0, 0])
rows = [row["x"] for row in stream]
print(json.dumps([list(table["x"]), rows, sorted(os.listdir(folder)), metric]))
"""

METRIC = """import datasets
import evaluate
from .helper import double

class Twice(evaluate.Metric):
    def _info(self):
        number = datasets.Value("int64")
        features = datasets.Features({"predictions": number, "references": number})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"twice": double(sum(predictions))}
"""


def test_datasets_and_evaluate_as_a_stranger_uses_them(hub: HubDouble, script: Any) -> None:
    hub.store.create("space", "ada/twice").write(
        {"twice.py": METRIC, "helper.py": "def double(x):\n    return 2 * x\n"}
    )
    table, stream, files, metric = json.loads(script(STRANGER).stdout.splitlines()[-1])
    assert table == stream == [1, 2, 3]
    assert files == [".gitattributes", "README.md", "data"]
    assert metric == {"twice": 6}


MODEL = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, vocab_size=11,
                     num_attention_heads=2, num_key_value_heads=2)
model = LlamaForCausalLM(config)
model.push_to_hub("ada/tiny")
again = LlamaForCausalLM.from_pretrained("ada/tiny")
print(all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)))
"""


def test_a_model_comes_back_as_it_went(hub: HubDouble, script: Any) -> None:
    assert script(MODEL).stdout.splitlines()[-1] == "True"
    assert hub.repo("model", "ada/tiny").head.tree["model.safetensors"].lfs
