"""kill −9 at random moments: the same command, run again, ends with the same bytes.

Each job is forked from a process that has everything imported, so that a kill strikes the work
and not the imports. EISV_FUZZ (`make fuzz`) asks for many more kills, at other moments each time; a
test that fails says with which EISV_FUZZ_SEED it drew them.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parents[1])]

from hub_double import HubDouble  # noqa: E402

from eisv_lumen.hub.publishing.publish import to_folder  # noqa: E402
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db  # noqa: E402

from . import jobs  # noqa: E402

MANY = "EISV_FUZZ" in os.environ
SEED = int(os.environ.get("EISV_FUZZ_SEED", random.randrange(1 << 32) if MANY else 0))
Job = Callable[..., None]


@pytest.fixture(scope="module")
def forks() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.fuzz.jobs"])
    return context


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> random.Random:
    """Draws when to kill: of a test's own, so that it can be repeated alone."""
    print(f"repeat these kills with EISV_FUZZ_SEED={SEED}" + " EISV_FUZZ=1" * MANY)
    return random.Random(f"{SEED} {request.node.name}")


def run(forks: Any, job: Job, args: tuple[Any, ...], kill_after: float | None = None) -> int:
    """Run a job in a process of its own; return how it ended."""
    process = forks.Process(target=job, args=args)
    process.start()
    process.join(kill_after)
    if kill_after is not None and process.is_alive():
        process.kill()
    process.join()
    return int(process.exitcode)


def torture(
    forks: Any, moments: random.Random, job: Job, args: tuple[Any, ...], seconds: float, kills: int
) -> int:
    """Start a job again and again, and kill it; return how many times it was hit."""
    hit = 0
    for _ in range(4 * kills):
        code = run(forks, job, args, moments.uniform(0, seconds))
        assert code in (0, -9)
        hit += code == -9
        if hit == kills:
            break
    assert run(forks, job, args) == 0
    return hit


def timed(forks: Any, job: Job, args: tuple[Any, ...]) -> float:
    assert run(forks, job, args) == 0  # the first one waits for the imports
    started = time.monotonic()
    assert run(forks, job, args) == 0
    return time.monotonic() - started


def tree(folder: Path) -> dict[str, bytes]:
    """All files but those that a killed writer has left aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if not (path.name.startswith(".") and path.suffix == ".tmp")
    }


def test_which_kills_were_drawn_is_said(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = request.getfixturevalue("moments").random()
    assert f"EISV_FUZZ_SEED={SEED}" in capsys.readouterr().out
    assert drawn == random.Random(f"{SEED} {request.node.name}").random()


def test_building(forks: Any, moments: random.Random, tmp_path: Path) -> None:
    log = tmp_path / "anima.db"
    write_anima_db(log, 30_000, seed=1)
    seconds = timed(forks, jobs.build, (log, tmp_path / "whole"))
    hit = torture(
        forks, moments, jobs.build, (log, tmp_path / "killed"), seconds, 40 if MANY else 4
    )
    assert hit > 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    assert len(tree(tmp_path / "whole")) == 9


def test_publishing_to_a_folder(forks: Any, moments: random.Random, tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        to_folder(jobs.planned(1), tmp_path / name)
    seconds = timed(forks, jobs.publish_to_folder, (tmp_path / "whole",))
    hit = 0
    for _ in range(40 if MANY else 4):
        hit += torture(forks, moments, jobs.publish_to_folder, (tmp_path / "killed",), seconds, 1)
        assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
        to_folder(jobs.planned(1), tmp_path / "killed")
    assert hit > 0


@pytest.fixture
def hub() -> Iterator[HubDouble]:
    with HubDouble() as double:
        yield double


def test_publishing_to_the_hub(
    forks: Any, moments: random.Random, hub: HubDouble, tmp_path: Path
) -> None:
    args = (hub.url, tmp_path / "home")
    hub.user(jobs.TOKEN, "ada")
    seconds = timed(forks, jobs.publish_to_hub, args)
    hit = 0
    for _ in range(30 if MANY else 3):
        hub.reset()
        hub.user(jobs.TOKEN, "ada")
        hit += torture(forks, moments, jobs.publish_to_hub, args, seconds, 2)
        for repo in jobs.planned(2).repos:
            there = hub.repo(repo.name.kind, f"ada/{repo.name.name}")
            assert there.files() == {path: repo.read(path) for path in repo.files}
            assert [c.title for c in there.history()] == ["Publish v2", "initial commit"]
            assert there.refs["refs/tags/v2"] == there.head.oid
    assert hit > 0


@pytest.mark.skipif(not MANY, reason="`make fuzz` does; tests/teacher/test_train.py kills once")
def test_training(forks: Any, moments: random.Random, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert run(forks, jobs.teach, (whole,)) == 0
    started = time.monotonic()
    assert run(forks, jobs.teach, (tmp_path / "again",)) == 0
    seconds = time.monotonic() - started
    hit = 0
    for i in range(4):
        hit += torture(forks, moments, jobs.teach, (tmp_path / f"killed{i}",), seconds, 3)
        for folder in (tmp_path / "again", tmp_path / f"killed{i}"):
            assert tree(folder / "model") == tree(whole / "model")
    assert hit > 0


def test_distilling(forks: Any, moments: random.Random, tmp_path: Path) -> None:
    teacher, whole = tmp_path / "teacher", tmp_path / "whole"
    assert run(forks, jobs.untaught, (teacher,)) == 0
    assert run(forks, jobs.distil_teacher, (teacher, whole)) == 0
    started = time.monotonic()
    assert run(forks, jobs.distil_teacher, (teacher, tmp_path / "again")) == 0
    seconds = time.monotonic() - started
    hit = 0
    for i in range(12 if MANY else 1):
        out = tmp_path / f"killed{i}"
        hit += torture(forks, moments, jobs.distil_teacher, (teacher, out), seconds, 3)
        assert tree(out) == tree(tmp_path / "again") == tree(whole)
    assert hit > 0
    kept = {"student.json", "reader.py", "distilled.json"}
    assert {path for path in tree(whole) if not path.startswith("asked/")} == kept
