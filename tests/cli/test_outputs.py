"""No command overwrites what it has not written, whatever name it is given for its result."""

from __future__ import annotations

from pathlib import Path

import pytest

from eisv_lumen.trajectory.simulate.anima_log import write_anima_db
from tests.cli.commands import COMMANDS, run, value_for

WRITING = {
    (words, parameter.name)
    for words, command in COMMANDS.items()
    for parameter in command.params
    if parameter.name in ("out", "figure", "plot")
}
FOREIGN = {
    "README.md": "# mine\n", "thesis.md": "words\n", "random.json": "{}", "student.json": "{}",
    "reader.py": "print()\n", "facts.json": "[]", "run.json": "{}", "training.json": "[1]",
    "demo.json": "{}", "splits.json": "{}", "about.json": "[]", "plot.svg": "<svg/>",
    "table.parquet": "PAR1", "table.csv": "a,b\n1,2\n", "window_20/train.parquet": "PAR1",
    "model/config.json": "{}", "checkpoints/notes.txt": "mine", "train/about.txt": "mine",
    "chunks/notes.txt": "mine", "part-000000.parquet": "PAR1",
    "_windows.json": "{}", "v1.json": "{}", "compare.svg": "<svg/>", "report.json": "{}",
    "sft.yaml": "mine\n",
}  # fmt: skip


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    folder = tmp_path / "foreign"
    for name, text in FOREIGN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "anima.db"
    write_anima_db(path, 400, n_expressions=9, seed=0)
    return path


def test_the_writing_commands_are_known() -> None:
    assert {words for words, _ in WRITING} == {
        "demo", "data build", "data synthetic", "data blend", "data convert", "cluster windows",
        "voice learn", "teacher train", "teacher evaluate", "student distil", "student evaluate",
        "evaluate law", "evaluate published", "lvm embed", "lvm sequences", "lvm train",
        "lvm align", "lvm compare", "lvm demo", "label", "run", "evaluate score", "teacher export",
    }  # fmt: skip


@pytest.mark.parametrize(("words", "name"), sorted(WRITING))
def test_a_foreign_file_or_folder_stays_as_it_was(
    words: str, name: str, foreign: Path, log: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A README, a table, a drawing, and a folder in which each name is somebody else's."""
    monkeypatch.chdir(foreign.parent)
    others = []
    for parameter in COMMANDS[words].params:
        if parameter.required and parameter.name != name:
            given = value_for(parameter, str(log) if parameter.name in ("source", "logs") else None)
            others += given
    if words == "student distil":
        others += ["--law", "initial"]
    if words == "lvm compare":
        others += [str(foreign / "random.json")]
    option = next(p for p in COMMANDS[words].params if p.name == name).opts[0]
    before = {path: path.read_bytes() for path in foreign.rglob("*") if path.is_file()}
    for target in ("README.md", "table.parquet", "table.csv", "plot.svg", "report.json", "."):
        extra = ["--split"] if target == "." and words.startswith("data ") else []
        if words == "data convert":
            extra = []
        code = run(monkeypatch, *words.split(), *others, option, foreign / target, *extra)
        shown = capfd.readouterr()
        assert code == 2, (target, shown)
        assert "Traceback" not in shown.err
        assert str(foreign) in shown.err or target in shown.err, shown.err
    after = {path: path.read_bytes() for path in foreign.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("words", ["voice learn --updates 1", "evaluate law"])
def test_an_own_result_is_replaced(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert run(monkeypatch, *words.split(), "--out", tmp_path / "own") == 0


def test_force_replaces_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "README.md"
    path.write_text("mine")
    learn = ("voice", "learn", "--updates", 1, "--out", path)
    assert run(monkeypatch, *learn) == 2 and path.read_text() == "mine"
    assert run(monkeypatch, *learn, "--force") == 0 and path.read_text() != "mine"
