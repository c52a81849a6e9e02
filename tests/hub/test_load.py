"""One dataset, on the Hub and in a folder: the same rows, whatever is asked for."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_double import HubDouble
from test_growth import series, source

from eisv_lumen import load_trajectories
from eisv_lumen.core.errors import InputError
from eisv_lumen.core.notices import Notice
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.configs import config_name, split_lengths
from eisv_lumen.trajectory.dataset.schema import build, features, write_parquet, write_together

LOG = source(series(1500), series(700, 3, agent="b"))
ID = "ada/trajectories"
CARD = """---
configs:
- config_name: window_10
  default: true
  data_files:
  - {split: train, path: window_10/train*.parquet}
  - {split: test, path: [window_10/test.parquet]}
- config_name: window_20
  data_files:
  - {split: train, path: window_20/train*.parquet}
  - {split: test, path: window_20/test.parquet}
---
"""
pytestmark = pytest.mark.filterwarnings("ignore::eisv_lumen.core.notices.Notice")


def lay(folder: Path, card: str | None = CARD) -> Path:
    tables, _ = split_lengths(LOG, [10, 20], seed=0)
    write_together(
        {
            folder / config_name(length) / f"{split}.parquet": table
            for length, splits in tables.items()
            for split, table in splits.items()
        }
    )
    if card is not None:
        (folder / "README.md").write_text(card)
    return folder


def on_hub(hub: HubDouble, folder: Path) -> str:
    repo = hub.store.create("dataset", ID)
    repo.write(
        {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    )
    return ID


ASKED: list[dict[str, Any]] = [
    {},
    {"config": "window_20"},
    {"window": 20},
    {"config": "window_20", "split": "test"},
    {"split": "train"},
    {"streaming": True, "split": "test"},
    {"streaming": True, "config": "window_20"},
]


@pytest.mark.parametrize("card", [CARD, None])
def test_the_hub_and_a_folder_answer_alike(
    here: HubDouble, tmp_path: Path, card: str | None
) -> None:
    folder = lay(tmp_path / "d", card)
    id = on_hub(here, folder)
    for asked in ASKED:
        ours, theirs = (load_trajectories(where, **asked) for where in (folder, id))
        rows = list(ours)
        assert rows == list(theirs) and rows, asked
        assert ours.features == theirs.features == features()
        lengths = {len(row["t"]) for row in rows}
        wanted = (
            20
            if 20 in (asked.get("window"), card is None and "config" not in asked and 20)
            or (asked.get("config") == "window_20")
            else 10
        )
        assert lengths == {wanted}


def test_it_gives_what_load_dataset_gives(here: HubDouble, tmp_path: Path) -> None:
    from datasets import load_dataset

    folder = lay(tmp_path / "d")
    id = on_hub(here, folder)
    for config in ("window_10", "window_20"):
        for split in ("train", "test"):
            theirs = load_dataset(str(folder), config, split=split, cache_dir=str(tmp_path / "c"))
            assert load_trajectories(id, config, split=split)[:] == theirs[:]


def test_a_revision_is_that_one(here: HubDouble, tmp_path: Path) -> None:
    folder = lay(tmp_path / "d")
    id = on_hub(here, folder)
    first = here.repo("dataset", ID).head.oid
    n = len(load_trajectories(id, split="test"))
    here.repo("dataset", ID).write({"window_10/test.parquet": None})
    with pytest.raises(InputError, match="no split 'test'; there is train"):
        load_trajectories(id, split="test")
    assert len(load_trajectories(id, split="test", revision=first)) == n
    with pytest.raises(InputError, match="is a folder, which has no revisions"):
        load_trajectories(folder, revision=first)


def test_what_is_not_there_is_named(here: HubDouble, tmp_path: Path) -> None:
    id = on_hub(here, lay(tmp_path / "d"))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"config": "window_15"}, "no configuration 'window_15'; there is window_10, window_20"),
        ({"window": 15}, "no configuration window_15; there is window_10, window_20"),
        ({"split": "dev"}, "no split 'dev'; there is train, test"),
        ({"stride": 5}, "cut with stride 10, not of states; leave --stride out"),
        ({"config": "window_20", "window": 15}, "holds windows of 20 states, not 15"),
    ]
    for asked, message in cases:
        for where in (id, tmp_path / "d"):
            with pytest.raises(InputError, match=message):
                load_trajectories(where, **asked)
    with pytest.raises(InputError, match=r"ada/nothing: no such file, and the dataset could not"):
        load_trajectories("ada/nothing")


def test_a_choice_among_configurations_is_said(tmp_path: Path) -> None:
    folder = lay(tmp_path / "d")
    with pytest.warns(Notice, match="read its configuration window_10; it has also window_20"):
        load_trajectories(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        load_trajectories(folder, "window_20")


def test_class_names_of_the_card_are_obeyed(here: HubDouble, tmp_path: Path) -> None:
    """The file has bare codes; what they mean stands in the card, as push_to_hub writes it."""
    table = build(LOG)
    names = sorted(SHAPES)
    at = table.column_names.index("shape")
    codes = pa.array([names.index(name) for name in table["shape_name"].to_pylist()])
    bare = table.set_column(at, "shape", codes).drop(["shape_name"]).replace_schema_metadata(None)
    folder = tmp_path / "d"
    (folder / "data").mkdir(parents=True)
    pq.write_table(bare, folder / "data" / "train-00000-of-00001.parquet")
    labels = "".join(f"          '{i}': {name}\n" for i, name in enumerate(names))
    (folder / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: shape\n    dtype:\n      class_label:\n"
        f"        names:\n{labels}---\n"
    )
    for where in (folder, on_hub(here, folder)):
        found = load_trajectories(where)
        assert found["shape_name"][:] == table["shape_name"].to_pylist()
    (folder / "README.md").unlink()
    with pytest.raises(InputError, match="codes without class names"):
        load_trajectories(folder)
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", table)
    (folder / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: shape\n    dtype:\n      class_label:\n"
        f"        names:\n{labels}---\n"
    )
    with pytest.raises(InputError, match=r"its class names are settled_presence.*but the card's"):
        load_trajectories(folder)


def test_what_push_to_hub_leaves_is_read(here: HubDouble, tmp_path: Path, script: Any) -> None:
    folder = lay(tmp_path / "d")
    whole = load_trajectories(folder, "window_20")
    whole.save_to_disk(str(tmp_path / "saved"))
    script(
        "import sys; from datasets import load_from_disk; "
        "load_from_disk(sys.argv[1]).push_to_hub('ada/copy', 'w20')",
        tmp_path / "saved",
    )
    assert load_trajectories("ada/copy")[:] == whole[:]


def test_hidden_copies_and_the_hubs_cache_are_read_once(here: HubDouble, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    folder = lay(tmp_path / "d", None)
    n = len(load_trajectories(folder, "window_20"))
    for hidden in (".ipynb_checkpoints", "window_20/.cache"):
        copy = folder / hidden / "train.parquet"
        copy.parent.mkdir(parents=True)
        copy.write_bytes((folder / "window_20" / "train.parquet").read_bytes())
    assert len(load_trajectories(folder, "window_20")) == n
    id = on_hub(here, lay(tmp_path / "e"))
    n = len(load_trajectories(id, "window_20"))
    repo = here.repo("dataset", ID)
    for k in range(2):
        snapshot_download(id, repo_type="dataset")
        repo.write({"note.txt": str(k)})
    cache = Path(snapshot_download(id, repo_type="dataset")).parents[1]
    assert len(list((cache / "snapshots").iterdir())) == 3
    assert len(load_trajectories(cache, "window_20")) == n


def test_a_copied_file_doubles_nothing_and_is_said(tmp_path: Path) -> None:
    table = build(LOG)
    write_parquet(tmp_path / "a.parquet", table)
    write_parquet(tmp_path / "copy of a.parquet", table)
    with pytest.warns(Notice, match=rf"{len(table)} of {2 * len(table)} windows stand there twice"):
        assert len(load_trajectories(tmp_path)) == len(table)


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars", "dataset"])
def test_frames_of_windows_are_sources(kind: str) -> None:
    from datasets import Dataset

    table = build(LOG)
    make: dict[str, Any] = {
        "arrow": lambda: table,
        "pandas": table.to_pandas,
        "polars": lambda: pytest.importorskip("polars").from_arrow(table),
        "dataset": lambda: Dataset(table).select(range(len(table))),
    }
    found = load_trajectories(make[kind]())
    assert found[:] == Dataset(table)[:]


def test_what_is_no_frame_of_windows_is_refused() -> None:
    with pytest.raises(InputError, match=r"the DataFrame: no column t \(or timestamp\); it has a"):
        load_trajectories(pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="ndarray: not a source"):
        load_trajectories(np.zeros(3))
    with pytest.raises(InputError, match="a single table: has no split"):
        load_trajectories(build(LOG), split="train")
