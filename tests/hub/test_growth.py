"""Growing in any steps gives what building at once gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.hub.publishing.grown import clear_of_others, not_doubled
from eisv_lumen.hub.syncing.growth import Grid, LastWindow, ends_by_owner, new_windows
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


def grown(
    published: pa.Table,
    log: Source,
    window: int,
    stride: int,
    reserved: dict[str, float] | None = None,
) -> pa.Table:
    """What a growth adds to windows that stand in one table."""
    last = {}
    for owner in set(published["agent"].to_pylist()):
        mine = published.filter(pc.equal(published["agent"], owner))
        order = [("t_start", "ascending"), ("t_end", "ascending")]
        last[owner] = LastWindow.of(mine.sort_by(order).slice(len(mine) - 1))
    return new_windows(log, last, reserved=reserved or {}, grid=Grid(window, stride))


@settings(deadline=None)
@given(
    window=st.integers(2, 6),
    stride=st.integers(1, 8),
    stops=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    whole_log=st.booleans(),
)
def test_growing_step_by_step_is_building_at_once(
    window: int, stride: int, stops: list[int], whole_log: bool
) -> None:
    log = series(60)
    table = SCHEMA.empty_table()
    held = 0
    for stop in sorted(stops):
        # A log that was pruned still holds what came after the last published window began.
        start = 0 if whole_log else min(held, stop)
        more = grown(table, source(part(log, start, stop)), window, stride)
        table = pa.concat_tables([table, more])
        held = (len(table) - 1) * stride if len(table) else 0
    longest = max(stops)
    want = (
        build([part(log, 0, longest)], window=window, stride=stride)
        if longest >= window
        else SCHEMA.empty_table()
    )
    assert table.equals(want)


def test_a_log_that_was_exported_as_rounded_text_goes_on_alike() -> None:
    log = series(60)
    rounded = Series(np.round(log.t, 6), np.round(log.X, 7), None, "other", "a")
    first = build([part(log, 0, 30)], window=10, stride=5)
    more = grown(first, source(rounded), 10, 5)
    want = build([log], window=10, stride=5)
    assert len(first) + len(more) == len(want)
    assert np.allclose(
        np.array(more["t"].to_pylist()), np.array(want["t"].to_pylist())[len(first) :], atol=1e-5
    )


@pytest.mark.parametrize("cut", [0, 17, 24, 29, 30])
def test_a_log_cut_at_the_front_goes_on_alike(cut: int) -> None:
    log = series(60)
    first = build([part(log, 0, 30)], window=10, stride=5)
    more = grown(first, source(part(log, cut, 60)), 10, 5)
    assert pa.concat_tables([first, more]).equals(build([log], window=10, stride=5))


def test_each_agent_has_a_grid_of_its_own() -> None:
    a, b = series(50, 1, agent="a"), series(33, 2, agent="b")
    first = build([part(a, 0, 30)], window=10, stride=5)
    more = grown(first, source(a, b), 10, 5)
    both = build([a, b], window=10, stride=5)
    order = [("agent", "ascending"), ("t_start", "ascending")]
    assert pa.concat_tables([first, more]).sort_by(order).equals(both)


def test_no_new_window_shares_a_state_with_another_split() -> None:
    log = series(80)
    table = build([part(log, 0, 40)], window=10, stride=5)
    test = table.slice(4)
    reserved = ends_by_owner(test)
    more = grown(table, source(log), 10, 5, reserved)
    whole = build([log], window=10, stride=5)
    test_end = max(test["t_end"].to_pylist())
    assert reserved == {"a": test_end}
    want = [t for t in whole["t_start"].to_pylist() if t > test_end]
    assert more["t_start"].to_pylist() == want and len(want) == 7


def test_utterances_come_along() -> None:
    log = series(40)
    said = Expressions(log.t.copy(), [("warmth",)] * 40)
    table = build([part(log, 0, 20)], window=10, stride=10)
    more = grown(table, source(log, said=said), 10, 10)
    assert [len(tokens) for tokens in more["tokens"].to_pylist()] == [10, 10]


def keys(rows: list[tuple[str, int, int]]) -> pa.Table:
    agent, start, length = zip(*rows, strict=True) if rows else ((), (), ())
    end = [s + n for s, n in zip(start, length, strict=True)]
    return pa.table(
        {"agent": pa.array(agent, pa.string()), "t_start": pa.array(start, pa.float64()),
         "t_end": pa.array(end, pa.float64())}
    )  # fmt: skip


WINDOWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 4)), max_size=10
)


@settings(deadline=None)
@given(WINDOWS, WINDOWS, WINDOWS)
def test_what_is_doubled_or_meets_another_split_is_found_as_by_looking_at_each_pair(
    mine: list[tuple[str, int, int]], one: list[tuple[str, int, int]],
    two: list[tuple[str, int, int]],
) -> None:  # fmt: skip
    table, others = keys(mine), [keys(one), keys(two)]
    fresh = [w not in mine[:i] and w not in one and w not in two for i, w in enumerate(mine)]
    assert not_doubled(table, others).tolist() == fresh
    clear = [all(a != b or s + n < u or u + m < s for b, u, m in [*one, *two]) for a, s, n in mine]
    assert clear_of_others(table, others).tolist() == clear
