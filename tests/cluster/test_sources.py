"""What cannot be understood is refused, and what is mended is counted, as on one machine."""

import json
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eisv_lumen.cluster.build import build_windows
from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.dataset.schema import build, read_table
from eisv_lumen.trajectory.sources.options import DEFAULT, ReadOptions
from eisv_lumen.trajectory.sources.read import read_source


def log(n=120, seed=1, **columns):
    rng = np.random.default_rng(seed)
    X = np.clip(0.4 + np.cumsum(rng.normal(0, 0.02, (n, 4)), 0), 0, 1)
    cells = {"t": 1.7e9 + 2.0 * np.arange(n), **dict(zip("EISV", X.T, strict=True))}
    return pa.table({**cells, **columns})


def put(folder, **files):
    for name, table in files.items():
        path = folder / f"{name.replace('__', '/')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, row_group_size=50)


def hive(folder):
    put(folder, **{"agent=ada__part-0": log(seed=1), "agent=b%C3%B6b__part-0": log(seed=2)})


def spelt(folder):
    names = {"Timestamp": "t", "energy": "E", "Integrity": "I", "ENTROPY": "S", "void": "V"}
    table = log(agent=["x", "y"] * 60).rename_columns([*names, "Robot ID"])
    put(folder, a=table)


def copies(folder):
    put(folder, a=log(), **{"a (1)": log(), ".ipynb_checkpoints__a-checkpoint": log(seed=3),
                            ".venv__x": log(seed=4), "_tmp__y": log(seed=5)})  # fmt: skip
    (folder / "._a.parquet").write_bytes(b"\0\5\26\7 no Parquet")


def newer_first(folder):
    put(folder, a=log().slice(60), b=log().slice(0, 60))


def overlapping(folder):
    put(folder, a=log().slice(0, 80), b=log().slice(40))


def sentinel(folder):
    put(folder, a=set_rows(log(), "E", [10, 11, 60], -999.0))


def set_rows(table, name, rows, value):
    column = table[name].to_numpy().copy()
    column[rows] = value
    return table.set_column(table.column_names.index(name), name, pa.array(column))


def percent(folder):
    table = log()
    for name in "EISV":
        table = table.set_column(
            table.column_names.index(name), name, pa.array(100 * table[name].to_numpy())
        )
    put(folder, a=table)


def clock(folder):
    """An hour that is lived through twice, in local times without a zone."""
    t = np.arange(240) * 60.0 + 1729983600.0 - np.where(np.arange(240) >= 120, 3600.0, 0.0)
    put(folder, a=log(240).set_column(0, "t", pa.array(t)))


UNDERSTOOD = [
    (hive, DEFAULT, 2), (spelt, DEFAULT, 2), (copies, DEFAULT, 1), (newer_first, DEFAULT, 1),
    (overlapping, DEFAULT, 1), (sentinel, ReadOptions(missing=(-999.0,)), 1),
    (percent, ReadOptions(scale=100.0), 1), (hive, ReadOptions(agent="one"), None),
]  # fmt: skip


@pytest.mark.parametrize(("lay", "options", "agents"), UNDERSTOOD)
def test_states_are_understood_and_counted_as_on_one_machine(
    threads, tmp_path, lay, options, agents
):
    folder = tmp_path / "log"
    lay(folder)
    try:
        read = read_source(folder, options)
    except InputError as refused:
        assert agents is None
        with pytest.raises(InputError) as error:
            build_windows(str(folder), str(tmp_path / "out"), threads(), options=options)
        assert str(error.value).partition(": ")[2] == str(refused).partition(": ")[2]
        return
    built = build_windows(str(folder), str(tmp_path / "out"), threads(), options=options, rows=40)
    notes = tuple(note for note in read.report.notes if "gap" not in note)
    assert built.report == replace(read.report, notes=notes)
    assert built.agents == agents
    whole = build(replace(read, series=[replace(s, source="log") for s in read.series]))
    assert read_table(tmp_path / "out" / "part-000000.parquet").equals(whole)
    index = json.loads((tmp_path / "out" / "windows.json").read_text())
    assert index["report"]["repeated"] == built.report.repeated
    if lay is copies:
        assert built.report.repeated == 120
    if lay is newer_first:
        assert built.report.moved == 120


def column(**given):
    """States with one column in another form."""

    def lay(folder):
        table = log()
        for name, make in given.items():
            at = table.column_names.index(name) if name in table.column_names else None
            made = make(table)
            table = (
                table.append_column(name, made) if at is None else table.set_column(at, name, made)
            )
        put(folder, a=table)

    return lay


REFUSED = [
    (column(t=lambda t: t["t"].cast("float32")), "float32"),
    (column(t=lambda t: pa.array(1000 * t["t"].to_numpy())), "milliseconds"),
    (column(t=lambda t: pa.array((t["t"].to_numpy() * 1e3).astype("int64")).cast(
        pa.timestamp("ns"))), "faster than any sensor"),
    (column(t=lambda t: pa.array(np.full(120, 1.7e9))), "the time of another, different state"),
    (column(agent=lambda t: pa.array(["x", None] * 60)), "names no agent"),
    (column(t=lambda t: pa.array(np.r_[0:60, 0.5:60.5])), "interleaved"),
    (percent, "say --scale 100"),
    (sentinel, "say --missing -999"),
    (clock, "name the clock's zone, as in --tz"),
]  # fmt: skip


@pytest.mark.parametrize(("lay", "about"), REFUSED)
def test_states_that_one_machine_refuses_are_refused_in_the_same_words(
    threads, tmp_path, lay, about
):
    lay(tmp_path / "log")
    with pytest.raises(InputError, match=about) as one:
        read_source(tmp_path / "log")
    with pytest.raises(InputError, match=about) as many:
        build_windows(str(tmp_path / "log"), str(tmp_path / "out"), threads())
    assert str(many.value).partition(": ")[2] == str(one.value).partition(": ")[2]
    assert not (tmp_path / "out").exists()


def test_two_robots_in_two_files_without_a_name_are_no_series(threads, tmp_path):
    put(tmp_path / "log", ada=log(seed=1), bob=log(seed=2))
    with pytest.raises(InputError, match="rows of two series are interleaved"):
        build_windows(str(tmp_path / "log"), str(tmp_path / "out"), threads())


def test_a_column_that_stands_there_twice_is_named(threads, tmp_path):
    table = log()
    twice = pa.Table.from_arrays([*table.columns, table["E"]], [*table.column_names, "E"])
    put(tmp_path / "log", a=twice)
    with pytest.raises(InputError, match=r"a\.parquet: column"):
        build_windows(str(tmp_path / "log"), str(tmp_path / "out"), threads())


def test_a_name_that_no_file_can_hold_is_refused(threads, tmp_path):
    lines = [
        {"agent_id": "\ud800", "timestamp": i, "eisv": dict.fromkeys("EISV", 0.1)}
        for i in range(30)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InputError, match=r"log\.jsonl, line 1: agent_id .* half a character"):
        build_windows(str(tmp_path / "log.jsonl"), str(tmp_path / "out"), threads())


def test_a_zone_is_heeded(threads, tmp_path):
    times = [f"2024-07-01 12:00:{i:02d}" for i in range(60)]
    put(tmp_path / "log", a=log(60).set_column(0, "t", pa.array(times)))
    options = ReadOptions(zone=ZoneInfo("Europe/Berlin"))
    build_windows(str(tmp_path / "log"), str(tmp_path / "out"), threads(), options=options)
    table = read_table(tmp_path / "out" / "part-000000.parquet")
    assert table["t_start"][0].as_py() == 1719828000.0  # 10:00 UTC
