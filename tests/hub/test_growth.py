"""Growing in any steps gives what building at once gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.hub.syncing.growth import new_windows, reserved_until, without_repetition
from eisv_lumen.trajectory.dataset.schema import SCHEMA
from eisv_lumen.trajectory.dataset.schema import build as build_source
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources.common import Expressions, Report, Source


def source(*series: Series, said: Expressions | None = None) -> Source:
    return Source(list(series), Report(), said or Expressions())


def build(series: list[Series], window: int, stride: int) -> pa.Table:
    return build_source(source(*series), window, stride)


def series(n: int, seed: int = 0, ties: bool = False, agent: str = "a") -> Series:
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 2, n) if ties else rng.uniform(0.5, 2, n)
    t = 1.7e9 + np.cumsum(steps.astype(float))
    return Series(t, rng.random((n, 4)), rng.random(n), "anima", agent)


def part(whole: Series, start: int, stop: int) -> Series:
    drift = whole.ethical_drift
    return Series(
        whole.t[start:stop],
        whole.X[start:stop],
        None if drift is None else drift[start:stop],
        whole.source,
        whole.agent,
    )


@settings(deadline=None)
@given(
    window=st.integers(2, 6),
    stride=st.integers(1, 8),
    stops=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    ties=st.booleans(),
    whole_log=st.booleans(),
)
def test_growing_step_by_step_is_building_at_once(
    window: int, stride: int, stops: list[int], ties: bool, whole_log: bool
) -> None:
    log = series(60, ties=ties)
    table = SCHEMA.empty_table()
    held = 0
    for stop in sorted(stops):
        # A log that was pruned still holds what came after the last published window began.
        start = 0 if whole_log else min(held, stop)
        grown = new_windows(
            [table],
            source(part(log, start, stop)),
            reserved={},
            window=window,
            stride=stride,
        )
        table = pa.concat_tables([table, grown])
        held = (len(table) - 1) * stride if len(table) else 0
    longest = max(stops)
    want = (
        build([part(log, 0, longest)], window=window, stride=stride)
        if longest >= window
        else SCHEMA.empty_table()
    )
    assert table.equals(want)


def test_each_agent_has_a_grid_of_its_own() -> None:
    a, b = series(50, 1, agent="a"), series(33, 2, agent="b")
    first = build([part(a, 0, 30)], window=10, stride=5)
    grown = new_windows([first], source(a, b), reserved={}, window=10, stride=5)
    both = build([a, b], window=10, stride=5)
    order = [("agent", "ascending"), ("t_start", "ascending")]
    assert pa.concat_tables([first, grown]).sort_by(order).equals(both)


def test_no_new_window_shares_a_state_with_another_split() -> None:
    log = series(80)
    table = build([part(log, 0, 40)], window=10, stride=5)
    test = table.slice(4)
    reserved = reserved_until([test])
    grown = new_windows([table], source(log), reserved=reserved, window=10, stride=5)
    whole = build([log], window=10, stride=5)
    test_end = max(test["t_end"].to_pylist())
    assert reserved == {("anima", "a"): test_end}
    want = [t for t in whole["t_start"].to_pylist() if t > test_end]
    assert grown["t_start"].to_pylist() == want and len(want) == 7


def test_utterances_come_along() -> None:
    log = series(40)
    said = Expressions(log.t.copy(), [("warmth",)] * 40)
    table = build([part(log, 0, 20)], window=10, stride=10)
    grown = new_windows([table], source(log, said=said), reserved={}, window=10, stride=10)
    assert [len(tokens) for tokens in grown["tokens"].to_pylist()] == [10, 10]


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12), st.sets(st.integers(0, 5)))
def test_repetitions_are_dropped_wherever_they_stand(rows: list[int], before: set[int]) -> None:
    base = build([series(15)], window=10, stride=1)
    keys = list(zip(*(base[n].to_pylist() for n in ("source", "agent", "t_start", "t_end")),
                    strict=True))  # fmt: skip
    seen = {keys[i] for i in before}
    kept = without_repetition(base.take(pa.array(rows, pa.int64())), seen)
    want = [i for i in dict.fromkeys(rows) if i not in before]
    assert kept["t_start"].to_pylist() == [keys[i][2] for i in want]
    assert seen == {keys[i] for i in before | set(rows)}
