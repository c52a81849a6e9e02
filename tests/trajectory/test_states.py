"""States as columns of Parquet and CSV: read whole, and streamed."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources import ReadOptions, Report, tables
from eisv_lumen.trajectory.sources.options import parse_zone
from eisv_lumen.trajectory.sources.parquet import (
    classify_file,
    column_names,
    read_states,
    write_states,
)
from eisv_lumen.trajectory.windows import classify


def columns(n, seed=0, **more):
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.choice([1.0, 2.5], n))
    t[7:8] = t[6:7]  # two states of one time now and then are real
    X = np.clip(0.5 + np.cumsum(rng.normal(0, 0.02, (n, 4)), 0), 0, 1)
    return {"t": t, **dict(zip("EISV", X.T, strict=True)), **more}


def write(path, cells):
    table = pa.table(cells)
    pa.csv.write_csv(table, path) if path.suffix == ".csv" else pq.write_table(table, path)
    return path


@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_columns_become_one_series(tmp_path, kind):
    cells = columns(300, ethical_drift=np.linspace(0, 1, 300), other=["x"] * 300)
    source = read_states(write(tmp_path / f"log{kind}", cells))
    (series,) = source.series
    np.testing.assert_array_equal(series.t, cells["t"])
    np.testing.assert_array_equal(series.X, np.column_stack([cells[d] for d in "EISV"]))
    np.testing.assert_array_equal(series.ethical_drift, cells["ethical_drift"])
    assert (series.source, series.agent, source.report.rows) == ("log", "", 300)


def test_agents_are_told_apart_and_each_sorted(tmp_path):
    cells = columns(40, agent=["b", "a"] * 20)
    cells["t"] = cells["t"][::-1].copy()
    cells["t"][-1] = cells["t"][-3]
    source = read_states(write(tmp_path / "log.parquet", cells))
    assert [s.agent for s in source.series] == ["b", "a"]
    for series, offset in zip(source.series, (0, 1), strict=True):
        order = np.argsort(cells["t"][offset::2], kind="stable")
        np.testing.assert_array_equal(series.t, cells["t"][offset::2][order])
        np.testing.assert_array_equal(series.X[:, 0], cells["E"][offset::2][order])
    assert source.report.moved > 0


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kathmandu"])
def test_timestamps_of_every_unit_are_seconds_since_the_epoch(tmp_path, unit, zone):
    times = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=k) for k in range(5)]
    cells = columns(5)
    cells["timestamp"] = pa.array(times, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, zone))
    del cells["t"]
    series = read_states(write(tmp_path / "log.parquet", cells)).series[0]
    assert series.t.tolist() == [time.timestamp() for time in times]


@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_timestamps_may_be_texts(tmp_path, kind):
    cells = columns(3)
    del cells["t"]
    cells["timestamp"] = [
        "2025-01-01T00:00:00.5Z",
        "2025-01-01T01:00:01+01:00",
        "2025-01-01 00:00:02+00:00",
    ]
    t = read_states(write(tmp_path / f"log{kind}", cells)).series[0].t
    assert (t - t[0]).tolist() == [0.0, 0.5, 1.5]
    cells["timestamp"][2] = "2025-01-01 00:00:02"
    mixed = write(tmp_path / f"log{kind}", cells)
    with pytest.raises(InputError, match=r"row 2.*has no offset where.*--tz UTC"):
        read_states(mixed)
    berlin = read_states(mixed, ReadOptions(zone=parse_zone("Europe/Berlin"))).series[0].t
    assert (berlin - t[0]).tolist() == [-3598.5, 0.0, 0.5]


def test_rows_with_a_null_are_skipped_but_for_drift(tmp_path):
    cells = {k: list(v) for k, v in columns(8).items()}
    for k, name in enumerate(["t", *"EISV"]):
        cells[name][k] = None
    cells["ethical_drift"] = [None] * 8
    source = read_states(write(tmp_path / "log.parquet", cells))
    assert (source.report.rows, source.report.null_rows) == (8, 5)
    assert source.series[0].ethical_drift.tolist() == [0.0] * 3


@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_values_outside_the_range_are_clamped_and_counted(tmp_path, kind):
    cells = columns(60) | {"ethical_drift": np.full(60, 1.5)}
    cells["I"][3], cells["I"][7], cells["V"][59] = 1.3, -0.4, 1.0000001
    path = write(tmp_path / f"log{kind}", cells)
    source = read_states(path)
    (series,) = source.series
    assert source.report.clamped == 3
    assert "3 values outside [0, 1] clamped" in list(source.report.lines())
    assert (series.X[3, 1], series.X[7, 1], series.X[59, 3]) == (1.0, 0.0, 1.0)
    assert series.ethical_drift.tolist() == [1.5] * 60
    streamed = np.concatenate(list(classify_file(path)))
    drift = series.ethical_drift
    np.testing.assert_array_equal(streamed, classify(series.t, series.X, ethical_drift=drift))


def test_what_is_written_is_read_back(tmp_path):
    rng = np.random.default_rng(0)
    series = [
        Series(np.arange(5.0), rng.random((5, 4)), None, "anima", "lumen"),
        Series(np.arange(3.0), rng.random((3, 4)), rng.random(3), "governance", "seven"),
    ]
    write_states(tmp_path / "states.parquet", series)
    back = read_states(tmp_path / "states.parquet").series
    assert [s.agent for s in back] == ["lumen", "seven"]
    for one, other in zip(series, back, strict=True):
        np.testing.assert_array_equal(one.t, other.t)
        np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(back[1].ethical_drift, series[1].ethical_drift)


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 400), st.integers(1, 90), st.integers(2, 25), st.integers(1, 60))
def test_a_stream_has_the_labels_of_the_whole(tmp_path_factory, n, group, window, stride):
    cells = columns(n, seed=n, ethical_drift=np.linspace(0, 0.4, n))
    path = tmp_path_factory.mktemp("x") / "log.parquet"
    pq.write_table(pa.table(cells), path, row_group_size=group)
    got = list(classify_file(path, window=min(window, n), stride=stride))
    X = np.column_stack([cells[d] for d in "EISV"])
    want = classify(
        cells["t"], X, window=min(window, n), stride=stride, ethical_drift=cells["ethical_drift"]
    )
    np.testing.assert_array_equal(np.concatenate(got), want)


def test_a_stream_of_csv_in_small_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_ROWS", 7)
    cells = columns(100)
    X = np.column_stack([cells[d] for d in "EISV"])
    for kind in (".csv", ".parquet"):
        got = list(classify_file(write(tmp_path / f"log{kind}", cells)))
        np.testing.assert_array_equal(np.concatenate(got), classify(cells["t"], X))


def test_a_stream_does_not_sort_nor_skip_nor_tell_agents_apart(tmp_path):
    cells = columns(50)
    backwards = cells | {"t": cells["t"][::-1]}
    gap = cells | {"S": [*cells["S"][:-1], None]}
    with pytest.raises(InputError, match=r"log\.parquet: row \d+: time decreases"):
        list(classify_file(write(tmp_path / "log.parquet", backwards)))
    with pytest.raises(InputError, match="a NULL among the states; read it whole"):
        list(classify_file(write(tmp_path / "log.parquet", gap)))
    with pytest.raises(InputError, match="several agents; read it whole"):
        list(classify_file(write(tmp_path / "log.parquet", cells | {"agent": ["a", "b"] * 25})))
    one = write(tmp_path / "log.parquet", cells | {"agent": ["a"] * 50})
    assert np.concatenate(list(classify_file(one))).size == 4


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({k: v for k, v in columns(5).items() if k != "S"}, "no column S; it has t, E, I, V"),
        ({k: v for k, v in columns(5).items() if k != "t"}, r"no column t \(or timestamp\)"),
        (columns(5) | {"V": ["a"] * 5}, "column V holds string, not numbers"),
        (columns(5) | {"E": [True] * 5}, "column E holds bool, not numbers"),
        (columns(5) | {"I": [0, 0, 0, np.nan, 0]}, r"row 3: I is nan, not finite"),
        (columns(5) | {"t": [0, 1, np.inf, 3, 4]}, r"row 2: t is inf, not finite"),
        (columns(5, ethical_drift=[0, 0, 0, 0, np.nan]), r"row 4: ethical_drift is nan"),
        (columns(2) | {"E": [None, None]}, "no usable state"),
        (columns(0), "no usable state"),
    ],
)
def test_bad_columns_and_values_are_named(tmp_path, cells, message):
    with pytest.raises(InputError, match=rf"log\.parquet.*{message}"):
        read_states(write(tmp_path / "log.parquet", cells))


def test_a_bad_time_is_named_by_its_row(tmp_path):
    cells = columns(3) | {"timestamp": ["2025-01-01", None, "late"]}
    del cells["t"]
    with pytest.raises(InputError, match="row 2: 'late' is not a time"):
        read_states(write(tmp_path / "log.parquet", cells))
    numbers = write(tmp_path / "log.parquet", cells | {"timestamp": [1, 2, 3]})
    assert read_states(numbers).series[0].t.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_a_csv_in_utf_16_is_called_that(tmp_path, order):
    path = tmp_path / "log.csv"
    path.write_bytes("\ufefft,E,I,S,V\n0,.1,.2,.3,.4\n".encode(order))
    for read in (read_states, lambda p: list(classify_file(p)), column_names):
        with pytest.raises(InputError, match=r"log\.csv: is in UTF-16; save it as CSV in UTF-8"):
            read(path)


def test_text_among_the_numbers_of_a_csv_is_named_by_its_row(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("note,t,E,I,S,V\n,0,0.1,0.2,0.3,0.1\nx,1,0.1,high,0.3,0.1\n")
    with pytest.raises(InputError, match=r"log\.csv, line 3, column I: 'high' is no number"):
        read_states(path)
    path.write_text("t,E,I,S,V\n" + "0,0.1,0.2,0.3,0.1\n" * 600_000 + "1,0.1,0.2,0.3,abc\n")
    with pytest.raises(InputError, match=r"line 600002, column V: 'abc' is no number"):
        list(classify_file(path))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1xxxxPAR1", b"\0" * 99])
@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_a_foreign_file_is_refused(tmp_path, content, kind):
    path = tmp_path / f"log{kind}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"log{kind}"):
        read_states(path)
    with pytest.raises(InputError, match="no such file"):
        column_names(tmp_path / f"none{kind}")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_to_a_parquet_file_is_one_message(tmp_path_factory, data):
    path = write(tmp_path_factory.mktemp("x") / "log.parquet", columns(200))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    try:
        read_states(path)
    except InputError as error:
        assert str(path) in str(error)


def test_bytes_of_a_file_that_is_no_text_are_not_printed(tmp_path):
    noise = tmp_path / "noise.csv"
    noise.write_bytes(b"a\n" + bytes(range(256)) * 8)
    with pytest.raises(InputError, match=r"noise.csv: cannot be read \(bytes that are no text"):
        read_states(noise)


def test_one_is_singular_and_more_are_plural():
    one, two = Report(1, 1, 1, 1, 1, 1), Report(2, 2, 2, 2, 2, 2)
    assert not any(re.match("1 [a-z]+s ", line) for line in one.lines())
    assert all(re.match("2 [a-z]+s ", line) for line in two.lines())
