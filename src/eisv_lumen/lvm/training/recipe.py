"""Recipes: one YAML file says model, inputs, objective, curriculum and training."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from ...core.errors import InputError
from ...core.files import parse_yaml
from .recipe_schema import Curriculum, EarlyStopping, Inputs, Kill, Objective, Section

__all__ = ["Recipe", "Size", "check_recipe", "load_recipe", "recipe_names"]

Size = Literal["study", "small"]

_SIZES: Final[dict[Size, dict[str, int]]] = {
    "study": {},
    "small": {"width": 128, "layers": 2, "heads": 4},
}
"""Fields of `model` that a size replaces, of models with an encoder."""

_OURS: Final = {
    "output_dir": "--out gives the folder",
    "seed": "--seed gives it",
    "bf16": "these models are small: they train in float32",
    "fp16": "these models are small: they train in float32",
    "use_cpu": "--device gives the device",
    "push_to_hub": "`eisv-lumen publish` commits to the Hub",
    "report_to": "nothing is reported anywhere",
    "remove_unused_columns": "batches are made of row numbers",
    "eval_strategy": "the mini test runs each epoch",
    "save_strategy": "a checkpoint is kept each epoch",
    "save_total_limit": "two checkpoints are kept, the last and the best",
    "load_best_model_at_end": "early_stopping says by which reading",
}
"""Fields of TrainingArguments that are no recipe's to set, and whose they are."""


class Recipe(Section):
    """A training run, whole: with the same recipe, data and seed, the same weights.

    `model`: `type` (predictor, residual, anchored, mixture, ranker) and fields of its
    configuration; `training`: fields of transformers' TrainingArguments.
    """

    name: str
    note: str = ""
    model: dict[str, Any]
    inputs: Inputs = Field(default_factory=lambda: Inputs.model_validate({}))
    objective: Objective = Field(default_factory=lambda: Objective.model_validate({}))
    curriculum: Curriculum | None = None
    kill: Kill | None = None
    early_stopping: EarlyStopping | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    _file: str = PrivateAttr("")

    @property
    def where(self) -> str:
        """What messages call it: the file that it was read from, or its packaged name."""
        return self._file or f"recipe {self.name}"


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    folder = resources.files("eisv_lumen.lvm") / "recipes"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(recipe: str | os.PathLike[str], size: Size = "study") -> Recipe:
    """Read a recipe by the name of a packaged one, or from a YAML file.

    Parameters
    ----------
    recipe
        A recipe may say `extends: NAME` of a packaged one: what it says is laid over that, section
        by section; null takes away.
    size
        `small` replaces width, layers and heads of the network; nothing else.

    Raises
    ------
    InputError
        It is not there, is not YAML, or a field is unknown or has an unusable value; the message
        names file and field, and for an unknown one the nearest that is known.
    """
    if size not in get_args(Size):
        raise InputError(f"size {size!r}: one of {', '.join(get_args(Size))}")
    raw = _read(recipe)
    try:
        found = Recipe.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{recipe}, {_first_problem(error)}") from error
    for field in found.training:
        if field in _OURS:
            raise InputError(f"{recipe}, training.{field}: not a recipe's to set: {_OURS[field]}")
    others = found.objective.model_dump(exclude_none=True, exclude_defaults=True)
    if found.objective.over_article and set(others) - {"over_article"}:
        raise InputError(f"{recipe}, objective.over_article: goes with no other term")
    found._file = "" if _packaged(recipe).is_file() else str(recipe)
    if "encoder" not in found.model:
        return found
    return found.model_copy(update={"model": {**found.model, **_SIZES[size]}})


def check_recipe(recipe: Recipe) -> None:
    """Check the fields of `model` and `training` against what they are for, before any work.

    Raises
    ------
    InputError
        One of them is not known there.
    """
    from dataclasses import fields

    from transformers import PreTrainedConfig, TrainingArguments

    from ..models import MODELS

    model = MODELS.get(str(recipe.model.get("type")))
    if model is None:
        raise InputError(f"{recipe.where}, model.type: one of {', '.join(MODELS)}")
    general = {field.name for field in fields(PreTrainedConfig)}
    config = [f.name for f in fields(cast(Any, model.config_class)) if f.name not in general]
    arguments = [field.name for field in fields(TrainingArguments) if field.init]
    for section, known in (("model", ["type", *config]), ("training", arguments)):
        for field in getattr(recipe, section):
            if field not in known:
                raise InputError(f"{recipe.where}, {section}.{field}: {_unknown(field, known)}")


def _packaged(recipe: str | os.PathLike[str]) -> Traversable:
    """Return where a recipe of that name would lie in the package."""
    return resources.files("eisv_lumen.lvm") / "recipes" / f"{recipe}.yaml"


def _read(recipe: str | os.PathLike[str], below: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a file and lay it over what it extends."""
    packaged = _packaged(recipe)
    source = packaged if packaged.is_file() else Path(recipe)
    try:
        text = source.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            f"{recipe}: no such recipe; give a YAML file or one of {', '.join(recipe_names())}"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{recipe}: not a text file in UTF-8") from error
    raw = parse_yaml(text, str(recipe))
    if not isinstance(raw, dict):
        raise InputError(f"{recipe}: a recipe is a mapping of {', '.join(Recipe.model_fields)}")
    base = raw.pop("extends", None)
    if base is None:
        return raw
    if base in (*below, str(recipe)) or base not in recipe_names():
        raise InputError(f"{recipe}, extends: {base!r} is not another packaged recipe")
    return _over(_read(base, (*below, str(recipe))), raw)


def _over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another, in depth; a schedule is one value."""
    out = dict(base)
    for name, value in top.items():
        below = out.get(name)
        out[name] = value
        if isinstance(value, dict) and isinstance(below, dict) and not _is_whole(name, value):
            out[name] = _over(below, value)
    return out


def _is_whole(name: str, value: dict[str, Any]) -> bool:
    """Whether a mapping is one value: a schedule, or a set of thresholds."""
    return bool(value.keys() & {"step", "linear"}) or name in ("gate", "least")


def _unknown(field: str, known: Iterable[str]) -> str:
    near = get_close_matches(field, list(known), n=1, cutoff=0.0)
    return f"unknown field; the nearest known one is {near[0]!r}"


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *section, field = first["loc"]
        return f"{where}: {_unknown(str(field), _section_at(section).model_fields)}"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _section_at(path: list[int | str]) -> type[BaseModel]:
    """Return the section of a recipe that a location of an error is in."""
    model: type[BaseModel] = Recipe
    for part in path:
        if part not in model.model_fields:
            continue
        annotation = model.model_fields[str(part)].annotation
        inside = [t for t in (annotation, *get_args(annotation)) if isinstance(t, type)]
        model = next((t for t in inside if issubclass(t, BaseModel)), model)
    return model
