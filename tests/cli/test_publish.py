"""`eisv-lumen publish` as its user meets it: real processes, a Hub over real HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from hub_double import TOKEN, HubDouble, Repo, environment  # noqa: E402

from eisv_lumen.hub.contents.build import PARTS, left_out  # noqa: E402
from eisv_lumen.hub.contents.context import Material  # noqa: E402
from eisv_lumen.trajectory.dataset.schema import build, write_parquet  # noqa: E402
from eisv_lumen.trajectory.sources import read_source  # noqa: E402

SPACE = "spaces/eisv_coherence"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubDouble]:
    with HubDouble() as double:
        double.user(TOKEN, "ada")
        yield double


def publish(
    hub: HubDouble, home: Path, *args: object, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eisv_lumen.cli", "publish", "--root", ROOT, *args]
    done = subprocess.run(
        [*map(str, command)], env=environment(hub, home, token) | {"COLUMNS": "120"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert token not in done.stdout + done.stderr
    return done


def test_to_a_folder_and_to_the_hub(hub: HubDouble, tmp_path: Path) -> None:
    out = tmp_path / "out"
    only = ("--only", "metric", "--namespace", "ada")
    dry = publish(hub, tmp_path, "--to", "folder", out, *only, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout == f"would be published: {out / SPACE}\n" and not out.exists()
    assert "Plan: v0.1.0" in dry.stderr and str(SPACE) in dry.stderr

    assert publish(hub, tmp_path, "--to", "folder", out, *only).returncode == 0
    sent = publish(hub, tmp_path, "--to", "hub", *only, "--private", "--json")
    assert sent.returncode == 0, sent.stderr
    told = json.loads(sent.stdout)
    assert [o["status"] for o in told["outcomes"]] == ["published"]
    repo = hub.repo("space", "ada/eisv_coherence")
    assert repo.private and told["outcomes"][0]["commit"] == repo.head.oid
    files = {f.name: f.read_bytes() for f in (out / SPACE).iterdir()}
    assert repo.files() == files
    assert {f["path"]: f["size"] for f in told["plan"]["repos"][0]["files"]} == {
        name: len(data) for name, data in files.items()
    }

    again = publish(hub, tmp_path, "--to", "hub", *only)
    assert again.stdout == f"unchanged: {hub.url}/spaces/ada/eisv_coherence\n"
    repo.write({"README.md": "---\nsdk: gradio\n---\nby hand\n"})
    stopped = publish(hub, tmp_path, "--to", "hub", *only)
    assert stopped.returncode == 2 and "-by hand" in stopped.stderr
    assert "--create-pr" in stopped.stderr.splitlines()[-1]


def test_what_is_left_out_is_said_and_help_names_every_part(hub: HubDouble, tmp_path: Path) -> None:
    done = publish(hub, tmp_path, "--to", "folder", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    first, *others = [x for x in done.stderr.splitlines() if x.startswith("left out: ")]
    assert first.startswith("left out: dataset, teacher, lvm, student: ") and not others
    assert first.endswith("--run demo-out")
    only = publish(
        hub, tmp_path, "--to", "folder", tmp_path / "out", "--dry-run", "--only", "metric"
    )
    assert "left out" not in only.stderr
    (tmp_path / "run" / "student").mkdir(parents=True)
    reasons = left_out(Material(ROOT, "ada", tmp_path / "run"))
    assert reasons.keys() == {"dataset", "teacher", "lvm"}
    assert "make it with `eisv-lumen data build" in reasons["dataset"]
    told = " ".join(publish(hub, tmp_path, "--help").stdout.split())
    for part in PARTS:
        assert re.search(rf"A part to publish: [^;]*\b{part}\b", told), part


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--to", "folder"), "name the folder"),
        (("--to", "hub"), "--namespace"),
        (("--to", "hub", "x", "--namespace", "ada"), "takes no folder"),
        (("--to", "folder", "x", "--private"), "go with --to hub"),
        (("--to", "folder", "x", "--only", "moon"), "--only moon: use one of"),
        (("--to", "hub", "--namespace", "eve", "--only", "metric"), "ada may publish to ada"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    hub: HubDouble, tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    done = publish(hub, tmp_path, *args)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("eisv-lumen: ") and said in last
    assert done.stdout == ""


SYNC = "import typer; from eisv_lumen.cli.data.sync import sync; typer.run(sync)"


def to_sync(hub: HubDouble, folder: Path) -> tuple[Repo, list[str]]:
    """A dataset that lacks four windows of a log, and the command that grows it."""
    states = folder / "states.csv"
    rows = [f"{1.7e9 + i},{0.5 + i % 7 / 50},0.8,0.1,0.05" for i in range(90)]
    states.write_text("\n".join(["t,E,I,S,V", *rows]))
    windows = folder / "windows.parquet"
    write_parquet(windows, build(read_source(states)).slice(0, 4))
    files = "[{split: train, path: w/train-*.parquet}]"
    card = f"---\nconfigs:\n- {{config_name: w, data_files: {files}}}\n---\n"
    repo = hub.store.create("dataset", "ada/windows")
    repo.write({"README.md": card, "w/train-0.parquet": windows.read_bytes()})
    return repo, [sys.executable, "-c", SYNC, "ada/windows", str(states)]


def test_data_sync_says_what_it_adds(hub: HubDouble, tmp_path: Path) -> None:
    repo, command = to_sync(hub, tmp_path)
    for want in ("w: 4 windows more\n", "nothing new\n"):
        done = subprocess.run(
            command, env=environment(hub, tmp_path), capture_output=True, text=True, check=False
        )
        assert done.stdout == want, done.stderr
    assert [c.title for c in repo.history()] == [
        "Grow by 4 windows",
        "edited by hand",
        "initial commit",
    ]


def test_data_sync_by_pull_request_says_where_it_is(hub: HubDouble, tmp_path: Path) -> None:
    repo, command = to_sync(hub, tmp_path)
    before, page = repo.head, f"{hub.url}/datasets/ada/windows/discussions/1"
    for options, status, windows, where in (
        (("--dry-run",), "would_grow", {"w": 4}, None),
        ((), "grown", {"w": 4}, page),
        ((), "unchanged", {}, page),
        (("--dry-run",), "unchanged", {}, page),
    ):
        done = subprocess.run(
            [*command, "--create-pr", "--json", *options], env=environment(hub, tmp_path),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["status"], said["windows"], said["pull_request"]) == (status, windows, where)
        told = [line for line in done.stderr.splitlines() if line.startswith("pull request: ")]
        assert told == [f"pull request: {where or 'would be opened'}"]
    assert repo.head == before and len(repo.pulls) == 1


def test_a_file_in_the_folders_place_is_named(hub: HubDouble, tmp_path: Path) -> None:
    place = tmp_path / "letter.txt"
    place.write_text("mine")
    done = publish(hub, tmp_path, "--to", "folder", place, "--only", "metric")
    assert done.returncode == 2
    assert f"{place}: is a file; choose another folder" in " ".join(done.stderr.split())
    assert place.read_text() == "mine"


@pytest.mark.parametrize("name", ["../x", "", "a/b", "two words"])
def test_a_namespace_is_a_name_on_the_hub(hub: HubDouble, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    done = publish(hub, tmp_path, "--to", "folder", out, "--only", "metric", "--namespace", name)
    assert done.returncode == 2
    assert done.stderr.startswith(f"eisv-lumen: --namespace {name!r}: no name on the Hub")
    assert not out.exists()
