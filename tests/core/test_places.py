"""A path is a path, and is not asked of the Hub; an id may name a revision."""

from pathlib import Path

import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.places import HubPlace, as_hub_place, no_such_place
from eisv_lumen.hub.publishing.fetch import fetch_model
from eisv_lumen.trajectory.load import read_any


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "demo-out").mkdir()
    (tmp_path / "demo-out" / "anima.db").touch()
    (tmp_path / "demo-out" / "teacher").mkdir()
    return tmp_path


def test_ids_and_revisions() -> None:
    assert as_hub_place("ada/lumen") == HubPlace("ada/lumen")
    assert as_hub_place("hf://datasets/ada/qwen2.5@refs/pr/3") == HubPlace(
        "ada/qwen2.5", "refs/pr/3"
    )
    assert str(HubPlace("ada/lumen", "v1")) == "ada/lumen@v1"


@pytest.mark.parametrize(
    "text",
    ["demo-out/anima", "demo-out/teecher", "./ada/lumen", "../ada/lumen", "/ada/lumen", "~/lumen",
     "ada\\lumen", "lumen", "a/b/c", "ada/lumen.csv", "ada/lumen.PARQUET", "", "-a/b"],
)  # fmt: skip
def test_what_looks_like_a_path_is_one(text: str) -> None:
    assert as_hub_place(text) is None


def test_what_was_meant_is_named_without_a_request() -> None:
    with pytest.raises(InputError, match=r"no such file.*; did you mean demo-out/anima\.db\?"):
        read_any("demo-out/anima")
    with pytest.raises(InputError, match=r"no such folder; did you mean demo-out/teacher\?"):
        fetch_model("demo-out/teecher")
    assert str(no_such_place("nowhere/x.db")) == "nowhere/x.db: no such file"
