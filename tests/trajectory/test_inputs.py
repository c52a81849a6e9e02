"""Times in seconds and states by name, whoever hands them over."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.sources.governance import read_governance
from eisv_lumen.trajectory.sources.parquet import classify_file, read_states
from eisv_lumen.trajectory.sources.published import typed_from_published
from eisv_lumen.trajectory.windows import classify, classify_stream, summarize

N = 400
RNG = np.random.default_rng(5)
T = 1.7e9 + np.cumsum(RNG.integers(1, 9, N)).astype(float)
X = np.clip(0.5 + np.cumsum(RNG.normal(0, 0.02, (N, 4)), 0), 0, 1)
WANTED = classify(T, X)


class Frame:
    """What every data frame has: names, and columns by name; an array of it has its own order."""

    def __init__(self, columns):
        self.columns, self.cells = list(columns), columns

    def __getitem__(self, name):
        return self.cells[name]

    def __array__(self, dtype=None, copy=None):
        return np.stack(list(self.cells.values()), axis=1).astype(dtype)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetimes_are_seconds_since_the_epoch(unit):
    times = (T * 1e9).astype(np.int64).view("datetime64[ns]").astype(f"datetime64[{unit}]")
    np.testing.assert_array_equal(classify(times, X), WANTED)
    np.testing.assert_array_equal(summarize(times, X), summarize(T, X))
    since = times - times[0]
    np.testing.assert_array_equal(classify(since, X), classify(T - T[0], X))


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kathmandu"])
def test_an_index_of_times_with_a_zone_or_without(zone):
    pandas = pytest.importorskip("pandas")
    index = pandas.to_datetime(T, unit="s", utc=True).tz_convert(zone)
    np.testing.assert_array_equal(classify(index, X), WANTED)
    np.testing.assert_array_equal(classify(pandas.Series(index), X), WANTED)


@pytest.mark.parametrize("bad", [2.5, "20", None, 20.0])
def test_a_window_is_a_whole_number_of_states(bad):
    for name in ("window", "stride"):
        with pytest.raises(InputError, match=rf"{name}={bad!r}: give a whole number of states"):
            classify(T, X, **{name: bad})
    np.testing.assert_array_equal(classify(T, X, window=np.int32(20)), WANTED)


def test_what_is_not_a_time_is_named_by_its_row():
    times = (T * 1e9).astype(np.int64).view("datetime64[ns]").copy()
    times[7] = "NaT"
    with pytest.raises(InputError, match="row 7: not finite"):
        classify(times, X)


def test_columns_of_a_data_frame_are_taken_by_name():
    columns = dict(zip("VSIE", X.T[::-1], strict=True)) | {"other": np.zeros(N)}
    np.testing.assert_array_equal(classify(T, Frame(columns)), WANTED)
    np.testing.assert_array_equal(classify(T, pa.table(columns)), WANTED)
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(classify(T, pandas.DataFrame(columns)), WANTED)
    with pytest.raises(InputError, match=r"X has no column E; it has 0, 1, 2, 3: name them E, I"):
        classify(T, pandas.DataFrame(X))
    del columns["S"]
    with pytest.raises(InputError, match=r"X has no column S; it has V, I, E, other"):
        classify(T, Frame(columns))


@pytest.mark.parametrize(("by", "unit"), [(1e3, "milli"), (1e6, "micro"), (1e9, "nano")])
def test_finer_units_than_seconds_are_refused(tmp_path, by, unit):
    said = rf"no time in seconds; divide {unit}seconds by {by:.0f}"
    with pytest.raises(InputError, match=rf"^row 0: t=1\.7e\+\d\d is {said}"):
        classify(T * by, X)
    with pytest.raises(InputError, match=rf"row {N}: t=.* is {said}"):
        list(classify_stream([(T, X, None), (T * by, X, None)]))
    cells = {"t": T * by, **dict(zip("EISV", X.T, strict=True))}
    pq.write_table(pa.table(cells), tmp_path / "log.parquet")
    for read in (read_states, lambda path: list(classify_file(path))):
        with pytest.raises(InputError, match=rf"log\.parquet, row 0: t=.* is {said}"):
            read(tmp_path / "log.parquet")
    eisv = dict.fromkeys("EISV", 0.5)
    line = json.dumps({"agent_id": "a", "timestamp": T[0] * by, "eisv": eisv})
    (tmp_path / "gov.jsonl").write_text(line)
    with pytest.raises(InputError, match=rf"gov\.jsonl, line 1, timestamp: t=.* is {said}"):
        read_governance(tmp_path / "gov.jsonl")
    states = json.dumps([{"t": t, **eisv} for t in (T[:3] * by).tolist()])
    with pytest.raises(InputError, match=rf"log, row 0, state 0, t: t=.* is {said}"):
        typed_from_published(pa.table({"shape": ["convergence"], "eisv_states": [states]}), "log")
