"""The main job on somebody's own log: from files to a publication, step by step and again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import read_report
from eisv_lumen.pipeline import Job, RunSize, measured_rates, plan, run
from eisv_lumen.trajectory.dataset.schema import read_table
from eisv_lumen.trajectory.simulate.lumen_like import lumen_like

ROOT = Path(__file__).parents[1]
SIZE = RunSize(train_per_shape=8, real_per_shape=4, test_per_shape=4, draws=2, laws_per_shape=1)


def write_days(folder: Path, states: int, per_day: int) -> Path:
    """Write a log of one robot in daily CSV files, with the headers that people use."""
    folder.mkdir()
    series = lumen_like(states, 5)
    for day in range(states // per_day):
        rows = slice(day * per_day, (day + 1) * per_day)
        names = ("Energy", "Integrity", "Entropy", "Void")
        columns = dict(zip(names, series.X[rows].T, strict=True))
        table = pa.table({"Timestamp": series.t[rows], **columns, "robot": ["ada"] * per_day})
        pa.csv.write_csv(table, folder / f"2026-01-{day + 1:02d}.csv")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, list[str]]:
    here = tmp_path_factory.mktemp("pipeline")
    lines: list[str] = []
    job = Job(
        (write_days(here / "days", 1_000, 250),),
        here / "out",
        size=SIZE,
        namespace="ada",
        root=ROOT,
        say=lines.append,
    )
    run(job)
    return job, lines


def test_a_folder_of_daily_files_becomes_a_dataset_a_teacher_a_student_and_a_publication(
    done: tuple[Job, list[str]],
) -> None:
    job, lines = done
    windows = pa.concat_tables(
        read_table(path) for path in sorted((job.out / "dataset" / "window_20").glob("*.parquet"))
    )
    assert set(windows["agent"].to_pylist()) == {"ada"}
    # A window lies across midnight: the files are one series.
    inside = np.array([t[0] for t in windows["t"].to_pylist()])
    borders = [float(pyarrow.csv.read_csv(p)["Timestamp"][0].as_py()) for p in
               sorted(job.sources[0].iterdir())[1:]]  # fmt: skip
    ends = np.array(windows["t_end"].to_pylist())
    assert any(((inside < b) & (ends >= b)).any() for b in borders)
    report = read_report(job.out / "report.json")
    for result in report.results:
        metric = result.metrics["macro_coherence"]
        assert metric.floor < metric.perfect <= metric.ceiling
    assert read_report(job.out / "student" / "reports" / "run.json").kind == "exact"
    published = job.out / "hub"
    assert (published / "models" / "eisv-lumen-student" / "reader.py").is_file()
    card = (published / "datasets" / "unitares-eisv-trajectories" / "README.md").read_text()
    assert "ada/" in card or "ada" in card
    assert any("1,000 rows read, 1 agent" in line for line in lines)


def test_what_is_done_is_not_done_again(done: tuple[Job, list[str]]) -> None:
    job, _ = done
    before = {p: p.stat().st_mtime_ns for p in (job.out / "teacher").rglob("*") if p.is_file()}
    lines: list[str] = []
    run(replace(job, say=lines.append))
    assert sum("done already" in line for line in lines) == 4
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_another_log_or_seed_is_refused_and_nothing_is_touched(
    done: tuple[Job, list[str]], tmp_path: Path
) -> None:
    job, _ = done
    with pytest.raises(InputError, match="holds a run of another seed; choose another --out"):
        run(replace(job, seed=1))
    other = write_days(tmp_path / "days", 1_000, 125)
    longer = write_days(tmp_path / "more", 1_250, 250)
    run(replace(job, sources=(other,), say=lambda text: None))  # the same states, cut otherwise
    with pytest.raises(InputError, match="holds a run of other states"):
        run(replace(job, sources=(longer,)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no run"):
        run(replace(job, out=tmp_path / "mine"))


def test_a_plan_says_what_is_possible_and_writes_nothing(
    done: tuple[Job, list[str]], tmp_path: Path
) -> None:
    job, _ = done
    rates = measured_rates(job)
    assert set(rates) == {"dataset", "teacher", "report", "student", "publication"}
    assert all(rate > 0 for rate in rates.values())
    found = plan(replace(job, out=tmp_path / "new"), rates)
    assert found["states"] == 1_000 and found["agents"] == 1
    assert [step["done"] for step in found["steps"]] == [False] * 5
    assert all(step["seconds"] > 0 for step in found["steps"])
    assert not (tmp_path / "new").exists()
    again = plan(job, rates)
    assert [step["done"] for step in again["steps"]] == [True] * 4 + [False]
    json.dumps(found)
