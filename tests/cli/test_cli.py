"""The command line as its user meets it: real processes, exit codes, two streams."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from eisv_lumen.cli import _GROUPS

RESULTS = Path(__file__).parents[2] / "results"


def run(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eisv_lumen.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_help_lists_every_group_and_each_has_help() -> None:
    listed = run("--help")
    assert listed.returncode == 0
    for group in ("demo", "data", "voice", "teacher", "evaluate", "publish", "render"):
        assert f"  {group} " in listed.stdout
        answer = run(group, "--help")
        assert answer.returncode == 0, answer.stderr
        assert "Usage:" in answer.stdout


def commands() -> Iterator[tuple[str, Any]]:
    for group in _GROUPS:
        found = typer.main.get_command(import_module(f"eisv_lumen.cli.{group}").app)
        for name, command in getattr(found, "commands", {group: found}).items():
            yield f"{group} {name}", command


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_has_a_line_of_its_own(name: str) -> None:
    """Help is filled paragraph by paragraph: examples of one paragraph would run together."""
    for paragraph in COMMANDS[name].help.split("\n\n"):
        starts = re.findall(r"(?:^|\s)(?:eisv-lumen|torchrun|curl) ", paragraph)
        assert len(starts) <= 1, paragraph
        assert not starts or "\\" not in paragraph  # what is filled is not continued


def test_options_are_spelt_alike(tmp_path: Path) -> None:
    for words in ((), ("data",), ("data", "build"), ("lvm",), ("lvm", "train"), ("render",)):
        assert run(*words, "-h").stdout == run(*words, "--help").stdout
        assert ("--install-completion" in run(*words, "-h").stdout) == (words == ())
    spoken = [run("voice", "speak", "convergence", n, 3).stdout for n in ("-n", "--n")]
    assert spoken[0] == spoken[1] and spoken[0].count("\n") == 3
    assert run("voice", "law", "convergence", "--top", 0).returncode == 2
    for group in ("teacher", "lvm"):
        listed = run(group, "recipes").stdout.splitlines()
        found = json.loads(run(group, "recipes", "--json").stdout)["recipes"]
        assert [line.split()[0] for line in listed] == list(found)
        assert all(recipe["note"] for recipe in found.values())


def test_bad_input_is_one_line_on_stderr_and_exit_code_2(tmp_path: Path) -> None:
    broken = tmp_path / "r.json"
    broken.write_text("{")
    for args, message in (
        (("voice", "law", "calm"), "unknown shape 'calm'"),
        (
            ("voice", "law", "convergence", "--temperature", "-1"),
            "temperature=-1.0: it must be ≥ 0",
        ),
        (("voice", "law", "convergence", "--top-p", "0"), "top_p=0.0: it must be in (0, 1]"),
        (("voice", "speak", "convergence", "--voice", tmp_path / "no.json"), "no such file"),
        (("voice", "speak", "convergence", "--voice", tmp_path), "is a folder"),
        (("voice", "learn", "--updates", "1", "--out", tmp_path), "is a folder"),
        (("evaluate", "show", broken), "not JSON"),
        (("evaluate", "show", tmp_path), "is a folder"),
        (("evaluate", "show", RESULTS / "lvm-kjv" / "p1.json"), "use eisv-lumen lvm compare"),
        (("render", "--root", tmp_path), "not the repository of eisv-lumen; give it with --root"),
        (("teacher", "generate", tmp_path / "no"), "no user message; give each as a JSON string"),
    ):
        answer = run(*args)
        assert answer.returncode == 2, answer.stderr
        assert message in answer.stderr
        assert answer.stderr.count("\n") == 1
        assert answer.stdout == ""


def test_json_on_stdout_is_one_object(tmp_path: Path) -> None:
    law = json.loads(run("voice", "law", "void_rising", "--temperature", "0.3", "--json").stdout)
    assert law["coherence"] == pytest.approx(0.955, abs=5e-4)
    said = json.loads(run("voice", "speak", "convergence", "-n", "2", "--json").stdout)
    assert len(said["expressions"]) == 2
    learned = run("voice", "learn", "--out", tmp_path / "v.json", "--updates", "300", "--json")
    assert json.loads(learned.stdout)["after"] > json.loads(learned.stdout)["before"]
    again = run("voice", "speak", "convergence", "--voice", tmp_path / "v.json")
    assert again.returncode == 0


def test_exact_reports_are_written_shown_and_compared(tmp_path: Path) -> None:
    assert run("evaluate", "law", "--out", tmp_path / "law").returncode == 0
    assert run("evaluate", "published", "--out", tmp_path / "published").returncode == 0
    shown = run("evaluate", "show", tmp_path / "law" / "imitator.json")
    assert "0.906" in shown.stdout
    assert "sharpening, not learning" in shown.stdout
    by_shape = run("evaluate", "show", tmp_path / "law" / "imitator.json", "--metric", "coherence")
    assert "drift_dissonance" in by_shape.stdout
    rows = json.loads(
        run("evaluate", "compare", tmp_path / "published", "--metric", "coherence", "--json").stdout
    )["rows"]
    assert len(rows) == 7
    missing = run(
        "evaluate", "show", tmp_path / "law" / "oracle.json",
        "--metric", "coherence", "--temperature", "0.33",
    )  # fmt: skip
    assert missing.returncode == 2
    assert "no result at T = 0.33" in missing.stderr


def test_folders_are_compared_by_what_their_reports_share() -> None:
    def compared(*args: object) -> tuple[dict[str, Any], str]:
        done = run("evaluate", "compare", *args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    found, said = compared(RESULTS / "published")
    assert (found["metric"], len(found["rows"]), said) == ("coherence", 7, "")
    found, said = compared(RESULTS / "blind")
    assert found["metric"] == "coherence" and len(found["rows"]) > 5
    assert said.startswith("skipped, not reports: ") and said.count("\n") == 1
    assert "series-exact.json" in said and "constant-real" not in said
    found, _ = compared(RESULTS / "tiny", RESULTS / "law" / "imitator.json")
    assert found["metric"] == "macro_coherence"
    for args, message in (
        ((RESULTS / "tiny", "--metric", "foo"), "metric 'foo': in none of the reports, which have"),
        ((RESULTS / "lvm",), "no reports of evaluation there"),
    ):
        done = run("evaluate", "compare", *args)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert message in done.stderr


def test_the_committed_exact_and_published_results_are_what_the_commands_write(
    tmp_path: Path,
) -> None:
    """Versions aside, the results in the repository are reproduced to the last digit shown."""
    results = Path(__file__).parents[2] / "results"
    for name in ("law", "published"):
        assert run("evaluate", name, "--out", tmp_path / name).returncode == 0
        for made in sorted((tmp_path / name).glob("*.json")):
            new, old = (
                json.loads(made.read_text()),
                json.loads((results / name / made.name).read_text()),
            )
            for report in (new, old):
                report.pop("provenance")
            assert new == old, made.name


def test_a_teacher_that_is_asked_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    done = run("teacher", "generate", tmp_path, "--prompts", tmp_path / "none.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("no user message; give each as a JSON string on a line\n")


def test_a_report_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    for args in (
        ("teacher", "evaluate", tmp_path / "model"),
        ("lvm", "align", "copy-last", "--validation", "seq", "--test", "seq"),
    ):
        done = run(*args, "--out", tmp_path)
        assert done.returncode == 2
        assert done.stderr == f"eisv-lumen: {tmp_path}: is a folder; name a file\n"
