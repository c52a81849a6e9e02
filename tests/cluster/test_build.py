"""A cluster writes the files that one machine writes, however the states came to it."""

import hashlib
import json
import os
import signal
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eisv_lumen.cluster.build import build_windows
from eisv_lumen.cluster.hire import hire
from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.dataset.schema import build, read_table, write_parquet
from eisv_lumen.trajectory.sources.governance import read_governance
from eisv_lumen.trajectory.sources.read import read_source


def states(rng, n, n_agents, disorder):
    """Rows of several agents, with times that repeat, NULLs, and as much disorder as asked for."""
    t = np.cumsum(rng.choice([0.5, 1.0, 2.0], n))
    agent = rng.integers(0, n_agents, n)
    if disorder in ("none", "backwards", "merged"):
        agent = np.sort(agent)
    if disorder == "ties":
        t[rng.random(n) < 0.01] = t[n // 2]
    elif disorder == "late":
        t += rng.choice([0.0, 0.0, 0.0, -30.0], n)
    elif disorder == "shuffled":
        t = rng.permutation(t)
    elif disorder == "backwards":  # the newer half first
        t = np.roll(t, n // 2)
    elif disorder == "merged":  # two logs of the same hours, one after the other
        t[n // 2 :] = t[: n - n // 2] + 0.25
        agent[:] = 0
    X = np.clip(0.5 + np.cumsum(rng.normal(0, 0.03, (n, 4)), 0), 0, 1)
    X[rng.random(n) < 0.004, 0] = 1.02
    cells = {"agent": [f"agent {a}" for a in agent], "t": t}
    cells |= dict(zip("EISV", X.T, strict=True))
    drift = rng.uniform(0, 0.35, n)
    cells["ethical_drift"] = pa.array(drift, mask=rng.random(n) < 0.1)
    table = pa.table(cells)
    if disorder == "late":
        table = table.set_column(2, "E", pa.array(X[:, 0], mask=rng.random(n) < 0.02))
    if disorder == "repeated":  # exported again, from some row on
        table = pa.concat_tables([table, table.slice(int(rng.integers(n)))])
    return table


def lay_out(folder, table, cuts, group):
    """Write consecutive rows to files cut at `cuts`, in row groups of `group` rows."""
    folder.mkdir()
    edges = [0, *sorted(cuts), table.num_rows]
    for i, (a, b) in enumerate(pairwise(edges)):
        pq.write_table(table.slice(a, b - a), folder / f"{i:03d}.parquet", row_group_size=group)


def on_one_machine(source, part, label="states", **lengths):
    """What `data build` writes of a folder, in parts of so many windows, and its report."""
    read = read_source(source)
    read = replace(read, series=[replace(one, source=label) for one in read.series])
    whole = build(read, **lengths)
    found = {}
    with TemporaryDirectory() as folder:
        for k, start in enumerate(range(0, whole.num_rows, part)):
            path = Path(folder) / f"part-{k:06d}.parquet"
            write_parquet(path, whole.slice(start, part))
            found[path.name] = path.read_bytes()
    return found, read.report


def counts(report):
    """What reading met with, but for gaps between states, which a cluster does not look for."""
    return replace(report, notes=tuple(note for note in report.notes if "gap" not in note))


def parts_in(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*.parquet"))}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(60, 250),
    n_agents=st.integers(1, 5),
    disorder=st.sampled_from(
        ["none", "interleaved", "late", "shuffled", "backwards", "merged", "ties", "repeated"]
    ),
    cuts=st.sets(st.integers(1, 400), max_size=6),
    group=st.integers(10, 150),
    rows=st.integers(10, 200),
    part=st.integers(2, 40),
    lengths=st.sampled_from([(20, 10), (5, 5), (2, 1), (7, 12)]),
)
def test_any_partitioning_gives_the_bytes_of_one_machine(
    threads, seed, n, n_agents, disorder, cuts, group, rows, part, lengths
):
    table = states(np.random.default_rng(seed), n, n_agents, disorder)
    window, stride = lengths
    with TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder / "states", table, {c for c in cuts if c < table.num_rows}, group)
        source, out = str(folder / "states"), str(folder / "out")
        try:
            wanted, report = on_one_machine(source, part, window=window, stride=stride)
        except InputError as refused:
            with pytest.raises(InputError) as error:
                build_windows(source, out, threads(), window=window, stride=stride, rows=rows)
            same = str(refused).partition(": ")[2] == str(error.value).partition(": ")[2]
            assert same or "longer than every series" in str(error.value), (refused, error.value)
            return
        built = build_windows(
            source, out, threads(), window=window, stride=stride, part=part, rows=rows
        )
        assert parts_in(folder / "out") == wanted
        assert counts(built.report) == counts(report)
        assert built.parts == len(wanted)
        assert built.bytes_scratch == 0 or disorder != "none"


def test_governance_updates_are_partitioned_by_agent(threads, tmp_path):
    """Blocks of lines end in the midst of a line; agents are interleaved; late ones are merged."""
    rng = np.random.default_rng(7)
    lines = []
    for i in range(900):
        drift = [None, 0.2, [0.3, 0.4]][i % 3]
        values = rng.random(4) * [1, 1, 2, 4] - [0, 0, 0, 2]
        eisv = dict(zip("EISV", values.tolist(), strict=True))
        late = float(rng.choice([0, 0, -500]))
        line = {"agent_id": f"änder-{i % 7}", "timestamp": 10.0 * i + late, "eisv": eisv}
        lines.append(json.dumps(line | {"ethical_drift": drift}, ensure_ascii=False))
    for agent, n in (("two", 2), ("three", 3)):
        lines += [json.dumps({"agent_id": agent, "timestamp": i, "eisv": eisv}) for i in range(n)]
    path = tmp_path / "updates.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    whole = build(read_governance(path), 2, 1)
    write_parquet(tmp_path / "whole.parquet", whole)
    built = build_windows(
        str(path), str(tmp_path / "out"), threads(), window=2, stride=1, part=10**6, rows=7
    )
    assert parts_in(tmp_path / "out") == {
        "part-000000.parquet": (tmp_path / "whole.parquet").read_bytes()
    }
    assert counts(built.report) == counts(read_governance(path).report)
    assert built.report.clamped > 100 and built.report.moved > 100
    assert built.agents == 8  # the one with two updates is dropped
    assert built.states == 905


def test_states_and_windows_by_address(threads, tmp_path):
    table = states(np.random.default_rng(3), 400, 3, "shuffled")
    lay_out(tmp_path / "local", table, {130, 140}, 50)
    wanted, _ = on_one_machine(tmp_path / "local", 20)
    fs = fsspec.filesystem("memory")
    for path in sorted((tmp_path / "local").iterdir()):
        fs.pipe_file(f"/lake/states/{path.name}", path.read_bytes())
    built = build_windows(
        "memory://lake/states/*.parquet", "memory://lake/windows", threads(), part=20,
        scratch="memory://lake/scratch",
    )  # fmt: skip
    names = fs.ls("/lake/windows", detail=False)
    found = {path.rpartition("/")[2]: fs.cat_file(path) for path in names}
    index = json.loads(found.pop("windows.json"))
    assert set(found.pop("run.json"))
    assert found == wanted
    assert [part["file"] for part in index["parts"]] == sorted(wanted)
    assert [hashlib.sha256(data).hexdigest() for _, data in sorted(wanted.items())] == [
        part["sha256"] for part in index["parts"]
    ]
    assert built.bytes_scratch > 0 and not fs.exists("/lake/scratch")


def test_a_run_cut_short_goes_on_to_the_same_files(threads, tmp_path):
    table = states(np.random.default_rng(3), 400, 3, "interleaved")
    lay_out(tmp_path / "states", table, {100}, 50)
    first, again = str(tmp_path / "a"), str(tmp_path / "b")
    build_windows(str(tmp_path / "states"), first, threads(), part=10)
    build_windows(str(tmp_path / "states"), again, threads(), part=10)
    for name in ("part-000001.parquet", "windows.json"):
        (tmp_path / "b" / name).unlink()
    kept = (tmp_path / "b" / "part-000000.parquet").stat().st_mtime_ns
    built = build_windows(str(tmp_path / "states"), again, threads(), part=10)
    assert built.already == built.parts - 1
    assert (tmp_path / "b" / "part-000000.parquet").stat().st_mtime_ns == kept
    assert parts_in(tmp_path / "a") == parts_in(tmp_path / "b")
    index = [(tmp_path / name / "windows.json").read_bytes() for name in "ab"]
    assert index[0] == index[1]
    with pytest.raises(InputError, match="other files or settings"):
        build_windows(str(tmp_path / "states"), again, threads(), part=11)


@pytest.mark.parametrize("broken", [b"", b"no Parquet at all", "cut"])
def test_a_part_that_cannot_be_read_is_made_again(threads, tmp_path, broken):
    table = states(np.random.default_rng(3), 400, 3, "none")
    lay_out(tmp_path / "states", table, set(), 50)
    out = tmp_path / "out"
    build_windows(str(tmp_path / "states"), str(out), threads(), part=10)
    whole = parts_in(out)
    first = out / "part-000000.parquet"
    first.write_bytes(whole[first.name][:-7] if broken == "cut" else broken)
    said = []
    crew = threads()
    crew.say = said.append
    built = build_windows(str(tmp_path / "states"), str(out), crew, part=10)
    assert parts_in(out) == whole
    assert built.already == built.parts - 1
    assert f"{out}/part-000000.parquet: could not be read, so it was made again" in said


def test_what_differs_from_the_run_that_lies_there_is_said(threads, tmp_path):
    source, out = tmp_path / "states", str(tmp_path / "out")
    lay_out(source, states(np.random.default_rng(3), 400, 3, "none"), {100, 200}, 50)
    build_windows(str(source), out, threads(), window=20)
    with pytest.raises(InputError, match=r"\(window 20 there, 5 here; stride 10 there, 4 here\)"):
        build_windows(str(source), out, threads(), window=5, stride=4)
    (source / "002.parquet").rename(source / "b.parquet")
    (source / "000.parquet").write_bytes((source / "001.parquet").read_bytes())
    said = r"\(new: b\.parquet; gone: 002\.parquet; changed: 000\.parquet\); choose another --out"
    with pytest.raises(InputError, match=said):
        build_windows(str(source), out, threads())


def test_where_states_are_sorted_is_said_before_it_is_done(threads, tmp_path):
    lay_out(tmp_path / "states", states(np.random.default_rng(3), 400, 3, "shuffled"), set(), 50)
    said = []
    crew = threads()
    crew.say = said.append
    build_windows(
        str(tmp_path / "states"), str(tmp_path / "out"), crew, scratch=str(tmp_path / "aside")
    )
    place = next(i for i, text in enumerate(said) if text.startswith(f"scratch: {tmp_path}/aside"))
    assert "up to 0.0 GB" in said[place]
    assert place < next(i for i, text in enumerate(said) if text.startswith("arrange"))


def test_killed_workers_change_nothing(tmp_path):
    """One is killed while chunks are sorted, one while parts are written."""
    rng = np.random.default_rng(11)
    table = states(rng, 20_000, 4, "shuffled")
    lay_out(tmp_path / "states", table, set(range(1_000, 20_000, 1_000)), 1_000)
    wanted, _ = on_one_machine(tmp_path / "states", 100)
    killed = []

    def kill_when(crew, sign):
        deadline = time.monotonic() + 60
        while not sign() and time.monotonic() < deadline:
            time.sleep(0.002)
        pid = next(p for p in crew.client.run(os.getpid, on_error="ignore").values() if p)
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    with TemporaryDirectory() as scratch, hire(workers=2) as crew:
        signs = [
            lambda: any(Path(scratch).glob("chunk-*")),
            lambda: any((tmp_path / "out").glob("part-*")),
        ]
        killers = [threading.Thread(target=kill_when, args=(crew, sign)) for sign in signs]
        for killer in killers:
            killer.start()
        built = build_windows(
            str(tmp_path / "states"), str(tmp_path / "out"), crew,
            part=100, rows=1_000, scratch=scratch,
        )  # fmt: skip
        for killer in killers:
            killer.join()
    assert len(set(killed)) == 2
    assert parts_in(tmp_path / "out") == wanted
    assert built.parts == len(wanted)
    assert not [p for p in (tmp_path / "out").iterdir() if p.suffix == ".tmp"]


def test_memory_of_a_worker_does_not_grow_with_the_states(tmp_path):
    """Eight times the states, and the windows of all of them: the peak of a worker is a task's."""
    peaks = []
    for n in (80_000, 640_000):
        rng = np.random.default_rng(1)
        cells = {"agent": rng.integers(0, 3, n).astype(str), "t": np.arange(n) * 0.5}
        cells |= dict(zip("EISV", rng.random((4, n)), strict=True))
        lay_out(tmp_path / str(n), pa.table(cells), set(), 20_000)
        with hire(workers=1) as crew:
            built = build_windows(
                str(tmp_path / str(n)), str(tmp_path / f"{n}-out"), crew, part=2_000, rows=20_000
            )
        assert built.bytes_scratch > 30 * n
        peaks.append(built.peak_memory)
    assert peaks[1] - peaks[0] < 25e6  # the states alone take 31 MB, their windows 61 MB


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("S"), "001.parquet: no column S"),
        (lambda t: t.set_column(3, "I", pa.array(["x"] * t.num_rows)), "column I holds string"),
        (
            lambda t: t.set_column(3, "I", pa.array([0.5] * 60 + [np.inf] + [0.5] * 39)),
            "001.parquet, row 60: I is inf",
        ),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_written(processes, tmp_path, change, message):
    table = states(np.random.default_rng(2), 100, 2, "none")
    lay_out(tmp_path / "states", table, set(), 100)
    pq.write_table(change(table), tmp_path / "states" / "001.parquet", row_group_size=20)
    with pytest.raises(InputError, match=message):
        build_windows(str(tmp_path / "states"), str(tmp_path / "out"), processes)
    assert not (tmp_path / "out").exists()


def test_other_refusals(threads, tmp_path):
    with pytest.raises(InputError, match=r"no \.parquet or \.jsonl there"):
        build_windows(str(tmp_path / "nothing"), str(tmp_path / "out"), threads())
    with pytest.raises(InputError, match="cannot be reached"):
        build_windows("nosuch://bucket/states", str(tmp_path / "out"), threads())
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "x.parquet").write_bytes(b"PAR1 no, it is not")
    with pytest.raises(InputError, match=r"x\.parquet: cannot be read"):
        build_windows(str(tmp_path / "states"), str(tmp_path / "out"), threads())
    (tmp_path / "states" / "x.jsonl").write_text("{}")
    with pytest.raises(InputError, match="files of one kind"):
        build_windows(str(tmp_path / "states"), str(tmp_path / "out"), threads())
    (tmp_path / "states" / "x.parquet").unlink()
    with pytest.raises(InputError, match=r"x\.jsonl, line 1: field eisv is missing"):
        build_windows(str(tmp_path / "states"), str(tmp_path / "out"), threads())


def test_windows_are_read_back_as_the_typed_dataset(threads, tmp_path):
    table = states(np.random.default_rng(3), 400, 3, "none")
    lay_out(tmp_path / "states", table, set(), 50)
    build_windows(str(tmp_path / "states"), str(tmp_path / "out"), threads())
    assert read_table(tmp_path / "out" / "part-000000.parquet")["source"][0].as_py() == "states"
