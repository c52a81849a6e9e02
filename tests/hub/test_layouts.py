"""What `load_dataset` reads is what grows: our resolution against `datasets`' own."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hub_double import HubDouble, Repo
from samples import FAST
from test_growth import build, part, series, source

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.trajectory.dataset.layouts import grown_number, layouts_of

ID = "ada/laid"
LOG = series(120)
FIRST = build([part(LOG, 0, 60)], window=10, stride=5)
LATER = build([LOG], window=10, stride=5)

PUSHED = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
SPLIT = {"split": "train", "path": "data/train-*"}


def config(data_files: Any = None, **more: Any) -> dict[str, Any]:
    found = {"config_name": "default", **more}
    return found if data_files is None else {**found, "data_files": data_files}


LAYOUTS: dict[str, tuple[list[dict[str, Any]] | None, list[str]]] = {
    "push_to_hub": ([config([SPLIT])], PUSHED),
    "push_to_hub, no configs": (None, PUSHED),
    "push_to_hub, more splits, no configs": (None, [*PUSHED, "data/test-00000-of-00001.parquet"]),
    "push_to_hub, another config": (
        [config([{"split": "train", "path": "w/train-*"}], config_name="w")],
        ["w/train-00000-of-00001.parquet"],
    ),
    "one file at the root": (None, ["windows.parquet"]),
    "split in the name": (None, ["train.parquet", "test.parquet"]),
    "split in the name, deeper": (None, ["a/b/train_1.parquet", "a/b/eval-2.parquet"]),
    "split in the folder": (None, ["train/x.parquet", "train/y.parquet", "test/x.parquet"]),
    "keyword in the folder": (None, ["my-training data/x.parquet", "dev/x.parquet"]),
    "a list under path": (
        [config([{"split": "train", "path": ["old/*.parquet", "new/*"]}])],
        ["old/1.parquet", "new/1.parquet"],
    ),
    "a list of paths": ([config(["a/*", "b/*.parquet"])], ["a/1.parquet", "b/1.parquet"]),
    "a text": ([config("a/**")], ["a/1.parquet", "a/b/2.parquet"]),
    "two stars": ([config([{"split": "train", "path": "**/*.parquet"}])], ["a/1.parquet"]),
    "two stars in a row": ([config([{"split": "train", "path": "a/**/x*"}])], ["a/b/x1.parquet"]),
    "any character": ([config("a/[0-9]*-?.parquet")], ["a/1-x.parquet"]),
    "data_dir": ([config(data_dir="w10")], ["w10/train-0.parquet", "other/train-0.parquet"]),
    "hidden ones": (None, ["data.parquet", ".cache/data.parquet", "__x__/data.parquet"]),
    "two configs": (
        [
            config([{"split": "train", "path": "a/train-*"}], config_name="a"),
            config([{"split": "train", "path": "b/train-*"}, {"split": "test", "path": "b/test-*"}],
                   config_name="b"),
        ],
        ["a/train-0.parquet", "b/train-0.parquet", "b/test-0.parquet"],
    ),
}  # fmt: skip


def laid_out(here: HubDouble, id: str, name: str) -> tuple[Repo, bytes | None]:
    """A dataset of that layout: train holds the first windows, any other split another agent's."""
    configs, paths = LAYOUTS[name]
    repo = here.store.create("dataset", id)
    card = None
    if configs is not None:
        card = f"---\n{yaml.safe_dump({'configs': configs})}---\n# Laid out\n".encode()
    other = build([series(60, 9, agent="b")], window=10, stride=5)
    reads = {p: one for one in layouts_of(card, paths, ID) for p in one.splits.get("train", ())}
    files: dict[str, bytes | str | None] = {}
    parts: dict[Any, list[str]] = {}
    for path in paths:
        parts.setdefault(reads[path].configs if path in reads else path, []).append(path)
    for which, mine in parts.items():
        table = FIRST if isinstance(which, tuple) else other
        cuts = np.linspace(0, len(table), len(mine) + 1).astype(int)
        for path, (a, b) in zip(mine, itertools.pairwise(cuts), strict=True):
            files[path] = as_file(table.slice(a, b - a))
    repo.write(files | ({"README.md": card} if card else {}), "as it was")
    return repo, card


def as_file(table: pa.Table) -> bytes:
    """Parquet as anybody writes it, without anything of ours in its footer."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


RESOLVE = """
import datasets, json, sys
found = {}
for id in sys.argv[1:]:
    mine = found[id] = {}
    for name in datasets.get_dataset_config_names(id):
        files = datasets.load_dataset_builder(id, name).config.data_files
        mine[name] = {
            str(s): [f.split("@", 1)[1].split("/", 1)[1] for f in fs] for s, fs in files.items()
        }
        d = datasets.load_dataset(id, name, split="train")
        mine[name + ":t_start"] = sorted(t for t, a in zip(d["t_start"], d["agent"]) if a == "a")
print(json.dumps(found))
"""


def test_every_layout_is_read_and_grows(here: HubDouble, script: Any) -> None:
    """One process of a stranger's resolves them all: it takes long to start."""
    made = {f"ada/laid-{i}": name for i, name in enumerate(LAYOUTS)}
    repos = {}
    for id, name in made.items():
        repo, card = repos[id] = laid_out(here, id, name)
        paths = LAYOUTS[name][1]
        outcome = sync(id, source(LOG), stride=5, backoff=FAST)
        assert sum(outcome.windows.values()) == 12 * len(layouts_of(card, paths, id)), name
        grown = [path for path in repo.files() if path not in paths and path.endswith(".parquet")]
        assert grown and all(grown_number(path) == 1 for path in grown), name
        assert sync(id, source(LOG), stride=5, backoff=FAST).status == "unchanged", name
    theirs = json.loads(script(RESOLVE, *made).stdout.splitlines()[-1])
    for id, (repo, card) in repos.items():
        for layout in layouts_of(card, repo.files(), id):
            for one in layout.configs:
                ours = {split: list(files) for split, files in layout.splits.items()}
                assert ours == theirs[id][one], made[id]
                assert theirs[id][f"{one}:t_start"] == LATER["t_start"].to_pylist(), made[id]


@pytest.mark.parametrize(
    ("configs", "paths", "said"),
    [
        ([config([{"split": "train", "path": "a.parquet"}])], ["a.parquet"], "match alone"),
        ([config([{"split": "test", "path": "a*"}])], ["a.parquet"], "no split 'train'"),
        (
            [config("a/*", config_name="one"), config("**", config_name="two")],
            ["a/1.parquet", "b/1.parquet"],
            "match alone",
        ),
        ([{"data_files": "a*"}], ["a.parquet"], "do not say where each split is"),
        ([config("x/*.parquet")], ["a.parquet"], "holds no windows"),
    ],
)
def test_what_cannot_grow_is_refused_and_left_alone(
    here: HubDouble, configs: Any, paths: list[str], said: str
) -> None:
    repo = here.store.create("dataset", ID)
    card = f"---\n{yaml.safe_dump({'configs': configs})}---\n"
    repo.write({"README.md": card, **dict.fromkeys(paths, as_file(FIRST))}, "as it was")
    with pytest.raises(InputError, match=said):
        sync(ID, source(LOG), stride=5, backoff=FAST)
    assert repo.head.title == "as it was"


def in_order(table: pa.Table, names: list[str]) -> pa.Table:
    """The table with its classes in another order, as `class_encode_column` makes it."""
    codes = pa.array([names.index(SHAPES[c]) for c in table["shape"].to_pylist()], pa.int64())
    meta = json.loads(table.schema.metadata[b"huggingface"])
    meta["info"]["features"]["shape"]["names"] = names
    at = table.column_names.index("shape")
    table = table.set_column(at, "shape", codes)
    return table.replace_schema_metadata({b"huggingface": json.dumps(meta)})


LABELS = """
import datasets, json, sys
found = []
for id, name in (arg.split(":") for arg in sys.argv[1:]):
    d = datasets.load_dataset(id, name or None, split="train")
    shape = d.features["shape"]
    names = shape.int2str(d["shape"][:]) if hasattr(shape, "int2str") else d["shape"][:]
    found.append([d["t_start"][:], names, d.column_names])
print(json.dumps(found))
"""


def test_the_datasets_own_classes_and_columns_are_kept(here: HubDouble, script: Any) -> None:
    at = FIRST.column_names.index("shape")
    named = pa.array([SHAPES[c] for c in FIRST["shape"].to_pylist()])
    plain = FIRST.replace_schema_metadata(None)
    fewer = plain.drop_columns(["tokens", "source"])
    tables = {
        "ada/sorted": in_order(FIRST, sorted(SHAPES)),
        "ada/text": plain.set_column(at, "shape", named),
        "ada/fewer": fewer.append_column("note", pa.array(["x"] * len(fewer))),
    }
    for id, table in tables.items():
        repo = here.store.create("dataset", id)
        repo.write({PUSHED[0]: as_file(table)}, "as it was")
        sync(id, source(LOG), stride=5, backoff=FAST)
    found = json.loads(script(LABELS, *(f"{id}:" for id in tables)).stdout.splitlines()[-1])
    codes = LATER["shape"].to_pylist()
    for (id, table), (t_start, names, columns) in zip(tables.items(), found, strict=True):
        assert t_start == LATER["t_start"].to_pylist()
        assert names == (codes if id == "ada/fewer" else [SHAPES[code] for code in codes]), id
        assert columns == table.column_names


def test_a_card_that_orders_the_classes_otherwise_is_refused(here: HubDouble) -> None:
    names = {str(i): name for i, name in enumerate(sorted(SHAPES))}
    info = {"features": [{"name": "shape", "dtype": {"class_label": {"names": names}}}]}
    card = f"---\n{yaml.safe_dump({'dataset_info': info})}---\n"
    repo = here.store.create("dataset", ID)
    repo.write({"README.md": card, PUSHED[0]: as_file(FIRST)}, "as it was")
    with pytest.raises(InputError, match="do not agree on the names of the classes"):
        sync(ID, source(LOG), stride=5, backoff=FAST)


def test_a_pushed_dataset_grows_again_and_again(
    here: HubDouble, script: Any, tmp_path: Path
) -> None:
    """The way nearly everybody publishes: its card counts rows, and is kept true."""
    push = """
import datasets, sys
d = datasets.Dataset.from_parquet(sys.argv[1])
d.push_to_hub("ada/laid"); d.push_to_hub("ada/laid", "again")
"""
    pq.write_table(FIRST, tmp_path / "first.parquet")
    script(push, tmp_path / "first.parquet")
    for until, more in ((90, 6), (120, 6), (120, 0)):
        windows = sync(ID, source(part(LOG, 0, until)), stride=5, backoff=FAST).windows
        assert windows == ({"default": more, "again": more} if more else {})
    for name in ("default", "again"):
        found = json.loads(script(LABELS, f"{ID}:{name}").stdout.splitlines()[-1])[0][0]
        assert sorted(found) == LATER["t_start"].to_pylist()
    info = yaml.safe_load(here.repo("dataset", ID).files()["README.md"].split(b"---")[1])
    counts = [one["splits"][0]["num_examples"] for one in info["dataset_info"]]
    assert counts == [len(LATER)] * 2
