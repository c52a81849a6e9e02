"""Killed at any change of the disk, in any order of runs: what passes for whole is whole."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.files import write_json
from eisv_lumen.core.runs import (
    CHECKPOINTS,
    MODEL,
    RECORD,
    STATE,
    begin,
    finished,
    last_checkpoint,
    remove,
    replacing,
    weights_sha256,
    working_in,
)

STEPS = 3
CHANGES = ("mkdir", "unlink", "rmdir", "rename", "replace")
MOST = 40
"""More changes of the disk than any leg makes."""


class Killed(BaseException):
    """Strikes where a signal would: nothing of ours catches it."""


class Death:
    """Strikes in place of one change of the disk; from then on the process changes nothing."""

    def __init__(self, patch, left):
        self.left = left
        for name in CHANGES:
            patch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, change):
        def counted(*args, **options):
            self.left -= 1
            if self.left < 0:
                raise Killed
            return change(*args, **options)

        return counted


def facts(name):
    return {"recipe": {"name": name, "sizes": (1, 2)}, "seed": 0}


def fill(folder, name, step):
    """Write a folder as a library does: file by file, none of them aside."""
    folder.mkdir(parents=True)
    for part in ("a", "b"):
        (folder / part).write_text(f"{name} {step}")


def train(folder, name, resume):
    """Do as the trainers do; a step's checkpoint holds all that comes before it."""
    run = facts(name)
    if resume and (done := finished(folder, run)) is not None:
        return done
    begin(folder, run, resume)
    last = last_checkpoint(folder / CHECKPOINTS)
    for step in range(step_of(last) + 1 if last else 1, STEPS + 1):
        place = folder / CHECKPOINTS / f"checkpoint-{step}"
        fill(place, name, step)
        (place / STATE).write_text(json.dumps({"global_step": step}))
    with replacing(folder / MODEL) as aside:
        fill(aside, name, STEPS)
    write_json(folder / RECORD, {"name": name})
    remove(folder / CHECKPOINTS)
    return {"name": name}


def step_of(checkpoint):
    return int(checkpoint.name.removeprefix("checkpoint-"))


def is_whole(folder, name, step):
    return all((folder / part).read_text() == f"{name} {step}" for part in ("a", "b"))


def owner(folder):
    return json.loads((folder / "run.json").read_text())["recipe"]["name"]


def check(folder):
    """Whoever comes next finds nothing half done, and nothing of another run."""
    if not (folder / "run.json").exists():
        return
    name = owner(folder)
    if (record := finished(folder, facts(name))) is not None:
        assert record == {"name": name} and is_whole(folder / MODEL, name, STEPS)
    if (last := last_checkpoint(folder / CHECKPOINTS)) is not None:
        assert is_whole(last, name, step_of(last))


LEGS = st.lists(
    st.tuples(st.sampled_from("pq"), st.booleans(), st.integers(0, MOST)), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=60)
@given(LEGS)
def test_killed_anywhere_a_folder_never_claims_more_than_it_holds(tmp_path_factory, legs):
    folder = tmp_path_factory.mktemp("runs") / "run"
    for name, resume, left in legs:
        with pytest.MonkeyPatch.context() as patch:
            Death(patch, left)
            try:
                train(folder, name, resume)
            except Killed:
                pass
            except InputError as error:
                assert resume and owner(folder) != name and "holds a run of another" in str(error)
        check(folder)
    name = owner(folder) if (folder / "run.json").exists() else "p"
    assert train(folder, name, True) == {"name": name}
    assert is_whole(folder / MODEL, name, STEPS)
    assert finished(folder, facts(name)) == {"name": name}


@pytest.mark.parametrize("before", ["done", "cut short"])
def test_a_run_begun_anew_is_killed_at_every_change(tmp_path, before):
    """Of another recipe in the same folder, which takes it over once, as a whole."""
    for left in range(MOST):
        folder = tmp_path / str(left)
        train(folder, "p", True)
        if before == "cut short":
            (folder / RECORD).unlink()
            fill(folder / CHECKPOINTS / "checkpoint-1", "p", 1)
            write_json(folder / CHECKPOINTS / "checkpoint-1" / STATE, {"global_step": 1})
        with pytest.MonkeyPatch.context() as patch:
            death = Death(patch, left)
            with suppress(Killed):
                train(folder, "q", False)
        check(folder)
        assert train(folder, owner(folder), True)
        assert is_whole(folder / MODEL, owner(folder), STEPS)
        assert not (folder / ".model.tmp").exists()
    assert death.left > 0  # the last ones were not killed


def test_another_run_is_refused_and_nothing_touched(tmp_path):
    train(tmp_path, "p", True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError, match="another recipe, seed or other data; choose another"):
        finished(tmp_path, facts("q"))
    assert finished(tmp_path, facts("p")) == {"name": "p"}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert finished(tmp_path / "none", facts("p")) is None


def test_a_record_without_its_model_is_no_finished_run(tmp_path):
    train(tmp_path, "p", True)
    shutil.rmtree(tmp_path / MODEL)
    assert finished(tmp_path, facts("p")) is None


@pytest.mark.parametrize("resume", [True, False])
def test_a_file_is_no_folder_for_a_run(tmp_path, resume):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        begin(path, facts("p"), resume)
    assert path.read_text() == "mine"


def test_what_cannot_be_saved_leaves_the_folder_as_it_was(tmp_path):
    fill(tmp_path / MODEL, "p", 1)
    with pytest.raises(RuntimeError), replacing(tmp_path / MODEL) as aside:
        fill(aside, "p", 2)
        raise RuntimeError
    assert is_whole(tmp_path / MODEL, "p", 1)
    assert [path.name for path in tmp_path.iterdir()] == [MODEL]


def test_a_torn_checkpoint_is_passed_over_and_removed(tmp_path):
    for step, state in ((10, '{"global_step": 10}'), (20, '{"glob'), (9, '{"global_step": 9}')):
        fill(tmp_path / f"checkpoint-{step}", "p", step)
        (tmp_path / f"checkpoint-{step}" / STATE).write_text(state)
    fill(tmp_path / "checkpoint-30", "p", 30)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-10", "checkpoint-9"}
    assert last_checkpoint(Path(tmp_path / "none")) is None


def test_weights_are_known_by_their_bytes_wherever_they_lie(tmp_path):
    model = tmp_path / MODEL
    fill(model, "p", 1)
    assert weights_sha256(tmp_path) is None
    for name, data in (("x-00002.safetensors", b"two"), ("x-00001.safetensors", b"one")):
        (model / name).write_bytes(data)
    want = hashlib.sha256(b"onetwo").hexdigest()
    assert weights_sha256(tmp_path) == weights_sha256(model) == want


HOLD = """
import sys, time
from pathlib import Path
from eisv_lumen.core.runs import working_in
with working_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_one_runs_until_that_run_ends_even_by_a_kill(tmp_path):
    command = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"another run works here \(pid {other.pid}\)"),
            working_in(tmp_path),
        ):
            pass
        other.kill()
        other.wait()
    mine = rf"pid {os.getpid()}"
    with working_in(tmp_path), pytest.raises(InputError, match=mine), working_in(tmp_path):
        pass
    with working_in(tmp_path):
        pass
