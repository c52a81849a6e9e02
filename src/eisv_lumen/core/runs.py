"""The folder of a training run: whose it is, whether it is done, where it was cut short.

Killed at any moment, a run leaves nothing half done that passes for whole: its record is written
last and removed first, and folders come and go by being renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from .errors import InputError
from .files import check_safetensors, read_json, write_json
from .notices import notice

__all__ = [
    "CHECKPOINTS",
    "MODEL",
    "RECORD",
    "RUN_NAMES",
    "STATE",
    "begin",
    "finished",
    "is_first",
    "is_run",
    "last_checkpoint",
    "remove",
    "replacing",
    "weights_sha256",
    "working_in",
]

RECORD: Final = "training.json"
MODEL: Final = "model"
CHECKPOINTS: Final = "checkpoints"
STATE: Final = "trainer_state.json"
"""Of a checkpoint; the last file that Trainer writes there."""
_RUN: Final = "run.json"
_LOCK: Final = ".lock"
_PID: Final = ".pid"
RUN_NAMES: Final = (_RUN, RECORD, MODEL, CHECKPOINTS, _LOCK, _PID)
"""What a run writes to its folder."""


def is_first() -> bool:
    """Return whether this process is the one that writes and reports; the only one is."""
    return int(os.environ.get("RANK", "0")) == 0


def is_run(folder: Path) -> bool:
    """Whether a folder is a training run's, finished or not."""
    try:
        run = json.loads((folder / _RUN).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(run, dict) and "recipe" in run


def finished(folder: Path, run: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record of a run where it is done, else None; nothing is touched.

    Parameters
    ----------
    folder
        It may be missing.
    run
        What tells this run from any other, as JSON.

    Raises
    ------
    InputError
        The folder holds another run.
    """
    if not (folder / _RUN).exists():
        return None
    if read_json(folder / _RUN) != json.loads(json.dumps(run)):
        raise InputError(
            f"{folder}: holds a run of another recipe, seed or other data; choose another --out, "
            "or --no-resume to replace it"
        )
    if not ((folder / RECORD).exists() and (folder / MODEL).is_dir()):
        return None
    record: dict[str, Any] = read_json(folder / RECORD)
    return record


def begin(folder: Path, run: dict[str, Any], resume: bool) -> None:
    """Make a folder this run's; unless it is resumed, what the folder held is gone before that.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    if not resume and folder.is_dir():
        (folder / RECORD).unlink(missing_ok=True)
        for name in (CHECKPOINTS, MODEL):
            remove(folder / name)
    write_json(folder / _RUN, run)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder for the length of the block.

    The operating system holds the lock, so it ends with the process, however that ends.

    Raises
    ------
    InputError
        Another run works in the folder, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, blocking=False)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: another run works here (pid {_pid(folder)}); wait for it, or choose "
            "another --out"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        (folder / _PID).write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        (folder / _PID).unlink(missing_ok=True)
        lock.release()


def _pid(folder: Path) -> str:
    try:
        return (folder / _PID).read_text("ascii").strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"


def last_checkpoint(folder: Path) -> Path | None:
    """Return the latest whole checkpoint; one that a kill cut short is removed.

    One of which another file is cut short, as by a full disk, is removed with a notice, and the one
    before it is taken.
    """
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            step = json.loads((path / STATE).read_text("utf-8"))["global_step"]
            _check_files(path)
            whole.append((int(step), path))
        except InputError as error:
            notice(f"{error}; the checkpoint is left out")
            shutil.rmtree(path, ignore_errors=True)
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path, ignore_errors=True)
    return max(whole)[1] if whole else None


def _check_files(checkpoint: Path) -> None:
    """Refuse weights or states of an optimiser that are not whole."""
    for path in sorted(checkpoint.rglob("*.safetensors")):
        check_safetensors(path)
    for path in sorted(
        checkpoint.glob("*.pt")
    ):  # torch's are archives, with their index at the end
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path}: cut short")


def remove(folder: Path) -> None:
    """Remove a folder at once: a kill leaves none that is half there under its name."""
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield a folder to be made beside `folder`; on success it takes the place of `folder`."""
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        yield aside
        remove(folder)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def weights_sha256(folder: Path) -> str | None:
    """Return the SHA-256 of a trained model's weights in hexadecimal, None where there are none.

    Parameters
    ----------
    folder
        Of the run, or the model alone. Weights in several files are taken as one, by their names.
    """
    model = folder / MODEL if (folder / MODEL).is_dir() else folder
    weights = sorted(model.glob("*.safetensors"))
    sha = hashlib.sha256()
    for path in weights:
        sha.update(path.read_bytes())
    return sha.hexdigest() if weights else None
