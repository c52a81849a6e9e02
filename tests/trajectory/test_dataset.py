from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES, UnknownNameError
from eisv_lumen.trajectory.dataset import (
    SCHEMA,
    build,
    features,
    label_agreement,
    read_table,
    shape_counts,
    to_table,
    to_windows,
    write_table,
)
from eisv_lumen.trajectory.series import Series, cut
from eisv_lumen.trajectory.splits import (
    blend,
    per_shape_counts,
    pick_per_shape,
    split_table,
    split_windows,
    synthetic_windows,
)


def walk(n: int, seed: int, agent: str = "a", start: float = 0.0) -> Series:
    rng = np.random.default_rng(seed)
    t = start + np.cumsum(rng.choice([0.0, 1.0, 2.3, 60.0], n, p=[0.05, 0.2, 0.7, 0.05]))
    X = np.clip(0.4 + np.cumsum(rng.normal(0, 0.02, (n, 4)), 0), 0, 1)
    return Series(t, X, rng.uniform(0, 0.29, n), "test", agent)


def test_the_schema_is_that_of_datasets() -> None:
    assert features().arrow_schema.equals(SCHEMA, check_metadata=False)
    assert features().arrow_schema.metadata == SCHEMA.metadata


def test_load_dataset_reads_the_features_from_the_file(tmp_path: Path, monkeypatch) -> None:
    from datasets import load_dataset

    table = build([walk(60, 0)], window=20, stride=10)
    write_table(table, tmp_path / "d.parquet")
    loaded = load_dataset(
        "parquet", data_files=str(tmp_path / "d.parquet"), cache_dir=str(tmp_path / "c")
    )["train"]
    assert loaded.features == features()
    assert loaded.features["shape"].int2str(loaded[0]["shape"]) in SHAPES
    assert loaded[0]["E"] == table["E"][0].as_py()


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 90), st.integers(2, 20), st.integers(1, 25), st.integers(0, 99))
def test_windows_survive_the_table(n: int, window: int, stride: int, seed: int) -> None:
    series = walk(n, seed)
    windows = cut(series, window, stride)
    table = build([series], window=window, stride=stride)
    back = to_windows(table)
    for name in ("t", "X", "ethical_drift", "shape", "summary"):
        np.testing.assert_array_equal(getattr(back, name), getattr(windows, name))
    assert table["t_end"].to_pylist() == windows.t[:, -1].tolist()


def test_the_same_table_gives_the_same_bytes_and_reads_back(tmp_path: Path) -> None:
    table = build([walk(100, 1), walk(50, 2, "b")])
    write_table(table, tmp_path / "a.parquet")
    write_table(table, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_table(tmp_path / "a.parquet").equals(table)
    assert read_table(tmp_path).num_rows == 2 * table.num_rows


def test_expressions_go_to_the_windows_they_were_uttered_in() -> None:
    series = Series(np.arange(40.0), np.full((40, 4), 0.5), None, "test", "a")
    uttered = (np.array([0.0, 19.0, 20.0, 25.5]), [["warm"], ["here"], ["why", "what"], ["you"]])
    table = build([series], window=20, stride=10, utterances=uttered)
    assert table["tokens"].to_pylist() == [
        [["warm"], ["here"]],
        [["here"], ["why", "what"], ["you"]],
        [["why", "what"], ["you"]],
    ]


def test_bad_tables_are_refused_by_file_and_row(tmp_path: Path) -> None:
    table = build([walk(60, 3)])
    wrong = (table["shape"].to_numpy() + 1) % 9
    with pytest.raises(InputError, match="row 0: shape is stored as"):
        to_windows(table.set_column(4, "shape", pa.array(wrong)))
    with pytest.raises(InputError, match="'E' is missing"):
        to_windows(table.drop(["E"]))
    uneven = pa.concat_tables([table, build([walk(60, 3)], window=10)])
    with pytest.raises(InputError, match=r"row \d+: column 't' has another length"):
        to_windows(uneven)
    with pytest.raises(InputError, match=r"no Parquet file"):
        read_table(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"x\.parquet: not a Parquet file"):
        read_table(tmp_path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: column 'source' is missing"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="longer than every series"):
        build([walk(10, 0)])


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 24), st.integers(1, 30), st.integers(0, 99), st.integers(300, 1500))
def test_splits_share_no_state(window: int, stride: int, seed: int, n: int) -> None:
    """By the definition: a state (agent, time) stands in windows of one split alone."""
    table = build([walk(n, seed), walk(n, seed + 1, "b")], window=window, stride=stride)
    try:
        splits, left_out = split_table(table, seed=seed)
    except InputError as error:
        assert "too few" in str(error)
        return
    seen: dict[tuple[str, float], str] = {}
    for name, part in splits.items():
        for agent, times in zip(part["agent"].to_pylist(), part["t"].to_pylist(), strict=True):
            for t in times:
                assert seen.setdefault((agent, t), name) == name
    assert sum(part.num_rows for part in splits.values()) + left_out == table.num_rows
    again, _ = split_table(table, seed=seed)
    assert all(again[name].equals(part) for name, part in splits.items())


def test_splits_are_stratified_and_lose_little() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    shape = rng.choice(9, n, p=[0.47, 0.015, 0.0145, 0.0147, 0.0171, 0.05, 0.0, 0.0043, 0.4144])
    t = np.arange(n) * 10.0
    splits, left_out = split_windows(np.zeros(n), t, t + 19, shape, seed=1)
    assert left_out.size < 0.06 * n
    for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert splits[name].size == pytest.approx(share * n, rel=0.1)
        for code in range(9):
            have, of = (shape[splits[name]] == code).sum(), (shape == code).sum()
            assert abs(have - share * of) <= 0.1 * share * of + 6, (name, SHAPES[code])


def test_windows_of_their_own_are_split_without_loss() -> None:
    windows = synthetic_windows(per_shape_counts(20), window=12, seed=0)
    table = to_table(windows, "synthetic", [str(i) for i in range(len(windows))])
    splits, left_out = split_table(table, seed=3)
    assert left_out == 0
    assert [part.num_rows for part in splits.values()] == pytest.approx([144, 18, 18], abs=9)
    assert (np.bincount(splits["train"]["shape"].to_numpy(), minlength=9) >= 14).all()
    with pytest.raises(InputError, match="too few"):
        split_table(table.slice(0, 2), seed=0)


def test_blends_take_at_most_so_many_real_windows_and_fill_up() -> None:
    real = cut(walk(4000, 5), 15, 5)
    counts = per_shape_counts(30, {"drift_dissonance": 50})
    windows, real_counts = blend(real, counts, 20, seed=1)
    assert shape_counts(windows.shape) == counts
    available = np.bincount(real.shape, minlength=9)
    assert real_counts == {s: min(20, int(k)) for s, k in zip(SHAPES, available, strict=True)}
    assert len(pick_per_shape(real, dict.fromkeys(SHAPES, 5), 0)) <= 45
    with pytest.raises(UnknownNameError):
        per_shape_counts(3, {"calm": 2})


def test_label_agreement_is_one_for_whole_windows_and_names_the_mismatch() -> None:
    rows = label_agreement([walk(3000, 7), walk(5, 8)], (4, 15, 20))
    assert [row["n_states"] for row in rows] == [4, 15, 20]
    assert rows[2]["agreement"] == 1.0
    assert rows[2]["mismatch"] is None
    whole = cut(walk(3000, 7))
    last = np.concatenate([cut(Series(t, X, d), 4, 4).shape for t, X, d in zip(
        whole.t[:, -4:], whole.X[:, -4:], whole.ethical_drift[:, -4:], strict=True)])  # fmt: skip
    assert rows[0]["agreement"] == pytest.approx((whole.shape == last).mean())
    a, b = (SHAPES.index(s) for s in rows[0]["mismatch"])
    assert rows[0]["mismatch_windows"] == ((whole.shape == a) & (last == b)).sum()
    with pytest.raises(InputError, match="k must be in"):
        label_agreement([walk(100, 0)], (30,))
