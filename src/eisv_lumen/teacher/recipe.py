"""Recipes: one YAML file says base, data and training, in TRL's and PEFT's own field names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from ..core.errors import InputError
from ..core.files import parse_yaml
from ..expression.vocabulary import SHAPES
from .prompt.messages import Style

if TYPE_CHECKING:
    from peft import LoraConfig

__all__ = ["DataRecipe", "Recipe", "load_recipe", "lora_config", "recipe_names", "sft_config"]

_OURS: Final = {
    "output_dir": "--out gives the folder",
    "bf16": "the device policy chooses the precision",
    "fp16": "the device policy chooses the precision",
    "use_cpu": "--device gives the device",
    "push_to_hub": "`eisv-lumen publish` commits to the Hub",
    "packing": "packing would let examples see each other",
    "trust_remote_code": "no code of the Hub is executed",
    "resume_from_checkpoint": "--resume does it",
    "eval_strategy": "`teacher evaluate` does it, against floors and ceilings",
    "label_smoothing_factor": "the loss is plain cross-entropy",
    "loss_type": "the loss is plain cross-entropy",
    "average_tokens_across_devices": "ranks take the step of one process",
}
"""Fields of SFTConfig that are no recipe's to set, and whose they are."""


class DataRecipe(BaseModel):
    """Which windows, shown how, voiced by which law.

    `synthetic`: idealised windows, `per_shape` of each shape before the split; `blend`: as many,
    at most `real_per_shape` of them the last `real_window` states of windows of a Lumen-like log,
    back-filled by synthetic ones;
    `lumen_like`: balanced windows of the Lumen-like process, `per_shape` of each; `summaries`:
    `n` summaries of that process, in its natural mix.

    `draws`: answers a window; they share the work on its prompt. `whole`: so many of them are
    learned to the end, of the others the first line alone, from which the rest follows; 0 for all.
    `stratified`: one from each equal part of the law, so that a window's few answers show it
    evenly, and so do those of windows that follow one another.

    `named_first`: so many prompts that name a shape and nothing else come before the windows, for a
    blind model to learn the voice before the eyes. `shorter_first`: by their number of states, so
    many windows a shape come before those of `window` states: ranges and peaks are found sooner
    among few states, and what finds them finds them among many. `balanced_first`: so many
    summaries, balanced over the shapes, come before those in the natural mix, which shows rare
    shapes rarely. All take `train_sampling_strategy: sequential` to come first. `synthetic_among`:
    so many summaries of synthetic windows stand among those in the natural mix.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["synthetic", "blend", "lumen_like", "summaries"]
    style: Style
    window: int = Field(20, ge=2)
    per_shape: int = Field(0, ge=0)
    shape_overrides: dict[Literal[SHAPES], int] = {}  # type: ignore[valid-type]
    real_per_shape: int = Field(0, ge=0)
    real_window: int | None = Field(None, ge=2)
    v_max: float = Field(1.0, gt=0, le=1)
    n: int = Field(0, ge=0)
    draws: int = Field(1, ge=1)
    whole: int = Field(0, ge=0)
    stratified: bool = False
    named_first: int = Field(0, ge=0)
    shorter_first: dict[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=1)]] = {}
    balanced_first: int = Field(0, ge=0)
    synthetic_among: int = Field(0, ge=0)
    target: Literal["initial", "learned"] = "initial"
    seed: int = Field(42, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> DataRecipe:
        if self.whole > self.draws:
            raise ValueError(f"whole={self.whole} of draws={self.draws} answers: give at most all")
        if self.balanced_first and self.source != "summaries":
            raise ValueError("balanced_first is for source summaries; lumen_like is balanced")
        if self.synthetic_among and self.source != "summaries":
            raise ValueError("synthetic_among is for source summaries; blend mixes windows")
        if self.shorter_first and self.source != "lumen_like":
            raise ValueError("shorter_first is for source lumen_like")
        if any(states >= self.window for states in self.shorter_first):
            raise ValueError(f"shorter_first: give fewer states than window={self.window}")
        return self


class Recipe(BaseModel):
    """A training run, whole: with the same recipe and seed, the same weights.

    `model`: fields of Qwen3Config for `tiny`; `training`: of SFTConfig; `lora`: of LoraConfig.
    `muon_learning_rate`: train the matrices inside the layers with Muon, all else with AdamW.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    note: str = ""
    base: str
    model: dict[str, Any] = {}
    data: DataRecipe
    training: dict[str, Any] = {}
    lora: dict[str, Any] | None = None
    muon_learning_rate: float | None = Field(None, gt=0)
    _file: str = PrivateAttr("")

    @property
    def where(self) -> str:
        """What messages call it: the file that it was read from, or its packaged name."""
        return self._file or f"recipe {self.name}"

    @property
    def seed(self) -> int:
        """Seed of the weights and of the order of the examples."""
        return int(self.training.get("seed", 42))


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    folder = resources.files(__package__) / "recipes"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name[-5:] == ".yaml")


def load_recipe(recipe: str | os.PathLike[str]) -> Recipe:
    """Read a recipe by the name of a packaged one, or from a YAML file.

    Raises
    ------
    InputError
        It is not there, is not YAML, or a field is unknown or has an unusable value; the message
        names file and field, and for an unknown one the nearest that is known.
    """
    path = Path(recipe)
    packaged = resources.files(__package__) / "recipes" / f"{recipe}.yaml"
    source = packaged if not path.suffix and packaged.is_file() else path
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
    try:
        found = Recipe.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{recipe}, {_first_problem(error)}") from error
    for field in found.training:
        if field in _OURS:
            raise InputError(f"{recipe}, training.{field}: not a recipe's to set: {_OURS[field]}")
    report = found.training.get("report_to", "none")
    if report not in ("none", "trackio", ["none"], ["trackio"]):
        raise InputError(
            f"{recipe}, training.report_to={report!r}: give none, or trackio, which keeps a record "
            "on this machine unless trackio_space_id names a Space"
        )
    longest = found.training.get("max_length", 1)
    if type(longest) is not int or longest < 1:
        raise InputError(
            f"{recipe}, training.max_length={longest!r}: give a whole number of tokens"
        )
    found._file = str(path) if source is path else ""
    return found


def sft_config(recipe: Recipe, **ours: Any) -> Any:
    """Build TRL's configuration of a recipe.

    Parameters
    ----------
    recipe
        Its section `training` holds the fields.
    **ours
        Fields of SFTConfig that the run decides.

    Raises
    ------
    InputError
        A field is unknown to SFTConfig or has an unusable value.
    """
    from trl import SFTConfig  # type: ignore[attr-defined]

    _check_fields(recipe, "training", recipe.training, _fields_of(SFTConfig))
    fields = {**recipe.training, **ours}
    try:
        with warnings.catch_warnings():
            if "gradient_checkpointing" not in fields:
                # TRL 1.16 defaults that field to True, and transformers 5.24 (TrainingArguments.
                # __post_init__) calls it deprecated, whoever set it. Nobody here did.
                warnings.filterwarnings(
                    "ignore", r"`gradient_checkpointing` is deprecated", FutureWarning
                )
            return SFTConfig(**fields)
    except (TypeError, ValueError) as error:
        raise InputError(f"{recipe.where}, training: {error}") from error


def lora_config(recipe: Recipe) -> LoraConfig | None:
    """Build PEFT's configuration of a recipe; None where the whole model is trained.

    Raises
    ------
    InputError
        A field is unknown to LoraConfig or has an unusable value.
    """
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    _check_fields(recipe, "lora", recipe.lora, _fields_of(LoraConfig))
    try:
        return LoraConfig(**{"task_type": "CAUSAL_LM", **recipe.lora})
    except (TypeError, ValueError) as error:
        raise InputError(f"{recipe.where}, lora: {error}") from error


def check_model_fields(recipe: Recipe) -> None:
    """Check that the section `model` holds fields of Qwen3Config, for `tiny` alone.

    Raises
    ------
    InputError
        It does not.
    """
    if not recipe.model:
        return
    if recipe.base != "tiny":
        raise InputError(f"{recipe.where}, model: only base tiny is built from its fields")
    from transformers import Qwen3Config

    _check_fields(recipe, "model", recipe.model, _fields_of(Qwen3Config))


def _fields_of(config: type) -> list[str]:
    from dataclasses import fields

    return [field.name for field in fields(config) if field.init]


def _check_fields(recipe: Recipe, section: str, given: dict[str, Any], known: list[str]) -> None:
    for field in given:
        if field not in known:
            raise InputError(f"{recipe.where}, {section}.{field}: {_unknown(field, known)}")


def _unknown(field: str, known: Iterable[str]) -> str:
    near = get_close_matches(field, list(known), n=1, cutoff=0.0)
    return f"unknown field; the nearest known one is {near[0]!r}"


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        *section, field = first["loc"]
        model = DataRecipe if section == ["data"] else Recipe
        return f"{where}: {_unknown(str(field), model.model_fields)}"
    return f"{where}: {first['msg']}"
