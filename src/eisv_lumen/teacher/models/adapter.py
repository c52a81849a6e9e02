"""LoRA adapters: put on a base before training, refused where they do not fit."""

from __future__ import annotations

from typing import Any

from ...core.errors import InputError
from ..recipe import Recipe, lora_config

__all__ = ["adapted"]


def adapted(model: Any, recipe: Recipe) -> Any:
    """Return a base with its recipe's adapter, or as it is where the whole model is trained.

    Raises
    ------
    InputError
        The base has none of the modules that `lora.target_modules` names, or one is its head: TRL
        and the scorer multiply by the head's own weight, which an adapter does not change.
    """
    lora = lora_config(recipe)
    if lora is None:
        return model
    from peft import get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer
    from transformers import set_seed

    set_seed(recipe.seed)
    try:
        found = get_peft_model(model, lora)
    except (ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"{recipe.where}, lora: {first}") from error
    if isinstance(found.get_output_embeddings(), BaseTunerLayer):
        raise InputError(
            f"{recipe.where}, lora.target_modules: an adapter on the head would not be trained; "
            "leave lm_head out"
        )
    return found
