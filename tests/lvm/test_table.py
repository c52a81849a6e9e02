"""What stands so many places from a target, in articles with gaps: against the definition."""

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eisv_lumen.lvm.alignment.predictions import articles_of
from eisv_lumen.lvm.data.chunks import Chunks, windows_of
from eisv_lumen.lvm.data.window_tensors import WindowTable

places = st.lists(
    st.sets(st.integers(0, 14), max_size=15).map(sorted), min_size=1, max_size=4
)  # fmt: skip
STEPS = (0, 1, 2, 3, 4)


def sequences_of(articles, k):
    article = np.array([i for i, a in enumerate(articles) for _ in a], np.int32)
    position = np.array([p for a in articles for p in a], np.int32)
    vectors = np.zeros((len(article), 2), np.float32)
    vectors[:, 0] = np.cos(np.arange(len(article)))
    vectors[:, 1] = np.sin(np.arange(len(article)))
    names = tuple(f"a/{i}" for i in range(len(articles)))
    return windows_of(Chunks(vectors, article, position, names), k)


def row_at(s, target, offset):
    """The row `offset` places from a target, where every place on the way is held; else None."""
    held = {(a, p): row for row, (a, p) in enumerate(zip(s.article, s.position, strict=True))}
    article, place = s.article[target], s.position[target]
    way = range(min(0, offset), max(0, offset) + 1)
    rows = {o: held.get((article, place + o)) for o in way}
    return None if None in rows.values() else rows[offset]


@settings(deadline=None)
@given(places, st.integers(1, 3), st.integers(-8, 6))
def test_at_an_offset_is_the_chunk_so_many_places_on_and_none_across_a_gap(articles, k, offset):
    s = sequences_of(articles, k)
    found = s.at_offset(offset)
    rows = [row_at(s, target, offset) for target in s.target_rows]
    assert found.present.tolist() == [row is not None for row in rows]
    expected = [np.zeros(2) if row is None else s.vectors[row] for row in rows]
    np.testing.assert_array_equal(found.vectors, np.reshape(expected, (-1, 2)))


@settings(deadline=None)
@given(places, st.integers(1, 3), st.integers(0, 1))
def test_after_the_target_training_and_the_tests_see_the_same_chunks(articles, k, offset):
    s = sequences_of(articles, k)
    assume(s.at_offset(offset).present.any())
    table = WindowTable.of(s, offset)
    everything = torch.arange(len(table))
    vectors, present = table.after(everything, STEPS)
    for i, target in enumerate(table.target_rows(everything).tolist()):
        for j, step in enumerate(STEPS):
            row = row_at(s, target, step)
            assert bool(present[i, j]) == (row is not None)
            if row is not None:
                np.testing.assert_array_equal(vectors[i, j], s.vectors[row])
    for step in STEPS:
        asked = np.concatenate([a.rows_at(step)[1] for a in articles_of(s, offset)])
        np.testing.assert_array_equal(present[:, STEPS.index(step)], asked)


def test_places_0_to_5_and_8_to_10():
    """The case that was found: after place 5, places 8 and 9 were taken for 6 and 7."""
    s = sequences_of([[0, 1, 2, 3, 4, 5, 8, 9, 10]], 5)
    assert len(s) == 1 and not s.at_offset(1).present.any()
    assert not WindowTable.of(s).after(torch.arange(1), (1, 2))[1].any()
