"""The main job, small: one command, from nothing to a report and a published folder."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from eisv_lumen.evaluation.report import read_report

ROOT = Path(__file__).parents[1]


def demo(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eisv_lumen.cli", "demo", "--quick", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    out = tmp_path_factory.mktemp("demo") / "out"
    answer = demo("--out", out, "--json")
    assert answer.returncode == 0, answer.stderr[-3000:]
    return out, json.loads(answer.stdout)


def test_every_stage_leaves_what_the_next_one_reads(made: tuple[Path, dict]) -> None:
    out, printed = made
    with sqlite3.connect(f"file:{out / 'anima.db'}?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM state_history").fetchone()[0] > 12_000
    for length in (10, 15, 20):
        for split in ("train", "validation", "test"):
            assert (out / "dataset" / f"window_{length}" / f"{split}.parquet").is_file()
    assert (out / "teacher" / "model" / "model.safetensors").is_file()
    report = read_report(out / "report.json")
    assert report.model_dump(by_alias=True)["name"] == printed["name"] == "demo"
    assert report.provenance.command == "eisv-lumen demo --seed 0 --quick"
    assert [r.decoding.temperature for r in report.results] == [1.0, 0.7, 0.5, 0.3, 0.0, 0.3]
    for result in report.results:
        metric = result.metrics["macro_coherence"]
        assert metric.floor < metric.perfect <= metric.ceiling
    assert len(report.gates) == 6
    figures = sorted(path.name for path in (out / "figures").iterdir())
    assert figures == ["by_shape.svg", "by_temperature.svg"]


def test_the_published_folder_is_read_by_the_client_libraries(made: tuple[Path, dict]) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM

    out, _ = made
    folder = out / "hub" / "datasets" / "unitares-eisv-trajectories"
    for config, length in ((None, 20), ("window_10", 10), ("window_15", 15)):
        loaded = load_dataset(str(folder), config, cache_dir=str(out / "cache"))
        assert set(loaded) == {"train", "validation", "test"}
        assert len(loaded["test"][0]["t"]) == length
    student = out / "hub" / "models" / "eisv-lumen-student"
    assert (student / "reader.py").is_file() and (student / "reports" / "demo.json").is_file()
    assert read_report(student / "reports" / "demo.json").target == "initial"
    card = (out / "hub" / "models" / "eisv-lumen-teacher" / "README.md").read_text()
    assert "eisv-lumen demo --seed 0 --quick --out eisv-lumen-teacher\n" in card
    assert "teacher train" not in card  # that recipe's own windows are others
    model = AutoModelForCausalLM.from_pretrained(out / "hub" / "models" / "eisv-lumen-teacher")
    assert model.generation_config.temperature == 1.0


def test_the_published_teacher_is_measured_again_and_every_figure_is_the_same(
    made: tuple[Path, dict],
) -> None:
    teacher = made[0] / "hub" / "models" / "eisv-lumen-teacher"
    command = [sys.executable, "-m", "eisv_lumen.cli", "evaluate", "reproduce", str(teacher)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["within"] == told["differs"] == 0 and told["same"] > 200


def test_a_second_run_does_nothing_twice_and_gives_the_same_report(
    made: tuple[Path, dict],
) -> None:
    out, _ = made
    before = (out / "report.json").read_bytes()
    weights = (out / "teacher" / "model" / "model.safetensors").stat().st_mtime_ns
    again = demo("--out", out)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "sharpening, not learning" in again.stdout
    assert (out / "report.json").read_bytes() == before
    assert (out / "teacher" / "model" / "model.safetensors").stat().st_mtime_ns == weights


def test_a_folder_of_something_else_is_left_alone(made: tuple[Path, dict], tmp_path: Path) -> None:
    out, _ = made
    other = demo("--out", out, "--seed", 1)
    assert other.returncode == 2
    assert "other settings; choose another --out" in other.stderr
    (tmp_path / "letter.txt").write_text("mine")
    foreign = demo("--out", tmp_path)
    assert foreign.returncode == 2
    assert "holds no demo" in foreign.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
