"""The commands: what they print, what they refuse."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eisv_lumen.cli import student as commands
from eisv_lumen.cli.student import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import read_report
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.student.distil import DistilRecipe
from eisv_lumen.student.format import read_student, row_laws
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
