"""The typed dataset: its schema, its bytes, what goes in and comes back; blends and overrides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eisv_lumen
from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.blend import blend, parse_overrides
from eisv_lumen.trajectory.dataset.schema import (
    SCHEMA,
    build,
    features,
    read_table,
    synthesize,
    typed,
    windows_from_table,
    write_parquet,
    write_together,
)
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.series import Series, cut
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db
from eisv_lumen.trajectory.sources import Expressions, Report, Source, read_source
from eisv_lumen.trajectory.sources.parquet import write_states


def walk(n, seed, agent="a"):
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.choice([0.0, 1.0, 2.3, 60.0], n, p=[0.05, 0.2, 0.7, 0.05]))
    X = np.clip(0.4 + np.cumsum(rng.normal(0, 0.02, (n, 4)), 0), 0, 1)
    return Series(t, X, rng.uniform(0, 0.29, n), "test", agent)


def source(*series, **more):
    return Source(list(series), Report(), **more)


def counts(table):
    codes = np.bincount(np.asarray(table["shape"]), minlength=9)
    return dict(zip(SHAPES, codes.tolist(), strict=True))


def test_the_schema_is_that_of_datasets():
    assert features().arrow_schema.equals(SCHEMA, check_metadata=True)


def test_load_dataset_reads_the_features_from_the_file(tmp_path):
    from datasets import load_dataset

    table = build(source(walk(60, 0)))
    write_parquet(tmp_path / "d.parquet", table)
    loaded = load_dataset(
        "parquet", data_files=str(tmp_path / "d.parquet"), cache_dir=str(tmp_path / "c")
    )["train"]
    assert loaded.features == features()
    assert loaded[0]["E"] == table["E"][0].as_py()


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 90), st.integers(2, 20), st.integers(1, 25), st.integers(0, 99))
def test_windows_survive_the_table(n, window, stride, seed):
    series = walk(n, seed)
    windows = cut(series, window, stride)
    table = build(source(series), window, stride)
    back = windows_from_table(table)
    for name in ("t", "X", "ethical_drift", "shape", "summary"):
        np.testing.assert_array_equal(getattr(back, name), getattr(windows, name))
    for i, row in enumerate(table.to_pylist()):
        assert row["t"] == windows.t[i].tolist()
        assert [row[dim] for dim in "EISV"] == windows.X[i].T.tolist()
        assert row["ethical_drift"] == windows.ethical_drift[i].tolist()
        assert (row["t_start"], row["t_end"]) == (row["t"][0], row["t"][-1])
        assert (row["source"], row["agent"], row["tokens"]) == ("test", "a", [])


def test_slices_and_parts_of_a_table_are_tables_too():
    table = build(source(walk(200, 1), walk(90, 2, "b")))
    whole = windows_from_table(table)
    np.testing.assert_array_equal(windows_from_table(table.slice(3, 9)).X, whole.X[3:12])
    picked = table.take(pa.array([5, 1, 20]))
    np.testing.assert_array_equal(windows_from_table(picked).t, whole.t[[5, 1, 20]])


def test_the_same_table_gives_the_same_bytes_and_reads_back(tmp_path):
    table = build(source(walk(100, 1), walk(50, 2, "b")))
    write_parquet(tmp_path / "a.parquet", table)
    again = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    write_parquet(tmp_path / "b.parquet", again)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_table(tmp_path / "a.parquet").equals(table, check_metadata=True)


def test_expressions_go_to_the_windows_they_were_uttered_in():
    series = Series(np.arange(40.0), np.full((40, 4), 0.5), None, "test", "a")
    said = Expressions(
        np.array([-1.0, 0.0, 19.0, 20.0, 25.5, 99.0]),
        [("dim",), ("warm",), ("here",), ("why", "what"), ("you",), ("less",)],
    )
    table = build(source(series, expressions=said))
    assert table["tokens"].to_pylist() == [
        [["warm"], ["here"]],
        [["here"], ["why", "what"], ["you"]],
        [["why", "what"], ["you"]],
    ]


def test_short_series_give_no_windows_and_none_at_all_is_refused():
    assert build(source(walk(5, 0), walk(30, 1, "b")))["agent"].to_pylist() == ["b", "b"]
    with pytest.raises(InputError, match="longer than the longest series, of 12"):
        build(source(walk(12, 0)))


def test_labels_of_a_table_are_kept():
    table = build(source(walk(60, 3)))
    other = pa.array((np.asarray(table["shape"]) + 1) % 9)
    changed = table.set_column(table.column_names.index("shape"), "shape", other)
    np.testing.assert_array_equal(windows_from_table(changed).shape, np.asarray(other))


def test_tables_that_are_no_windows_are_refused(tmp_path):
    table = build(source(walk(60, 3)))
    shape = table.column_names.index("shape")
    uneven = pa.concat_tables([table, build(source(walk(60, 3)), 10, 10)])
    ragged = pa.array([[0.5] * 19] + [[0.5] * 20] * (table.num_rows - 1))
    cases = [
        (table.drop(["E"]), "no column 'E'"),
        (uneven, "windows of 10, 20 states"),
        (table.slice(0, 0), "windows of no states"),
        (table.set_column(1, "E", ragged), "'E': its lists are not as long"),
        (table.set_column(shape, "shape", pa.array([9] * table.num_rows)), "from 0 to 8"),
        (table.set_column(shape, "shape", pa.array(["x"] * table.num_rows)), "from 0 to 8"),
    ]
    for bad, message in cases:
        with pytest.raises(InputError, match=message):
            windows_from_table(bad)
    with pytest.raises(InputError, match=r"x: not the typed dataset, it has no column 'V'"):
        typed(table.drop(["V"]), "x")
    with pytest.raises(InputError, match="x: not the typed dataset"):
        typed(table.set_column(0, "t", pa.array([["a"]] * table.num_rows)), "x")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"x\.parquet: cannot be read as Parquet"):
        read_table(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"none\.parquet: no such file"):
        read_table(tmp_path / "none.parquet")


def test_overrides_are_counts_by_name():
    found = parse_overrides(["drift_dissonance=8", "void_rising=0"], 4)
    assert found == dict.fromkeys(SHAPES, 4) | {"drift_dissonance": 8, "void_rising": 0}
    for bad in ("calm=3", "void_rising", "void_rising=", "void_rising=-1", "void_rising=1.5"):
        with pytest.raises(InputError, match=f"--shape-overrides {bad}"):
            parse_overrides([bad], 4)


def test_synthetic_windows_have_the_shapes_that_were_asked_for():
    wanted = parse_overrides(["drift_dissonance=8"], 4)
    table = synthesize(wanted, window=15, v_max=0.3, seed=3)
    assert counts(table) == wanted
    windows = windows_from_table(table)
    assert windows.t.shape == (40, 15)
    assert windows.X[..., 3].max() <= 0.3
    assert len(set(table["agent"].to_pylist())) == 40  # no two share states
    assert table.equals(synthesize(wanted, window=15, v_max=0.3, seed=3))
    assert not table.equals(synthesize(wanted, window=15, v_max=0.3, seed=4))


def test_blends_take_at_most_so_many_real_windows_and_fill_up():
    real = build(source(walk(4000, 5)))
    wanted = parse_overrides(["drift_dissonance=50"], 30)
    synthetic = synthesize(wanted, seed=1)
    table = blend(real, synthetic, wanted, real_at_most=20, seed=2)
    assert counts(table) == wanted
    there = counts(real)
    from_real = counts(table.filter(pc.field("source") == "test"))
    assert from_real == {shape: min(20, there[shape]) for shape in SHAPES}
    assert 0 < sum(from_real.values()) < table.num_rows
    keys = list(zip(table["agent"].to_pylist(), table["t_start"].to_pylist(), strict=True))
    assert len(set(keys)) == len(keys)  # without repetition
    assert table.equals(blend(real, synthetic, wanted, real_at_most=20, seed=2))
    assert not table.equals(blend(real, synthetic, wanted, real_at_most=20, seed=3))
    with pytest.raises(InputError, match=r"\w+: \d+ windows, real and synthetic, where 200"):
        blend(real, synthetic, dict.fromkeys(SHAPES, 200), real_at_most=20, seed=2)


class Full:
    """A file on a disk that fills up after some bytes."""

    def __init__(self, stream, room):
        self.stream, self.room, self.closed = stream, room, False

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, os.strerror(28))
        return self.stream.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()

    def __getattr__(self, name):
        return getattr(self.stream, name)


@pytest.mark.parametrize("room", [0, 3, 4000])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, room):
    path = tmp_path / "d.parquet"
    write_parquet(path, build(source(walk(60, 0))))
    before = path.read_bytes()
    real_open = Path.open

    def full(self, mode="r", *args, **more):
        stream = real_open(self, mode, *args, **more)
        return Full(stream, room) if mode == "wb" else stream

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError, match=r"d\.parquet: cannot be written \(No space left"):
        write_parquet(path, build(source(walk(3000, 1))))
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["d.parquet"]


def test_splits_take_their_places_together_or_not_at_all(tmp_path, monkeypatch):
    table = build(source(walk(3000, 1)))
    small, large = tmp_path / "a.parquet", tmp_path / "b.parquet"
    small.write_bytes(b"as it was")
    real_open = Path.open

    def full(self, mode="r", *args, **more):
        stream = real_open(self, mode, *args, **more)
        return Full(stream, 5000) if "b.parquet" in self.name and mode == "wb" else stream

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError, match=r"b\.parquet: cannot be written"):
        write_together({small: table.slice(0, 1), large: table})
    monkeypatch.undo()
    assert small.read_bytes() == b"as it was"
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_a_limit_of_the_system_leaves_what_was_there(tmp_path):
    """The system itself refuses to let a file grow, as it does where a quota is reached."""
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.dataset.schema import build, write_parquet
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources import Report, Source
rng = np.random.default_rng(0)
table = build(Source([Series(np.arange(9000.0), rng.random((9000, 4)))], Report()))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_parquet(Path(sys.argv[1]) / "d.parquet", table)
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "d.parquet: cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_half_file(tmp_path):
    """Killed in the middle of its writing, at the very latest moment before the rename."""
    code = """
import os, signal, sys
from pathlib import Path
import numpy as np
from eisv_lumen.trajectory.dataset.schema import build, write_parquet
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources import Report, Source
Path.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
table = build(Source([Series(np.arange(90.0), np.zeros((90, 4)))], Report()))
write_parquet(Path(sys.argv[1]) / "d.parquet", table)
"""
    path = tmp_path / "d.parquet"
    path.write_bytes(b"as it was")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == b"as it was"
    assert not list(tmp_path.glob("[!.]*.parquet.*"))  # what is left is hidden and is no dataset


# Whatever the source is -------------------------------------------------------------------------


def governance_line(k):
    eisv = dict(zip("EISV", (0.5, 0.6, 0.1, 0.02), strict=True))
    return json.dumps({"agent_id": "g", "timestamp": 2.0 * k, "eisv": eisv})


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A source of each kind, all of one log, and the table they should give."""
    folder = tmp_path_factory.mktemp("sources")
    write_anima_db(folder / "anima.db", 300, seed=1, n_expressions=9)
    log = read_source(folder / "anima.db")
    table = build(log)
    write_states(folder / "states.parquet", log.series)
    (series,) = log.series
    lines = ["t,E,I,S,V"] + [
        ",".join(map(repr, row)) for row in np.column_stack([series.t, series.X]).tolist()
    ]
    (folder / "states.csv").write_text("\n".join(lines))
    write_parquet(folder / "typed" / "data" / "train.parquet", table.slice(0, 20))
    write_parquet(folder / "typed" / "data" / "validation.parquet", table.slice(20))
    return folder, table


def same_states(a, b):
    names = ["t", "E", "I", "S", "V", "ethical_drift", "shape", "t_start", "t_end"]
    return a.select(names).equals(b.select(names))


@pytest.mark.parametrize("name", ["anima.db", "states.parquet", "states.csv", "typed"])
def test_whatever_the_source_is_the_dataset_is_the_same(sources, name):
    folder, table = sources
    found = load_table(folder / name)
    assert found.schema.equals(table.schema, check_metadata=True)
    assert same_states(found, table)
    if name in ("anima.db", "typed"):
        assert found.equals(table)


def test_load_trajectories_gives_a_dataset_with_its_features(sources):
    folder, table = sources
    data = eisv_lumen.load_trajectories(folder / "anima.db")
    assert data.features == features()
    assert data.num_rows == table.num_rows
    assert data.features["shape"].int2str(data[0]["shape"]) in SHAPES
    short = eisv_lumen.load_trajectories(str(folder / "anima.db"), window=4, stride=4)
    assert short.num_rows == 75 and len(short[0]["E"]) == 4


def test_governance_updates_are_a_source(tmp_path):
    (tmp_path / "u.jsonl").write_text("\n".join(map(governance_line, range(25))))
    assert load_table(tmp_path / "u.jsonl")["agent"].to_pylist() == ["g"]


def test_what_is_no_source_is_refused(tmp_path, monkeypatch):
    import huggingface_hub

    def fail(*args, **more):
        raise ConnectionError("no way there")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", fail)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "e.jsonl").write_text("")
    (tmp_path / "s.jsonl").write_text('{"id": 0, "mean_E": 0.5}')
    (tmp_path / "n.jsonl").write_text("nope")
    cases = [
        (tmp_path / "notes.txt", "not a source; give an anima.db"),
        (tmp_path / "none.db", "no such file or folder"),
        (tmp_path / "empty", "a folder without logs"),
        (tmp_path / "e.jsonl", "an empty file"),
        (tmp_path / "s.jsonl", "window summaries, which hold no states"),
        (tmp_path / "n.jsonl", "line 1: not JSON"),
        ("someone/nothing", r"could not be loaded from the Hub \(no way there\)"),
        ("nothing", "no such file or folder"),
    ]
    for what, message in cases:
        with pytest.raises(InputError, match=message):
            load_table(what)


def test_parquet_that_is_neither_states_nor_windows_says_what_is_missing(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"no column t \(or timestamp\); it has a"):
        load_table(tmp_path / "x.parquet")
