"""The published dataset's schema: JSON in strings."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.schema import SCHEMA, windows_from_table
from eisv_lumen.trajectory.dataset.splits import split
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.series import Series, cut
from eisv_lumen.trajectory.sources.published import typed_from_published


def series(n=80, seed=0):
    rng = np.random.default_rng(seed)
    return Series(np.arange(n) * 2.3, rng.random((n, 4)) * 0.3, None, "lumen_real", "lumen")


def published(windows, provenance="lumen_real", tokens="[]"):
    """Write windows as the study's publisher did."""
    states = [
        json.dumps([{"t": t, **dict(zip("EISV", x, strict=True))} for t, x in zip(*w, strict=True)])
        for w in zip(windows.t.tolist(), windows.X.tolist(), strict=True)
    ]
    n = len(states)
    return pa.table(
        {
            "shape": [SHAPES[c] for c in windows.shape],
            "eisv_states": states,
            "derivatives": ["[]"] * n,
            "t_start": windows.t[:, 0],
            "t_end": windows.t[:, -1],
            "provenance": [provenance] * n,
            "tokens": [tokens] * n,
            "n_expressions": [0] * n,
        }
    )


def one(state=None, **changes):
    states = [{"t": k, "E": 0.5, "I": 0.5, "S": 0.5, "V": 0.1} for k in range(3)]
    if state is not None:
        states[1] = state
    row = {"shape": "convergence", "eisv_states": json.dumps(states), **changes}
    return pa.table({k: [v] for k, v in row.items()})


def test_windows_come_back_to_the_last_bit(tmp_path):
    windows = cut(series())
    pq.write_table(published(windows, tokens='[["~warmth~", "here"], []]'), tmp_path / "p.parquet")
    table = load_table(tmp_path / "p.parquet")
    assert table.schema.equals(SCHEMA, check_metadata=True)
    back = windows_from_table(table)
    for name in ("t", "X", "ethical_drift", "shape", "summary"):
        np.testing.assert_array_equal(getattr(back, name), getattr(windows, name))
    assert table["tokens"][0].as_py() == [["warmth", "here"], []]
    assert set(table["source"].to_pylist()) == {"lumen_real"}
    assert set(table["agent"].to_pylist()) == {"lumen"}
    assert table["t_end"].to_pylist() == windows.t[:, -1].tolist()


def test_synthetic_windows_are_each_an_agent_of_their_own():
    table = typed_from_published(published(cut(series(), stride=20), "synthetic"), "p")
    assert len(set(table["agent"].to_pylist())) == table.num_rows


def test_governance_windows_that_overlap_are_one_series_and_leak_into_no_split():
    """The study's growth script: windows of 20 states, 10 apart, without a name for the agent."""
    windows = [cut(series(n, seed)) for n, seed in ((2000, 1), (900, 2))]
    parts = [published(w, "governance_real") for w in windows]
    table = typed_from_published(pa.concat_tables([*parts, published(cut(series(300, 3)))]), "p")
    agents = table["agent"].to_pylist()
    sizes = [len(w) for w in windows]
    assert agents == ["row-0"] * sizes[0] + [f"row-{sizes[0]}"] * sizes[1] + ["lumen"] * 29
    found = split(table, seed=0)
    sides = [set(zip(*_states(table.take(rows)), strict=True)) for _, rows in found.items()]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def _states(table):
    return [table[name].combine_chunks().flatten().to_pylist() for name in ("t", *"EISV")]


def test_codes_with_class_names_are_read_by_name():
    windows = cut(series())
    names = sorted(SHAPES)
    table = published(windows)
    codes = [names.index(SHAPES[c]) for c in windows.shape]
    said = {"info": {"features": {"shape": {"names": names, "_type": "ClassLabel"}}}}
    coded = table.set_column(0, "shape", pa.array(codes)).replace_schema_metadata(
        {"huggingface": json.dumps(said)}
    )
    assert typed_from_published(coded, "p").equals(typed_from_published(table, "p"))


def test_json_lines_of_the_same_schema_are_read(tmp_path):
    table = published(cut(series()))
    lines = [json.dumps(row) for row in table.to_pylist()]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    assert load_table(tmp_path / "p.jsonl").equals(typed_from_published(table, "p"))


@pytest.mark.parametrize(
    "state",
    [
        {"timestamp": "1970-01-01T00:00:01Z", "E": 0.1, "I": 0.2, "S": 0.3, "V": 0.0},
        {"timestamp": 1.0, "e": 0.1, "i": 0.2, "s": 0.3, "v": 0.0, "dE": 7},
        {"time": 1, "E": 0.1, "I": 0.2, "S": 0.3, "V": 0, "ethical_drift": [0.0, 0.0]},
    ],
)
def test_other_keys_of_a_state_are_tolerated(state):
    row = typed_from_published(one(state), "p").to_pylist()[0]
    assert (row["t"], row["E"][1], row["V"][1]) == ([0.0, 1.0, 2.0], 0.1, 0.0)
    assert row["ethical_drift"] == [0.0, 0.0, 0.0]
    assert (row["source"], row["agent"], row["tokens"]) == ("published", "row-0", [])


def test_a_single_expression_need_not_be_in_a_list():
    row = typed_from_published(one(tokens='["~warmth~", "~return~"]'), "p").to_pylist()[0]
    assert row["tokens"] == [["warmth", "return"]]


GOOD = {"t": 1, "E": 0.5, "I": 0.5, "S": 0.5, "V": 0.1}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"shape": ["convergence"]}), "p: no column 'eisv_states'"),
        (pa.table({"eisv_states": ["[]"]}), "p: no column 'shape'"),
        (one(shape="calm"), "p, row 0: unknown shape 'calm'"),
        (one(eisv_states="[{"), "p, row 0: eisv_states is not JSON"),
        (one(eisv_states="{}"), "p, row 0: eisv_states is not a list"),
        (one(eisv_states=None), "p, row 0: eisv_states is not JSON"),
        (one(eisv_states="[]"), "p, row 0: 0 states; a window needs at least 2"),
        (one(state=[0.1, 0.2]), "p, row 0, state 1: not an object"),
        (one(state={**GOOD, "E": None}), "p, row 0, state 1: E is None"),
        (one(state={**GOOD, "V": math.nan}), "p, row 0, state 1: V is nan"),
        (one(state={"t": 1, "E": 1, "I": 1, "V": 1}), "row 0, state 1: field S is missing"),
        (one(state={"E": 1, "I": 1, "S": 1, "V": 1}), "row 0, state 1: neither t nor timestamp"),
        (one(state={**GOOD, "t": "late"}), "row 0, state 1: 'late' is not a time"),
        (one(tokens="[[1]]"), "p, row 0: tokens is not a list of lists of texts"),
        (one(tokens="x"), "p, row 0: tokens is not JSON"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(table, message):
    with pytest.raises(InputError, match=message):
        typed_from_published(table, "p")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("tEISVx"), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(ANY, ANY)
def test_any_json_is_a_window_or_is_refused_by_its_row(states, tokens):
    table = one(eisv_states=json.dumps(states), tokens=json.dumps(tokens))
    try:
        assert typed_from_published(table, "p").num_rows == 1
    except InputError as error:
        assert "p, row 0" in str(error)
