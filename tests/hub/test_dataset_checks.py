"""What the dataset's card promises is looked up before it is published."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from test_growth import series, source

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.cards.dataset_checks import check_disjoint, check_range
from eisv_lumen.hub.contents.build import build_contents
from eisv_lumen.hub.contents.context import Material
from eisv_lumen.hub.publishing.repos import DATASET
from eisv_lumen.trajectory.dataset.configs import ByLength, config_name, split_lengths
from eisv_lumen.trajectory.dataset.schema import write_together

ROOT = Path(__file__).parents[2]
LOG = source(series(1500), series(700, 3, agent="b"))


def lay(folder: Path, tables: ByLength) -> Path:
    files = {
        folder / "dataset" / config_name(length) / f"{split}.parquet": table
        for length, splits in tables.items()
        for split, table in splits.items()
    }
    write_together(files)
    return folder


def test_splits_of_one_command_share_no_state() -> None:
    tables, _ = split_lengths(LOG, seed=0)
    check_disjoint({config_name(n): splits for n, splits in tables.items()}, "run")


def test_configurations_of_two_commands_are_not_published(tmp_path: Path) -> None:
    lay(tmp_path, split_lengths(LOG, [20], seed=0)[0])
    lay(tmp_path, split_lengths(LOG, [15], seed=5)[0])
    with pytest.raises(
        InputError, match=r"window_\d+/\w+ and window_\d+/\w+ share a state"
    ) as said:
        build_contents(Material(ROOT, "ada", tmp_path), ["dataset"])
    assert "in one command" in str(said.value)


@pytest.mark.filterwarnings("ignore::eisv_lumen.core.notices.Notice")
@pytest.mark.parametrize("value", [3.5, -40.0])
def test_states_outside_the_range_are_not_published(tmp_path: Path, value: float) -> None:
    tables, _ = split_lengths(LOG, [20], seed=0)
    table = tables[20]["test"]
    lists = table["I"].to_pylist()
    lists[2][5] = value
    tables[20]["test"] = table.set_column(2, table.schema.field(2), pa.array(lists))
    lay(tmp_path, tables)
    with pytest.raises(InputError, match=rf"window_20/test, row 2: I is {value}, not in"):
        build_contents(Material(ROOT, "ada", tmp_path), ["dataset"])


def test_milliseconds_are_not_published() -> None:
    table = split_lengths(LOG, [20], seed=0)[0][20]["train"]
    where = table.schema.get_field_index("t_end")
    late = table.set_column(where, "t_end", pc.multiply(table["t_end"], 1e3))
    with pytest.raises(InputError, match=r"run: w/train, row 0: t=1\.7e\+12 is no time in seconds"):
        check_range({"w": {"train": late}}, "run")


def test_a_renamed_log_cannot_stand_in_two_splits() -> None:
    """Names of source and agent are changed; times and states say whose they are."""
    tables, _ = split_lengths(LOG, [20], seed=0)
    train, test = tables[20]["train"], tables[20]["test"]
    column = test.schema.get_field_index("source")
    again = train.slice(3, 4).set_column(column, "source", pa.array(["weekly-export"] * 4))
    with pytest.raises(InputError, match="a/train and a/test share a state"):
        check_disjoint({"a": {"train": train, "test": pa.concat_tables([test, again])}}, "run")


def test_labels_that_contradict_their_own_cut_are_not_published(tmp_path: Path) -> None:
    tables, _ = split_lengths(LOG, [20], seed=0)
    table = tables[20]["train"]
    codes = [(code + 1) % 9 for code in table["shape"].to_pylist()]
    names = [SHAPES[code] for code in codes]
    for name, values in (("shape", codes), ("shape_name", names)):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pa.array(values))
    tables[20]["train"] = table
    lay(tmp_path, tables)
    with pytest.raises(InputError, match=r"labels are not what the rules give for the states"):
        build_contents(Material(ROOT, "ada", tmp_path), ["dataset"])


def test_foreign_class_names_are_published_as_ours(tmp_path: Path) -> None:
    """Another writer's order of classes, and no shape_name: what is published reads the same."""
    tables, _ = split_lengths(LOG, [20], seed=0)
    lay(tmp_path, tables)
    table, path = tables[20]["train"], tmp_path / "dataset" / "window_20" / "train.parquet"
    names = sorted(SHAPES)
    at = table.schema.get_field_index("shape")
    codes = pa.array([names.index(name) for name in table["shape_name"].to_pylist()])
    said = {"info": {"features": {"shape": {"names": names, "_type": "ClassLabel"}}}}
    foreign = table.set_column(at, "shape", codes).drop(["shape_name"])
    pq.write_table(foreign.replace_schema_metadata({"huggingface": json.dumps(said)}), path)
    files = build_contents(Material(ROOT, "ada", tmp_path), ["dataset"])[DATASET]
    sent = files["window_20/train-00000.parquet"]
    assert isinstance(sent, bytes)
    found = pq.read_table(pa.BufferReader(sent))
    assert found.equals(table) and found.schema.metadata[b"huggingface"]
    assert files["window_20/test-00000.parquet"] == path.with_name("test.parquet")


def test_agents_may_share_times() -> None:
    tables, _ = split_lengths(source(series(600), series(600, agent="b")), [20], seed=1)
    check_disjoint({"window_20": tables[20]}, "run")


def test_the_card_says_how_the_windows_were_cut(tmp_path: Path) -> None:
    lay(tmp_path, split_lengths(source(series(3000)), [10, 20], stride=40, seed=7)[0])
    contents = build_contents(Material(ROOT, "ada", tmp_path), ["dataset"])
    card = bytes(contents[DATASET]["README.md"]).decode()
    assert re.search(r"\| window_20 +\| train +\| +20 \| +40 \|", card)
    assert re.search(r"\| window_10 +\| test +\| +10 \| +40 \|", card)
    assert "(seed 7)" in card
