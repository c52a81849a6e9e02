"""The folder of a run: whose it is, where it was interrupted, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from ..errors import InputError
from ..files import read_json, write_json
from .models import VectorModel, load_predictor
from .sequences import SequenceSet

__all__ = [
    "CHECKPOINTS",
    "MODEL",
    "RECORD",
    "STATE",
    "claim",
    "digest",
    "is_main",
    "last_checkpoint",
    "remove",
    "save_model",
    "say",
    "take_saved",
]

RECORD: Final = "training.json"
MODEL: Final = "model"
CHECKPOINTS: Final = "checkpoints"
STATE: Final = "trainer_state.json"
"""Of a checkpoint; the last file that Trainer writes there."""
_RUN: Final = "run.json"


def digest(sequences: SequenceSet) -> str:
    """SHA-256 of all that a set holds, in hexadecimal."""
    about = json.dumps([sequences.article_ids, sequences.context_length, sequences.encoder])
    found = hashlib.sha256(about.encode())
    for array in (sequences.vectors, sequences.article, sequences.position, sequences.starts):
        found.update(array.tobytes())
    return found.hexdigest()


def claim(folder: Path, run: dict[str, Any], resume: bool) -> dict[str, Any] | None:
    """Make the folder this run's; return the record of the run where it is already done."""
    if not resume:
        if is_main():  # the record first: it says that the rest is there
            (folder / RECORD).unlink(missing_ok=True)
            for name in (CHECKPOINTS, MODEL):
                remove(folder / name)
    elif (folder / _RUN).exists():
        if read_json(folder / _RUN) != json.loads(json.dumps(run)):
            raise InputError(
                f"{folder}: holds a run of another recipe, seed or other data; choose another "
                "--out, or --no-resume to replace it"
            )
        if (folder / RECORD).exists() and (folder / MODEL).is_dir():
            say(f"{folder}: already trained")
            record: dict[str, Any] = read_json(folder / RECORD)
            return record
    if is_main():
        write_json(folder / _RUN, run)
    return None


def remove(folder: Path) -> None:
    """Remove a folder at once: a kill leaves none that is half there under its name."""
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the latest whole checkpoint; one that a kill cut short is set aside."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            step = json.loads((path / STATE).read_text("utf-8"))["global_step"]
            whole.append((int(step), path))
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path, ignore_errors=True)
    return max(whole)[1] if whole else None


def save_model(model: VectorModel, folder: Path) -> None:
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    model.save_pretrained(aside)
    load_predictor(aside)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def take_saved(model: VectorModel, folder: Path) -> None:
    """Give a model the weights of a folder, and the fields that training had set by then.

    Schedules set two of them, and transformers' Trainer `use_cache`.
    """
    from safetensors.torch import load_file

    model.load_state_dict(load_file(folder / "model.safetensors"))
    saved = read_json(folder / "config.json")
    for name in ("position_scale", "last_slot_bias", "use_cache"):
        if name in saved:
            setattr(model.config, name, saved[name])


def is_main() -> bool:
    return int(os.environ.get("RANK", "0")) == 0


def say(text: str) -> None:
    if is_main():
        print(text, file=sys.stderr, flush=True)
