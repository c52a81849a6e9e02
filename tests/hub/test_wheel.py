"""The wheel by itself: what the light base does without torch, and a publish from there.

The venv is made once and needs the index that pip knows (or its cache).
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from hub_double import TOKEN, HubDouble, environment

from eisv_lumen.core.extras import EXTRAS
from eisv_lumen.hub.contents.context import default_root
from eisv_lumen.hub.contents.wheel import build_wheel
from eisv_lumen.student.distil import DistilRecipe, distil_law
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "datasets", "pandas", "matplotlib", "jinja2", "sklearn")


class Installed:
    """The package in a venv of its own."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        self.wheel = wheel
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        self.pip("install", "--quiet", str(wheel))

    def pip(self, *args: str) -> str:
        command = [str(self.bin / "python"), "-m", "pip", *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, *args: object, cwd: Path, hub: HubDouble | None = None, code: int = 0) -> str:
        """Run `python …` there, with no sight of this checkout; return stdout."""
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT", "TMPDIR")}
        if hub is not None:
            env |= environment(hub, cwd / "home", TOKEN)
            env.pop("PYTHONPATH", None)
        command = [str(self.bin / "python"), *map(str, args)]
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr if code else done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    name, data = build_wheel(ROOT)
    (folder / name).write_bytes(data)
    return Installed(folder / "venv", folder / name)


def test_the_light_base_labels_builds_grows_and_speaks_without_torch(
    installed: Installed, hub: HubDouble, tmp_path: Path
) -> None:
    there = {row["name"].lower() for row in json.loads(installed.pip("list", "--format=json"))}
    assert not there & {"torch", "transformers", "datasets", "pandas", "matplotlib", "jinja2"}
    write_anima_db(tmp_path / "anima.db", 3000, n_expressions=9, seed=3)
    shutil.copy(tmp_path / "anima.db", tmp_path / "short.db")
    with closing(sqlite3.connect(tmp_path / "short.db")) as database, database:
        database.execute("DELETE FROM state_history WHERE rowid > 1500")
    cli = ("-m", "eisv_lumen")
    python = (
        "import sys, numpy as np\n"
        "from eisv_lumen import Voice, classify, coherence\n"
        "from eisv_lumen.trajectory.load import load_table\n"
        "t, X = np.arange(60.0), np.full((60, 4), 0.5)\n"
        "print(len(classify(t, X)), load_table('anima.db').num_rows)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert installed.run("-c", python, cwd=tmp_path).splitlines() == ["5 299", "[]"]
    build = ("data", "build", "short.db", "--out", "run/dataset", "--split", "--json")
    found = json.loads(installed.run(*cli, *build, cwd=tmp_path))
    assert set(found["configurations"]) == {"window_20"}

    distil_law("initial", tmp_path / "student", DistilRecipe())
    said = installed.run(*cli, "student", "speak", "student/student.json", "--data", "anima.db",
                         cwd=tmp_path)  # fmt: skip
    assert json.loads(said)["tokens"]

    publish = [sys.executable, "-m", "eisv_lumen", "publish", "--to", "hub", "--namespace", "ada",
               "--only", "dataset", "--run", "run"]  # fmt: skip
    done = subprocess.run(publish, cwd=tmp_path, env=environment(hub, tmp_path / "home", TOKEN),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    sync = ("data", "sync", "ada/unitares-eisv-trajectories", "anima.db", "--json")
    grown = json.loads(installed.run(*cli, *sync, cwd=tmp_path, hub=hub))
    assert grown["windows"]["window_20"] == 150  # of 299: the first 149 are published or at borders

    for command, extra in (
        (("teacher", "train", "tiny-v4", "--out", "t"), "train"),
        (("publish", "--to", "folder", "p"), "publish"),
        (("demo", "--out", "d"), "train"),
        (("data", "describe", "ada/lumen"), "datasets"),
        (("data", "describe", "postgresql://127.0.0.1/x"), "postgres"),
    ):
        answer = installed.run(*cli, *command, cwd=tmp_path, code=2)
        assert f"pip install 'eisv-lumen[{extra}]'" in answer
        assert answer.count("\n") == 1


def test_an_installed_package_publishes_the_same_bytes_in_an_empty_folder(
    installed: Installed, tmp_path: Path
) -> None:
    installed.pip("install", "--quiet", f"{installed.wheel}[publish]")
    command = ("-m", "eisv_lumen", "publish", "--to", "folder")
    installed.run(*command, "theirs", cwd=tmp_path)
    mine = [sys.executable, *command, str(tmp_path / "ours")]
    subprocess.run(mine, cwd=ROOT, check=True, capture_output=True)
    ours, theirs = (
        {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in sorted((tmp_path / name).rglob("*"))
            if path.is_file()
        }
        for name in ("ours", "theirs")
    )
    assert {"spaces/explorer/app.py", "spaces/eisv_coherence/README.md"} <= ours.keys()
    different = [name for name in ours if ours[name] != theirs.get(name)]
    assert ours.keys() == theirs.keys()
    # The cards name the installed gradio, where there is one; without, the least that we ask for.
    for name in different:
        assert name.endswith("README.md") or name.endswith(".eisv-lumen.json"), name


def test_the_wheel_holds_what_is_published_and_nothing_of_a_run() -> None:
    name, data = build_wheel(ROOT)
    names = zipfile.ZipFile(BytesIO(data)).namelist()
    assert name.endswith("-py3-none-any.whl") and names == sorted(names, key=names.index)
    templates = {n.removeprefix("eisv_lumen/_templates/") for n in names if "_templates/" in n}
    for path in ("spaces/explorer/app.py", "model_card/teacher.md.jinja",
                 "dataset_card/README.md.jinja", "blog/eisv-lumen.md.jinja",
                 "results/law/imitator.json"):  # fmt: skip
        assert path in templates
    assert not [n for n in names if "__pycache__" in n or n.endswith((".nbi", ".nbc"))]
    assert default_root() == ROOT
    assert len(data) < 4e6


def test_every_extra_of_the_messages_is_one_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(EXTRAS) | {"all"} == set(project["optional-dependencies"])
