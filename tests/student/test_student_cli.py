"""The commands: what they print, what they refuse."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from eisv_lumen.cli import app as whole
from eisv_lumen.cli import student as commands
from eisv_lumen.cli.student import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import read_report
from eisv_lumen.expression.vocabulary import AFFINE_TOKENS, SHAPES
from eisv_lumen.student.distil import DistilRecipe
from eisv_lumen.student.format import read_student, row_laws
from eisv_lumen.student.inputs import to_be_like
from eisv_lumen.trajectory.dataset.schema import read_table, windows_from_table
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.simulate.lumen_like import summaries_like_real
from eisv_lumen.trajectory.windows import SUMMARY_FIELDS


def run(*args: object) -> str:
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("student")
    told = json.loads(
        run("distil", "--law", "initial", "--blind", "--windows", 300, "--hidden", 3,
            "--steps", 300, "--out", out, "--json")
    )  # fmt: skip
    assert told["bytes"] == (out / "student.json").stat().st_size
    assert (out / "reader.py").is_file() and json.loads((out / "distilled.json").read_text())
    return out / "student.json"


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "summaries.jsonl"
    shape, rows = summaries_like_real(12, 3)
    lines = [
        {"id": i, "shape": SHAPES[s]} | dict(zip(SUMMARY_FIELDS, row, strict=True))
        for i, (s, row) in enumerate(zip(shape.tolist(), rows.tolist(), strict=True))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_it_speaks_as_the_reader_does(student: Path, summaries: Path) -> None:
    lines = run("speak", student, "--shape", "convergence", "--n", 4, "--seed", 3).splitlines()
    import random

    rng, reader = random.Random(3), read_student(student)
    expected = [reader.speak("convergence", seed=rng) for _ in range(4)]
    assert [json.loads(line)["tokens"] for line in lines] == expected
    assert len(run("speak", student, "--data", summaries).splitlines()) == 12


def test_it_speaks_of_windows_that_nobody_has_labelled(
    student: Path, summaries: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in summaries.read_text().splitlines()]
    path = tmp_path / "unlabelled.jsonl"
    path.write_text("".join(json.dumps({n: r[n] for n in SUMMARY_FIELDS}) + "\n" for r in lines))
    assert run("speak", student, "--data", path) == run("speak", student, "--data", summaries)
    with pytest.raises(InputError, match=r"unlabelled\.jsonl, line 1: field id is missing"):
        run("evaluate", student, "--data", path, "--out", tmp_path / "r.json")


def test_a_window_of_another_length_is_named(
    student: Path, summaries: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in summaries.read_text().splitlines()]
    lines[7]["n_states"] = 20
    path = tmp_path / "longer.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=r"longer\.jsonl, id 7: n_states=20: .* of 4 states"):
        run("evaluate", student, "--data", path, "--out", tmp_path / "r.json")
    with pytest.raises(InputError, match=r"longer\.jsonl, window 8: n_states=20"):
        run("speak", student, "--data", path)


def test_it_is_scored_by_whole_laws(student: Path, summaries: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    told = run("evaluate", student, "--data", summaries, "--out", out, "--sighted", "--json")
    report = read_report(out)
    assert json.loads(told) == report.model_dump(by_alias=True)
    warm = report.at(1.0)
    assert warm.n == 9  # ids 0, 4 and 8 are for fitting
    assert warm.metrics["excess_nats"].value == 0
    shares = {s: m["coherence"].value for s, m in warm.per_shape.items()}
    laws = {law.shape: law for law in row_laws(read_student(student))}
    assert shares == {s: pytest.approx(laws[s].coherence(), abs=1e-6) for s in shares}


@pytest.mark.parametrize(
    ("args", "about"),
    [
        (["distil", "--out", "x"], "either --teacher or --law"),
        (["distil", "--out", "x", "--law", "mine"], "use initial or learned"),
        (["distil", "--out", "x", "--teacher", "t", "--blind"], "--blind goes with --law"),
        (["distil", "--out", "x", "--teacher", "none"], r"training\.json: no such file"),
        (["speak", "none.json", "--shape", "convergence"], "no such file"),
        (["speak", "none.json"], "either --shape or --data"),
        (["evaluate", "none.json", "--data", "none.jsonl", "--out", "."], "is a folder"),
    ],
)
def test_what_cannot_be_done_is_refused(args, about, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=about):
        run(*args)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_shape_is_refused(student: Path) -> None:
    with pytest.raises(InputError, match="unknown shape 'joy'"):
        run("speak", student, "--shape", "joy")


def test_the_commands_defaults_are_the_recipes():
    options = {
        name: option.default
        for name, option in inspect.signature(commands.distil).parameters.items()
    }
    recipe = DistilRecipe()
    assert options["windows"] == recipe.windows and options["per_shape"] == recipe.per_shape
    assert options["seed"] == recipe.seed and options["hidden"] == recipe.net.hidden
    assert options["steps"] == recipe.net.steps


def test_windows_to_be_like_go_with_a_teacher(tmp_path):
    with pytest.raises(InputError, match="--like goes with --teacher"):
        run("distil", "--law", "initial", "--like", "x.jsonl", "--out", tmp_path)


def a_log(path: Path, n: int = 400, seed: int = 5) -> Path:
    """States of two agents at 2 s, as a CSV; every third is calm, so that shapes differ."""
    rng = np.random.default_rng(seed)
    rows = ["agent,t,E,I,S,V"]
    for agent in ("ada", "bob"):
        X = np.clip(0.4 + np.cumsum(rng.normal(0, 0.03, (n, 4)), 0), 0, 1)
        rows += [f"{agent},{2.0 * i},{','.join(map(repr, x))}" for i, x in enumerate(X.tolist())]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_log(tmp_path_factory.mktemp("log") / "log.csv")


@pytest.fixture(scope="module")
def windows(log: Path) -> dict[int, Path]:
    """What `data build` and `data build --split` make of the log."""
    for arguments in (
        ["--out", log.parent / "four.parquet", "--window", 4, "--stride", 2],
        ["--out", log.parent / "dataset", "--split", "--window", 4, "--window", 20],
    ):
        done = CliRunner().invoke(whole, ["data", "build", *map(str, [log, *arguments])])
        assert done.exit_code == 0, done.output
    return {1: log.parent / "four.parquet", 2: log.parent / "dataset"}


def test_a_log_its_windows_and_their_summaries_are_scored_alike(
    student: Path, log: Path, windows: dict[int, Path], tmp_path: Path
) -> None:
    table = windows_from_table(load_table(log, window=4, stride=2))
    lines = [
        {"id": 4 * i + 1, "shape": SHAPES[s]} | dict(zip(SUMMARY_FIELDS, row, strict=True))
        for i, (s, row) in enumerate(zip(table.shape.tolist(), table.summary.tolist(), strict=True))
    ]
    summaries = tmp_path / "all.jsonl"
    summaries.write_text("".join(json.dumps(line) + "\n" for line in lines))
    reports = []
    for data in (log, windows[1], summaries):
        out = tmp_path / f"{data.stem}.json"
        for place in (student, student.parent):  # the file, and the folder that distil wrote
            run("evaluate", place, "--data", data, "--out", out)
        reports.append(read_report(out))
        assert reports[-1].provenance.data["windows"] == data.name
    assert reports[0].results == reports[1].results == reports[2].results
    assert reports[0].at(1.0).n == len(table)


def test_of_a_dataset_with_splits_the_test_split_is_scored(
    student: Path, windows: dict[int, Path], tmp_path: Path
) -> None:
    folder = windows[2]
    out = tmp_path / "r.json"
    run("evaluate", student, "--data", folder, "--out", out)  # of its two lengths, four states
    kept = windows_from_table(read_table(folder / "window_4" / "test.parquet"))
    assert read_report(out).at(1.0).n == len(kept)
    assert read_report(out).provenance.data["split"] == "test"
    run("evaluate", student, "--data", folder / "window_4" / "test.parquet", "--out", out)
    assert read_report(out).at(1.0).n == len(kept)
    run("evaluate", student, "--data", folder, "--window", 20, "--sighted", "--out", out)
    assert read_report(out).at(1.0).n == len(read_table(folder / "window_20" / "test.parquet"))
    with pytest.raises(InputError, match=r"dataset, window 1: n_states=20: .* windows of 4 states"):
        run("evaluate", student, "--data", folder, "--window", 20, "--out", out)
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    for path in bare.rglob("test*.parquet"):
        path.unlink()
    with pytest.raises(InputError, match=r"bare: no split test; there is train, validation; make"):
        run("evaluate", student, "--data", bare, "--out", out)


def test_it_speaks_of_windows_and_logs_in_files_and_folders(
    student: Path, log: Path, windows: dict[int, Path]
) -> None:
    table = read_table(windows[1])
    said = run("speak", student.parent, "--data", windows[1], "--temperature", 0).splitlines()
    assert len(said) == table.num_rows
    affine = {shape: set(tokens) for shape, tokens in AFFINE_TOKENS.items()}
    for line, shape in zip(said, windows_from_table(table).shape.tolist(), strict=True):
        assert set(json.loads(line)["tokens"]) <= affine[SHAPES[shape]]
    folder = run("speak", student, "--data", windows[2], "--window", 4).splitlines()
    assert len(folder) == sum(
        read_table(path).num_rows for path in (windows[2] / "window_4").glob("*.parquet")
    )
    assert len(run("speak", student, "--data", log).splitlines()) == 2  # of each agent, the last
    with pytest.raises(InputError, match="no series has the 401 states"):
        run("speak", student, "--data", log, "--window", 401)


def test_windows_to_be_like_are_read_from_what_other_commands_write(
    log: Path, windows: dict[int, Path]
) -> None:
    whole_log, facts = to_be_like(log, 4)
    assert len(whole_log) == len(load_table(log, window=4, stride=2)) == facts["n"]
    file, facts = to_be_like(windows[1], 4)
    np.testing.assert_array_equal(file, whole_log)
    assert facts["windows"] == "four.parquet" and len(facts["sha256"]) == 64
    train, facts = to_be_like(windows[2], 4)
    assert facts["split"] == "train" and facts["windows"] == "dataset"
    kept = windows_from_table(read_table(windows[2] / "window_4" / "train.parquet"))
    np.testing.assert_array_equal(train, kept.summary)


def test_windows_that_the_teacher_was_asked_near_are_named_in_the_report(
    student: Path, log: Path, tmp_path: Path
) -> None:
    near = tmp_path / "near"
    shutil.copytree(student.parent, near)
    record = json.loads((near / "distilled.json").read_text())
    record["like"] = to_be_like(log, 4)[1]
    (near / "distilled.json").write_text(json.dumps(record))
    for place in (near, near / "student.json"):
        run("evaluate", place, "--data", log, "--out", tmp_path / "r.json")
        assert "asked near these very windows" in read_report(tmp_path / "r.json").note
    run("evaluate", student, "--data", log, "--out", tmp_path / "r.json")
    assert "very windows" not in read_report(tmp_path / "r.json").note
