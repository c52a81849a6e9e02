"""Window summaries from JSON lines."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.sources.summaries import for_fitting, read_summaries, read_unlabelled
from eisv_lumen.trajectory.windows import SUMMARY_FIELDS


def summary(i=0, **changes):
    values = {name: k / 8 for k, name in enumerate(SUMMARY_FIELDS)}
    said = {"expression": ["~warmth~", "holding"], "lumen": ["warm", "here"], "pattern": "PAIR"}
    return {"id": i, "shape": "convergence", **values, "n_states": 4, **said, **changes}


def gone_from(record, field):
    return {k: v for k, v in record.items() if k != field}


def write(path, records):
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records))
    return path


def test_a_file_becomes_columns(tmp_path):
    records = [summary(4), summary(6, shape="void_rising", expression=None), summary(8, dV=-1)]
    found = read_summaries(write(tmp_path / "s.jsonl", records))
    assert found.id.tolist() == [4, 6, 8]
    assert [SHAPES[c] for c in found.shape] == ["convergence", "void_rising", "convergence"]
    assert found.shape.dtype == np.int8
    for row, record in zip(found.values, records, strict=True):
        assert row.tolist() == [record[name] for name in SUMMARY_FIELDS]
    assert found.expressions == [("warmth", "holding"), (), ("warmth", "holding")]
    half = found.take(for_fitting(found.id))
    assert half.id.tolist() == [4, 8]
    assert len(found.take([2, 0])) == 2


@given(st.lists(st.integers(0, 10**6)))
def test_the_halves_are_told_by_the_id(ids):
    assert for_fitting(ids).tolist() == [i % 4 == 0 for i in ids]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "line 2: not JSON"),
        ("3", "line 2: not a JSON object"),
        ({k: v for k, v in summary(1).items() if k != "d2S"}, "line 2: field d2S is missing"),
        ({k: v for k, v in summary(1).items() if k != "id"}, "line 2: field id is missing"),
        (summary(0), "line 2: id 0 stands in line 1 already"),
        (summary(1.0), "line 2: id is 1.0"),
        (summary(-1), "line 2: id is -1"),
        (summary(2**70), "line 2: id is 1180591620717411303424"),
        (summary(1, shape="calm"), "line 2: shape: unknown shape 'calm'"),
        (summary(1, shape=3), "line 2: shape: unknown shape 3"),
        (summary(1, mean_E="high"), "line 2: mean_E is 'high', not a finite number"),
        (summary(1, dS=math.nan), "line 2: dS is nan"),
        (summary(1, dS=None), "line 2: dS is None"),
        (summary(1, n_states=1), "line 2: n_states must be at least 2"),
        (summary(1, duration=-1), "line 2: .*duration at least 0"),
        (summary(1, expression=["~hot~"]), "line 2: expression: unknown token '~hot~'"),
        (summary(1, expression="~warmth~"), "line 2: expression is '~warmth~', not a list"),
        (summary(1, expression=[1]), "line 2: expression: unknown token 1"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path, bad, message):
    with pytest.raises(InputError, match=rf"s\.jsonl, {message}"):
        read_summaries(write(tmp_path / "s.jsonl", [summary(0), bad]))


@pytest.mark.parametrize("read", [read_summaries, read_unlabelled])
def test_an_empty_or_missing_file_is_refused(tmp_path, read):
    with pytest.raises(InputError, match="holds no window summaries"):
        read(write(tmp_path / "s.jsonl", []))
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.jsonl")


@pytest.mark.parametrize("gone", [(), ("shape",), ("id",), ("id", "shape", "expression")])
def test_the_numbers_alone_need_neither_label_nor_id(tmp_path, gone):
    records = [summary(i, dV=i) for i in (4, 4, 6)]
    path = write(tmp_path / "s.jsonl", [{k: r[k] for k in r if k not in gone} for r in records])
    assert read_unlabelled(path).tolist() == [[r[name] for name in SUMMARY_FIELDS] for r in records]
    with pytest.raises(InputError, match=r"line 1: field|line 2: id 4 stands"):
        read_summaries(path)


def test_a_number_is_wanted_without_a_label_too(tmp_path):
    with pytest.raises(InputError, match=r"s\.jsonl, line 2: field d2S is missing"):
        read_unlabelled(write(tmp_path / "s.jsonl", [summary(), gone_from(summary(), "d2S")]))
    with pytest.raises(InputError, match=r"s\.jsonl, line 1: n_states must be at least 2"):
        read_unlabelled(write(tmp_path / "s.jsonl", [summary(n_states=1)]))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["id", "shape", "n_states", "dE", "expression"]),
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.lists(st.text(max_size=4)),
)
def test_any_value_of_a_field_is_read_or_refused_by_its_line(tmp_path_factory, field, value):
    path = write(tmp_path_factory.mktemp("x") / "s.jsonl", [summary(1, **{field: value})])
    try:
        assert np.isfinite(read_summaries(path).values).all()
    except InputError as error:
        assert "line 1" in str(error) and field in str(error)
