"""`eisv-lumen publish` as its user meets it: real processes, a Hub over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from hub_double import TOKEN, HubDouble, environment  # noqa: E402

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
    assert "Plan: v0.1.0" in dry.stderr and "law.py" in dry.stderr

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
