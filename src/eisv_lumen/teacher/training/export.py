"""A recipe for TRL's own command: its examples as a conversational dataset, and a YAML for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.files import check_folder_place, write_text
from ...core.runs import is_first
from ...expression.law import EXPRESSIONS
from ..data.examples import CHAT_OPTIONS, Examples
from ..data.tokenize import training_rows
from ..models.load import TINY, base_place, choose_placement, load_base
from ..prompt.messages import messages, render_answer
from ..recipe import Recipe
from .train import check_recipe
from .trainer import say

__all__ = ["YAML", "conversations", "export", "push"]

YAML: Final = "sft.yaml"
_LORA: Final = {
    "r": "lora_r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "target_modules": "lora_target_modules",
    "modules_to_save": "lora_modules_to_save",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
}
"""Fields of LoraConfig, and what TRL's command calls them."""


def conversations(examples: Examples) -> Iterator[dict[str, Any]]:
    """Yield each draw as TRL's conversational prompt and completion.

    Qwen3's empty think block then stands in the prompt: without `chat_template_kwargs` it would be
    in the loss.
    """
    for prompt, drawn in zip(examples.prompts, examples.drawn.tolist(), strict=True):
        for index in drawn:
            answer = {"role": "assistant", "content": render_answer(EXPRESSIONS[index])}
            yield {
                "prompt": messages(prompt),
                "completion": [answer],
                "chat_template_kwargs": dict(CHAT_OPTIONS),
            }


def export(
    recipe: Recipe,
    examples: Examples,
    out: str | os.PathLike[str],
    *,
    dataset_name: str | None = None,
    device: str | None = None,
) -> Path:
    """Write what `trl sft --config OUT/sft.yaml` trains a teacher from.

    Parameters
    ----------
    recipe, examples
        As for `train`.
    out
        Folder to write: `data/train.parquet`, `sft.yaml` and, for `tiny`, `base/`.
    dataset_name
        What the YAML calls the dataset; by default the folder `data`, by its absolute path.
    device
        As for `choose_placement`; TRL would compute in bfloat16 on a CPU, too.

    Returns
    -------
    Path
        The YAML.

    Raises
    ------
    InputError
        As for `train`, the folder holds something, or a field of `lora` has no counterpart.
    """
    from datasets import Dataset
    from yaml import safe_dump

    folder = Path(out).resolve()
    check_folder_place(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds something already; choose another --out")
    check_recipe(recipe)
    base = str(folder / "base") if recipe.base == TINY else base_place(recipe.base)
    fields = _fields(recipe, dataset_name or str(folder / "data"), base, folder, device)
    model, tokenizer = load_base(recipe.base, recipe.data.style, recipe.seed, recipe.model)
    training_rows(tokenizer, examples, fields["max_length"])  # refuses what would be cut
    (folder / "data").mkdir(parents=True)
    Dataset.from_generator(lambda: conversations(examples)).to_parquet(
        folder / "data" / "train.parquet"
    )
    if recipe.base == TINY:
        model.save_pretrained(base)
        tokenizer.save_pretrained(base)
    write_text(folder / YAML, safe_dump(fields, sort_keys=False, allow_unicode=True))
    for line in _differences(recipe, examples):
        say(line, is_first())
    return folder / YAML


def push(recipe: Recipe, folder: Path, name: str) -> str:
    """Upload what `export` wrote to a private dataset repo; return how TRL is started on it.

    Raises
    ------
    InputError
        The base lies in a folder of this machine, or the Hub refuses.
    """
    from huggingface_hub import HfApi

    if recipe.base == TINY or Path(base_place(recipe.base)).is_dir():
        raise InputError(
            f"{recipe.where}, base: {recipe.base} lies on this machine, where nobody else's TRL "
            "finds it; export to a folder"
        )
    api = HfApi(library_name="eisv-lumen")
    try:
        api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=folder,
            commit_message=f"Recipe {recipe.name} for trl sft",
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: {next(iter(str(error).strip().splitlines()), '')}") from error
    return f"hf download --repo-type dataset {name} {YAML} && trl sft --config {YAML}"


def _fields(
    recipe: Recipe, dataset: str, base: str, folder: Path, device: str | None
) -> dict[str, Any]:
    placement = choose_placement(device)
    half = placement.dtype == "bfloat16"
    fields = {
        "model_name_or_path": str(Path(base).resolve()) if Path(base).is_dir() else base,
        "dtype": placement.dtype if recipe.lora is not None else "float32",
        "dataset_name": dataset,
        "output_dir": str(folder / "trained"),
        "bf16": half,
        "use_cpu": placement.device == "cpu",
        "gradient_checkpointing": False,
        "dataloader_pin_memory": placement.device == "cuda",
        "packing": False,
        "report_to": "none",
        "eval_strategy": "no",
        "logging_steps": 50,
        "seed": recipe.seed,
        "max_length": 512,
        **recipe.training,
    }
    if recipe.lora is not None:
        unknown = sorted(set(recipe.lora) - set(_LORA) - {"task_type"})
        if unknown:
            raise InputError(
                f"{recipe.where}, lora.{unknown[0]}: `trl sft` has no option for it; known are "
                f"{', '.join(_LORA)}"
            )
        fields["use_peft"] = True
        fields |= {_LORA[name]: v for name, v in recipe.lora.items() if name in _LORA}
    return fields


def _differences(recipe: Recipe, examples: Examples) -> Iterator[str]:
    """Yield what `trl sft` does otherwise than `teacher train`."""
    if recipe.muon_learning_rate is not None:
        yield "TRL's command has no Muon: it trains all weights by AdamW, at learning_rate"
    draws = int(examples.drawn.shape[1])
    if draws > 1:
        yield (
            f"each of a window's {draws} answers is a row of its own; a step of "
            "per_device_train_batch_size takes rows, where `teacher train` takes windows"
        )
    if examples.whole:
        yield f"all {draws} answers are learned to the end, where the recipe does {examples.whole}"
