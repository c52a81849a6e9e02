"""What a run is known by, and what it leaves."""

from __future__ import annotations

import sys
from pathlib import Path

from ...core.errors import InputError
from ...core.files import check_safetensors, read_json
from ...core.runs import is_first, replacing
from ..models import VectorModel, load_predictor

__all__ = ["save_model", "say", "take_saved"]


def save_model(model: VectorModel, folder: Path) -> None:
    """Save a model, whole and readable or not at all."""
    with replacing(folder) as aside:
        model.save_pretrained(aside)
        load_predictor(aside)


def take_saved(model: VectorModel, folder: Path) -> None:
    """Give a model the weights of a folder, and the fields that training had set by then.

    Schedules set two of them, and transformers' Trainer `use_cache`.

    Raises
    ------
    InputError
        The weights are missing or not whole.
    """
    from safetensors.torch import load_file

    if not (folder / "model.safetensors").is_file():
        raise InputError(f"{folder}: its weights are not there; train anew with --no-resume")
    check_safetensors(folder / "model.safetensors")
    model.load_state_dict(load_file(folder / "model.safetensors"))
    saved = read_json(folder / "config.json")
    for name in ("position_scale", "last_slot_bias", "use_cache"):
        if name in saved:
            setattr(model.config, name, saved[name])


def say(text: str) -> None:
    if is_first():
        print(text, file=sys.stderr, flush=True)
