"""A model's files before it is built: a configuration of a sane size, and the weights it wants."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from ...core.errors import InputError
from ...core.files import check_safetensors

__all__ = ["check_sizes", "check_weights"]

_MOST: Final = {
    "layers": 512, "width": 65_536, "dim": 65_536, "heads": 4096, "context_length": 4096,
    "rank": 65_536, "hidden": 65_536, "offset": 4096,
}  # fmt: skip
"""Far above any model of this kind; beyond, building one would not end."""


def check_sizes(raw: Mapping[str, Any], where: str) -> None:
    """Refuse a configuration that nobody trained.

    Raises
    ------
    InputError
        A number is no positive integer, or absurdly large; the message names it.
    """
    for name, most in _MOST.items():
        value = raw.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise InputError(f"{where}, config.json, {name}={value!r}: not from 0 to {most:,}")


def check_weights(model_class: type[Any], raw: Mapping[str, Any], weights: Path) -> None:
    """Compare a file's header with the tensors that a configuration asks for.

    Raises
    ------
    InputError
        A tensor is missing, not the model's, or of another shape; or the file is not whole.
    """
    there = {name: tuple(about["shape"]) for name, about in check_safetensors(weights).items()}
    with torch.device("meta"):  # shapes alone, no memory
        empty = model_class(model_class.config_class.from_dict(dict(raw)))
    wanted = {name: tuple(value.shape) for name, value in empty.state_dict().items()}
    if strange := sorted(there.keys() ^ wanted.keys()):
        raise InputError(f"{weights}: weights missing or not the model's: {', '.join(strange[:8])}")
    for name, shape in wanted.items():
        if there[name] != shape:
            raise InputError(
                f"{weights}, {name}: {there[name]}, but config.json asks for {shape}; they are not "
                "of one model"
            )
