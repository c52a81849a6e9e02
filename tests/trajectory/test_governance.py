"""Governance updates from JSON lines."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.sources.governance import read_governance


def update(agent="a", time=0, E=0.5, I=0.6, S=0.1, V=0.02, **more):
    return {
        "agent_id": agent,
        "timestamp": f"2025-01-01T00:00:{time:02d}Z",
        "eisv": {"E": E, "I": I, "S": S, "V": V},
        **more,
    }


def write(path, updates):
    path.write_text("\n".join(u if isinstance(u, str) else json.dumps(u) for u in updates))
    return path


def test_agents_are_series_in_time_order_and_short_ones_are_dropped(tmp_path):
    updates = [update("b", k, E=k / 10) for k in (2, 0, 1)]
    updates += [update("a", k) for k in range(4)] + [update("few", 0), update("few", 1)]
    source = read_governance(write(tmp_path / "u.jsonl", [*updates[::2], "", *updates[1::2]]))
    assert {s.agent: len(s) for s in source.series} == {"b": 3, "a": 4}
    (b,) = (s for s in source.series if s.agent == "b")
    assert b.X[:, 0].tolist() == [0.0, 0.1, 0.2]
    assert np.diff(b.t).tolist() == [1.0, 1.0]
    assert b.source == "governance"
    report = source.report
    assert (report.rows, report.agents, report.agents_dropped) == (9, 2, 1)
    assert report.moved == 2 + 4  # b came as 2 1 0, a as 1 3 0 2
    assert "1 agent with too few updates dropped" in list(report.lines())


def test_rows_moved_are_counted(tmp_path):
    updates = [update("a", k) for k in (0, 3, 1, 2, 4)]
    assert read_governance(write(tmp_path / "u.jsonl", updates)).report.moved == 3


def test_the_ranges_of_the_equations_are_clamped_and_counted(tmp_path):
    updates = [update(time=0, S=2.0, V=-2.0), update(time=1, V=1.5), update(time=2, S=1.0, V=0.0)]
    source = read_governance(write(tmp_path / "u.jsonl", updates))
    assert source.series[0].X[:, 2:].tolist() == [[1.0, 0.0], [0.1, 1.0], [1.0, 0.0]]
    assert source.report.clamped == 3


def test_drift_is_a_number_or_the_norm_of_a_vector_and_missing_is_none(tmp_path):
    drifts = [{"ethical_drift": 0.4}, {"ethical_drift": [0.3, 0.4]}, {}, {"ethical_drift": None}]
    updates = [update(time=k, **d) for k, d in enumerate(drifts)]
    updates += [update("without", k) for k in range(3)]
    first, second = read_governance(write(tmp_path / "u.jsonl", updates)).series
    assert first.ethical_drift.tolist() == [0.4, 0.5, 0.0, 0.0]
    assert second.ethical_drift is None


def test_a_null_among_the_four_skips_the_line(tmp_path):
    updates = [update(time=k) for k in range(3)] + [update(time=3, V=None)]
    source = read_governance(write(tmp_path / "u.jsonl", updates))
    assert source.report.null_rows == 1
    assert len(source.series[0]) == 3


def test_times_may_be_seconds(tmp_path):
    updates = [update(time=k) | {"timestamp": 1.5 * k} for k in range(3)]
    assert read_governance(write(tmp_path / "u.jsonl", updates)).series[0].t.tolist() == [0, 1.5, 3]


def without(*path):
    bad = update(time=9)
    inner = bad
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return bad


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "line 3: not JSON"),
        ("[1]", "line 3: not a JSON object"),
        ("[" * 100_000, "line 3: not JSON"),
        ('{"agent_id": ' + "9" * 5000 + "}", "line 3: holds a number too long"),
        (without("eisv"), "line 3: field eisv is missing"),
        (without("eisv", "S"), "line 3: field eisv.S is missing"),
        (without("agent_id"), "line 3: field agent_id is missing"),
        (without("timestamp"), "line 3: field timestamp is missing"),
        (update() | {"eisv": [1, 2, 3, 4]}, "line 3: eisv is not an object"),
        (update() | {"agent_id": None}, "line 3: agent_id is None"),
        (update() | {"timestamp": "noon"}, "line 3, timestamp: 'noon' is not a time"),
        (update() | {"timestamp": None}, "line 3: timestamp is None"),
        (update() | {"timestamp": True}, "line 3: timestamp is True"),
        (update(E="0.5"), "line 3: eisv.E is '0.5', not a finite number"),
        (update(I=True), "line 3: eisv.I is True, not a finite number"),
        (update(V=math.nan), "line 3: eisv.V is nan, not a finite number"),
        (update(V=10**400), "line 3: eisv.V is 1000.*, not a finite number"),
        (update(S=math.inf), "line 3: eisv.S is inf, not a finite number"),
        (update(ethical_drift="much"), "line 3: ethical_drift is 'much'"),
        (update(ethical_drift=[0.1, None]), "line 3: ethical_drift is None"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path, bad, message):
    path = write(tmp_path / "u.jsonl", [update(time=0), update(time=1), bad, update(time=2)])
    with pytest.raises(InputError, match=rf"u\.jsonl, {message}"):
        read_governance(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "none of its 0 agents"), (b"\xff\xfe", "not UTF-8"), (None, "cannot be read")],
)
def test_files_that_hold_no_updates_are_refused(tmp_path, content, message):
    path = tmp_path / "u.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_governance(path)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["agent_id", "timestamp", "eisv", "ethical_drift"]), ANY))
def test_any_object_is_an_update_or_is_refused_by_its_line(tmp_path_factory, record):
    path = write(tmp_path_factory.mktemp("x") / "u.jsonl", [update(time=k) for k in range(3)])
    with path.open("a") as stream:
        stream.write("\n" + json.dumps(record))
    try:
        series = read_governance(path).series
    except InputError as error:
        assert "line 4" in str(error)
    else:
        assert all(np.isfinite(s.X).all() for s in series)
