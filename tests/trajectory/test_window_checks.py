"""Windows and labels from other hands: read by name, or refused with row, field and the mend."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.notices import Notice
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.labels import class_names
from eisv_lumen.trajectory.dataset.metadata import with_cut_facts
from eisv_lumen.trajectory.dataset.schema import SCHEMA, build, read_table, typed, write_parquet
from eisv_lumen.trajectory.dataset.window_checks import check_labels
from eisv_lumen.trajectory.load import load_table, load_trajectories
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources import Report, Source


def log(n=400, seed=0, start=1.6e9):
    """A log that wanders, so that several shapes occur."""
    rng = np.random.default_rng(seed)
    X = np.clip(0.4 + np.cumsum(rng.normal(0, 0.03, (n, 4)), 0), 0, 1)
    return Series(start + np.cumsum(rng.uniform(1, 3, n)), X, rng.uniform(0, 0.3, n), "log", "a")


TABLE = build(Source([log()], Report()))
ROWS = TABLE.num_rows


def changed(name, values):
    at = TABLE.column_names.index(name)
    return TABLE.set_column(at, name, values if isinstance(values, pa.Array) else pa.array(values))


def encoded(names):
    """The same windows, whose codes are positions in `names`: as another writer would have it."""
    codes = [names.index(SHAPES[code]) for code in TABLE["shape"].to_pylist()]
    features = {"shape": {"names": list(names), "_type": "ClassLabel"}}
    said = json.dumps({"info": {"features": features}})
    table = changed("shape", codes).drop(["shape_name"])
    return table.replace_schema_metadata({**TABLE.schema.metadata, b"huggingface": said})


@settings(max_examples=30, deadline=None)
@given(st.permutations(SHAPES), st.booleans())
def test_class_names_in_any_order_give_the_same_labels(names, more):
    """Against the plain reference: each row's name, looked up one by one."""
    names = [*names[:4], "something else", *names[4:]] if more else list(names)
    table = encoded(names)
    said = [names[code] for code in table["shape"].to_pylist()]
    found = typed(table, "x")
    assert found["shape_name"].to_pylist() == said
    assert [SHAPES[code] for code in found["shape"].to_pylist()] == said
    assert found.equals(TABLE)


def test_what_datasets_itself_encodes_is_read_by_name(tmp_path):
    from datasets import Dataset

    named = changed("shape", TABLE["shape_name"].to_pylist()).drop(["shape_name"])
    data = Dataset(named.replace_schema_metadata(None)).class_encode_column("shape")
    assert data.features["shape"].names == sorted(set(TABLE["shape_name"].to_pylist()))
    data.to_parquet(tmp_path / "d.parquet")
    assert read_table(tmp_path / "d.parquet").select(SCHEMA.names).equals(TABLE)
    assert load_trajectories(data).data.table.equals(TABLE)


@pytest.mark.parametrize("kind", ["text", "large", "dictionary", "floats", "int8"])
def test_names_and_codes_of_any_type_are_read(kind):
    names = pa.array(TABLE["shape_name"].to_pylist())
    codes = TABLE["shape"].combine_chunks()
    column = {
        "text": names, "large": names.cast(pa.large_string()),
        "dictionary": names.dictionary_encode(), "floats": codes.cast(pa.float64()),
        "int8": codes.cast(pa.int8()),
    }[kind]  # fmt: skip
    assert typed(changed("shape", column), "x").equals(TABLE)


def test_files_without_shape_name_are_read_and_can_be_written_over(tmp_path):
    old = TABLE.drop(["shape_name"])
    pq.write_table(old, tmp_path / "old.parquet")
    assert read_table(tmp_path / "old.parquet").equals(TABLE)
    from eisv_lumen.trajectory.dataset.output_checks import check_file

    check_file(tmp_path / "old.parquet", None, SCHEMA.names)


def lists(name, row, values):
    every = TABLE[name].to_pylist()
    every[row] = values
    return changed(name, pa.array(every, TABLE.schema.field(name).type))


def states(name, row=3):
    return TABLE[name][row].as_py()


T = states("t")
BROKEN = {
    "shape NULL": (changed("shape", [None, *[8] * (ROWS - 1)]), "row 0: shape is NULL"),
    "shape -1": (changed("shape", [-1] * ROWS), "row 0: shape is -1, which is no label"),
    "shape 12": (changed("shape", [8, *[12] * (ROWS - 1)]), "row 1: shape is 12"),
    "shape 2.5": (changed("shape", [2.5] * ROWS), "row 0: shape is 2.5"),
    "shape joy": (changed("shape", ["joy"] * ROWS), "row 0: unknown shape 'joy'"),
    "shape dates": (changed("shape", pa.array([0] * ROWS, pa.date32())), "'shape' holds date32"),
    "E NaN": (lists("E", 3, [*states("E")[:-1], np.nan]), "row 3: E holds nan"),
    "I inf": (lists("I", 3, [np.inf, *states("I")[1:]]), "row 3: I holds inf"),
    "S NULL inside": (lists("S", 3, [None, *states("S")[1:]]), "row 3: S holds a NULL"),
    "V NULL": (lists("V", 3, None), "row 3: V is NULL"),
    "drift short": (lists("ethical_drift", 3, [0.0] * 19), "has 19 values where t has 20"),
    "t backwards": (lists("t", 3, T[::-1]), "row 3: time decreases"),
    "t in ms": (changed("t", [[1e3 * t for t in w] for w in TABLE["t"].to_pylist()]),
                "no time in seconds; divide milliseconds by 1000"),
    "t of another": (lists("t", 3, states("t", 5)), "row 3: t_start is"),
    "t float32": (changed("t", TABLE["t"].combine_chunks().cast(pa.list_(pa.float32()))),
                  "steps are 128 s"),
    "agent NULL": (changed("agent", [None, *["a"] * (ROWS - 1)]), "row 0: agent is NULL"),
    "percent": (changed("E", [[100 * e for e in w] for w in TABLE["E"].to_pylist()]),
                r"lie outside \[0, 1\]; build the windows again"),
    "names differ": (changed("shape_name", ["void_rising"] * ROWS), "shape_name is void_rising"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_window_is_refused_on_every_way_in(tmp_path, what):
    table, message = BROKEN[what]
    path = tmp_path / "d" / "train.parquet"
    path.parent.mkdir()
    pq.write_table(table, path)
    ways = [lambda: read_table(path), lambda: load_table(path), lambda: load_table(tmp_path / "d"),
            lambda: load_trajectories(path), lambda: load_trajectories(table),
            lambda: list(load_trajectories(tmp_path / "d", streaming=True))]  # fmt: skip
    for way in ways:
        with pytest.raises(InputError, match=message):
            way()


def test_one_state_is_no_window():
    short = {
        n: pa.array([w[:1] for w in TABLE[n].to_pylist()]) for n in ("t", *"EISV", "ethical_drift")
    }
    table = TABLE
    for name, values in short.items():
        table = table.set_column(table.column_names.index(name), name, values)
    with pytest.raises(InputError, match="row 0: 1 states; a window has at least 2"):
        typed(table, "x")


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(("t", *"EISV", "ethical_drift")),
    st.integers(0, ROWS - 1),
    st.integers(0, 19),
    st.sampled_from([np.nan, np.inf, -np.inf, None, 1e15, "drop", "same"]),
)
def test_a_random_corruption_is_refused_or_changes_nothing(name, row, place, value):
    """Never in silence: what is read equals the clean table, or a sentence names row and field."""
    one = states(name, row)
    if value == "drop":
        del one[place]
    elif value != "same":
        one[place] = value
    try:
        found = typed(lists(name, row, one), "x")
    except InputError as error:
        assert value != "same" and f"row {row}" in str(error) and name in str(error)
    except Notice:
        assert name in "EISV" and value == 1e15
    else:
        assert value == "same" or (name == "ethical_drift" and value == 1e15)
        assert value != "same" or found.equals(TABLE)


@pytest.fixture(autouse=True)
def _notices_are_errors():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        yield


def test_a_few_values_outside_are_counted():
    with pytest.warns(Notice, match=r"x: 1 of 3,120 values of E, I, S, V lie outside \[0, 1\]"):
        typed(lists("E", 3, [*states("E")[:-1], 1.5]), "x")


def relabelled(n, table=TABLE):
    """The table with n labels that are not those of the rules."""
    codes = table["shape"].to_pylist()
    codes[:n] = [(code + 1) % 9 for code in codes[:n]]
    at = table.column_names.index("shape")
    out = table.set_column(at, "shape", pa.array(codes))
    return out.set_column(at + 1, "shape_name", pa.array([SHAPES[code] for code in codes]))


def test_labels_that_contradict_their_own_cut_are_refused_and_others_counted():
    check_labels(TABLE, "x")
    with pytest.raises(InputError, match="x: 5 of 39 labels are not what the rules give"):
        check_labels(relabelled(5), "x")
    free = relabelled(5).replace_schema_metadata({})
    with pytest.warns(Notice, match="x: 5 of 39 labels .* they are kept as they are"):
        check_labels(free, "x")
    large = build(Source([log(4000, 3)], Report()))
    with pytest.warns(Notice, match="x: 3 of 399 labels"):  # under 1 %
        check_labels(relabelled(3, large), "x")


def test_codes_without_names_that_contradict_the_rules_are_refused(tmp_path):
    names = sorted(SHAPES)
    table = encoded(names).replace_schema_metadata(None)
    with pytest.raises(InputError, match=r"codes without class names, and \d+ of 39"):
        typed(table, "x")
    ours = TABLE.drop(["shape_name"]).replace_schema_metadata(None)
    assert typed(ours, "x").equals(TABLE)


def test_no_rows_are_no_windows_but_no_fault(tmp_path):
    write_parquet(tmp_path / "d.parquet", SCHEMA.empty_table())
    assert load_trajectories(tmp_path / "d.parquet").num_rows == 0
    assert class_names(pq.read_schema(tmp_path / "d.parquet")) == list(SHAPES)


def test_the_facts_of_the_cut_are_kept():
    table = with_cut_facts(encoded(sorted(SHAPES)), seed=3)
    found = typed(table, "x")
    assert json.loads(found.schema.metadata[b"eisv_lumen"]) == {
        "seed": 3,
        "stride": 10,
        "window": 20,
    }


def test_the_file_is_written_as_the_hub_wants_it(tmp_path, monkeypatch):
    """A page index, and pages cut by content: those behind a change can be the same as before."""
    given = {}

    class Recorded(pq.ParquetWriter):
        def __init__(self, *args, **how):
            given.update(how)
            super().__init__(*args, **how)

    monkeypatch.setattr(pq, "ParquetWriter", Recorded)
    path = tmp_path / "ours.parquet"
    write_parquet(path, build(Source([log(60_000)], Report())))
    assert given["use_content_defined_chunking"] and given["write_page_index"]
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(k) for k in range(group.num_columns)]
    assert all(column.has_offset_index for column in columns)
    assert next(c for c in columns if c.path_in_schema == "t_start").has_column_index
