"""`eisv-lumen data`, as its user meets it: one log through every command."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eisv_lumen.cli import main
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.schema import read_table
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Run:
    """Run the command line in this process: what it prints, and with what it exits."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        monkeypatch.chdir(folder)
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *args: object) -> Done:
        self.monkeypatch.setattr(sys, "argv", ["eisv-lumen", "data", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        said = self.capsys.readouterr()
        return Done(int(end.value.code or 0), said.out, said.err)

    def json(self, *args: object) -> dict[str, Any]:
        done = self(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Run:
    return Run(folder, monkeypatch, capsys)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    write_anima_db(path / "anima.db", 6000, seed=2, n_expressions=30, n_null=4)
    return path


def test_a_log_becomes_a_dataset_with_splits(folder: Path, run: Run) -> None:
    found = run.json("build", "anima.db", "--out", "typed", "--split")
    assert (found["rows"], found["null_rows"]) == (6004, 4)
    config = found["configurations"]["window_20"]
    assert config["windows"] == sum(config["shapes"].values()) == sum(config["splits"].values())
    assert config["windows"] + found["dropped"] == 599
    for file, size in zip(found["files"], config["splits"].values(), strict=True):
        assert read_table(folder / file).num_rows == size
    again = run.json("describe", "typed")
    assert again["windows"] == config["windows"]
    assert again["states_a_window"] == [20]
    assert 1 < again["spacing_s"]["median"] < 4


def test_windows_of_several_lengths_are_configurations(folder: Path, run: Run) -> None:
    lengths = ("--window", 20, "--window", 4, "--window", 10)
    found = run.json("build", "anima.db", "--out", "three", "--split", *lengths)
    assert list(found["configurations"]) == ["window_4", "window_10", "window_20"]
    sizes = [config["splits"] for config in found["configurations"].values()]
    assert sizes[0] == sizes[1] == sizes[2] and set(sizes[0]) == {"train", "validation", "test"}
    ends = {}
    for name in found["configurations"]:
        table = read_table(folder / "three" / name / "test.parquet")
        assert {len(t) for t in table["t"].to_pylist()} == {int(name.split("_")[1])}
        ends[name] = table["t_start"].to_pylist()
    assert ends["window_4"] == ends["window_10"] == ends["window_20"]
    shown = run("build", "anima.db", "--out", "three", "--split", *lengths).stdout
    assert shown.count(" windows\n") == 3
    again = run.json("build", "three", "--out", "four", "--split")  # windows that are cut already
    assert list(again["configurations"]) == ["window_4", "window_10", "window_20"]


def test_states_converted_have_the_shapes_of_the_log(folder: Path, run: Run) -> None:
    found = run.json("convert", "anima.db", "--out", "states.parquet")
    assert found["states"] == 6000
    streamed = run.json("classify", "states.parquet", "--window", 15, "--stride", 5)
    whole = run.json("describe", "anima.db", "--window", 15, "--stride", 5)
    assert streamed["shapes"] == whole["shapes"]


def test_labels_say_how_far_they_agree(folder: Path, run: Run) -> None:
    found = run.json("labels", "anima.db", "--length", 4, "--length", 20)
    assert [row["length"] for row in found["lengths"]] == [4, 20]
    four, twenty = found["lengths"]
    assert 0.4 < four["agreement"] < twenty["agreement"] == 1.0
    assert four["worst"]["from"] in SHAPES
    shown = run("labels", "anima.db").stdout
    assert "most frequent change" in shown and "65%" in shown


def test_synthetic_and_blended_windows(folder: Path, run: Run) -> None:
    made = run.json(
        "synthetic", "--out", "s.parquet", "--per-shape", 3, "--shape-overrides",
        "void_rising=5", "--shape-overrides", "convergence=0",
    )  # fmt: skip
    assert made["shapes"] == dict.fromkeys(SHAPES, 3) | {"void_rising": 5, "convergence": 0}
    blended = run.json(
        "blend", "anima.db", "--out", "b.parquet", "--per-shape", 6, "--real-at-most", 2,
        "--window", 15, "--v-max", 0.3,
    )  # fmt: skip
    assert blended["shapes"] == dict.fromkeys(SHAPES, 6)
    origin = read_table(folder / "b.parquet")["source"].to_pylist()
    assert 0 < origin.count("anima") <= 18 and set(origin) == {"anima", "synthetic"}


def test_counts_of_what_was_skipped_go_to_stderr(folder: Path, run: Run) -> None:
    done = run("build", "anima.db", "--out", "w.parquet")
    assert done.returncode == 0
    assert "4 rows with a NULL skipped" in done.stderr
    assert done.stdout.startswith("599 windows")


def test_a_source_and_what_is_not_ours_are_never_written_over(folder: Path, run: Run) -> None:
    log = (folder / "anima.db").read_bytes()
    (folder / "precious.parquet").write_bytes(log)  # a log by an unlucky name
    (folder / "linked.parquet").symlink_to(folder / "precious.parquet")
    pq.write_table(pa.table({"x": [1]}), folder / "mine.parquet")
    (folder / "table.csv").write_text("x\n1\n")
    (folder / "folder.parquet").mkdir()
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    for command in ("convert", "build", "blend"):
        for out, said in (
            ("anima.db", "name a .parquet file"),
            ("table.csv", "name a .parquet file"),
            ("precious.parquet", "would be lost"),
            ("linked.parquet", "would be lost"),
            ("mine.parquet", "holds something else"),
            ("folder.parquet", "is a folder"),
        ):
            done = run(command, "precious.parquet", "--out", out)
            assert (done.returncode, done.stdout) == (2, ""), (command, out)
            assert said in done.stderr and done.stderr.count("\n") == 1
    assert "holds something else" in run("synthetic", "--out", "mine.parquet").stderr
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_ones_own_output_is_replaced(folder: Path, run: Run) -> None:
    for args in (
        ("convert", "anima.db", "--out", "again.parquet"),
        ("build", "anima.db", "--out", "rows.parquet"),
        ("synthetic", "--out", "made", "--split", "--per-shape", 12),
    ):
        assert run.json(*args) == run.json(*args)


def test_one_command_makes_all_configurations_of_a_folder(folder: Path, run: Run) -> None:
    """Of two commands, the second's train may hold states of the first's test."""
    run.json("build", "anima.db", "--out", "two", "--split", "--window", 20)
    for args in (
        ("build", "anima.db", "--window", 15, "--seed", 5),
        ("blend", "anima.db", "--window", 15, "--per-shape", 12),
        ("synthetic", "--window", 15, "--per-shape", 12),
    ):
        done = run(*args, "--out", "two", "--split")
        assert done.returncode == 2
        assert "holds window_20 of another command" in done.stderr
        assert "one command (--window 15 --window 20)" in done.stderr
        assert [path.name for path in (folder / "two").iterdir()] == ["window_20"]
    run.json("build", "anima.db", "--out", "two", "--split", "--window", 15, "--window", 20)


def test_a_dataset_is_not_split_into_itself(folder: Path, run: Run) -> None:
    run.json("build", "anima.db", "--out", "self", "--split")
    for source in ("self", "self/window_20", "self/window_20/train.parquet"):
        done = run("build", source, "--out", "self", "--split")
        assert done.returncode == 2 and "would be lost" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("build", "none.db", "--out", "x.parquet"), "none.db: no such file"),
        (("build", "anima.db", "--out", "x"), "name a .parquet file, or add --split for a folder"),
        (("build", "anima.db", "--out", "x.parquet", "--split"), "name a folder"),
        (("build", "anima.db", "--out", "x.parquet", "--window", 9999), "longer than the longest"),
        (("build", "anima.db", "--out", "x.parquet", "--window", 9, "--window", 8), "add --split"),
        (("build", "anima.db", "--out", "x", "--split", "--window", 9, "--window", 9), "each once"),
        (("labels", "anima.db", "--length", 30), "use lengths from 2 to"),
        (("synthetic", "--out", "x.parquet", "--shape-overrides", "calm=1"), "'calm'"),
        (("classify", "anima.db"), "eisv-lumen data convert anima.db --out states.parquet"),
        (("convert", "nowhere.txt", "--out", "x.parquet"), "nowhere.txt: no such file"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    folder: Path, run: Run, args: tuple, message: str
) -> None:
    done = run(*args)
    assert done.returncode == 2, done.stderr
    *chatter, last = done.stderr.splitlines()
    assert last.startswith("eisv-lumen: ") and message in last
    assert all("Traceback" not in line for line in chatter)
    assert done.stdout == ""
    assert not list(folder.glob("x*"))


def test_a_dataset_is_described_configuration_by_configuration(folder: Path, run: Run) -> None:
    run("build", "anima.db", "--out", "configs", "--split", "--window", 10, "--window", 15)
    found = run.json("describe", "configs")["configurations"]
    assert [found[name]["states_a_window"] for name in ("window_10", "window_15")] == [[10], [15]]
    assert run.json("describe", "configs", "--window", 10)["states_a_window"] == [10]


def test_what_is_cut_is_not_cut_again(folder: Path, run: Run) -> None:
    run("build", "anima.db", "--out", "cut.parquet")
    for option, message in (
        (("--window", 10), "holds windows of 20 states, not 10; leave --window out"),
        (("--stride", 5), "cut with stride 10, not of states; leave --stride out"),
    ):
        for command in (
            ("describe",),
            ("build", "--out", "x.parquet"),
            ("blend", "--out", "x.parquet"),
        ):
            done = run(*command[:1], "cut.parquet", *command[1:], *option)
            assert done.returncode == 2 and message in done.stderr
    assert run.json("describe", "cut.parquet", "--window", 20, "--stride", 10)["windows"] == 599


def test_a_small_log_is_split_as_far_as_it_goes(folder: Path, run: Run) -> None:
    """1,000 states give three splits; 100 give two, which is said; 30 none, with the mend."""
    from eisv_lumen.trajectory.simulate.lumen_like import lumen_like
    from eisv_lumen.trajectory.sources.parquet import write_states

    for n in (1000, 100, 30):
        write_states(folder / f"{n}.parquet", [lumen_like(n, 0)])
    splits = run.json("build", "1000.parquet", "--out", "s1000", "--split")["configurations"]
    assert (
        min(splits["window_20"]["splits"].values()) > 0 and len(splits["window_20"]["splits"]) == 3
    )
    done = run("build", "100.parquet", "--out", "s100", "--split")
    assert (
        "9 windows are too few for three splits" in done.stderr and "no validation" in done.stderr
    )
    written = sorted(path.name for path in (folder / "s100" / "window_20").iterdir())
    assert written == ["test.parquet", "train.parquet"]
    done = run("build", "30.parquet", "--out", "s30", "--split")
    assert done.returncode == 2 and "or leave --split out" in done.stderr
