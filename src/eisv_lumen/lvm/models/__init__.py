"""The models of the line P1 to P8 and the ranker, as `PreTrainedModel`s; one way to load them."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedConfig
from transformers.utils import logging
from transformers.utils.hub import cached_file

from ...core.errors import InputError
from .base import LvmConfig, PredictorOutput, VectorModel
from .predictors import Anchored, Mixture, Predictor, Residual
from .ranker import Ranker
from .whole import check_sizes, check_weights

__all__ = [
    "MODELS",
    "Anchored",
    "LvmConfig",
    "Mixture",
    "Predictor",
    "PredictorOutput",
    "Ranker",
    "Residual",
    "VectorModel",
    "load_predictor",
]

MODELS: dict[str, type[VectorModel]] = {
    model.config_class.model_type.removeprefix("lvm_"): model
    for model in (Predictor, Residual, Anchored, Mixture, Ranker)
}
"""Models by the `type` that a recipe names; `config.json` has it with the prefix `lvm_`."""


def load_predictor(source: str | os.PathLike[str], **hub: Any) -> VectorModel:
    """Load a trained model, ready to predict; no code but ours is executed.

    Parameters
    ----------
    source
        A folder that `lvm train` wrote (or its `model/`), or a repository on the Hub.
    **hub
        `revision`, `token`, `cache_dir`, `local_files_only`, as for `from_pretrained`.

    Raises
    ------
    InputError
        There is no such model, it is of another kind, or its weights are not whole.
    """
    inner = Path(source) / "model"
    place = str(inner if inner.is_dir() else source)
    if Path(place).is_dir() and not (Path(place) / "config.json").is_file():
        raise InputError(
            f"{source}: no config.json there, so no model; give a folder that "
            "`eisv-lumen lvm train` has finished"
        )
    logging.disable_progress_bar()
    try:
        raw, _ = PreTrainedConfig.get_config_dict(place, **hub)
        kind = str(raw.get("model_type", ""))
        model_class = MODELS.get(kind.removeprefix("lvm_"))
        if not kind.startswith("lvm_") or model_class is None:
            known = ", ".join(f"lvm_{name}" for name in MODELS)
            raise InputError(f"{source}, config.json, model_type={kind!r}: not one of {known}")
        check_sizes(raw, str(source))
        weights = cached_file(place, "model.safetensors", **hub)
        check_weights(model_class, raw, Path(str(weights)))
        loaded: Any = model_class.from_pretrained(
            place, output_loading_info=True, use_safetensors=True, **hub
        )
    except (OSError, ValueError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        if isinstance(error, InputError):
            raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{source}: no latent vector model can be loaded ({first})") from error
    model: VectorModel = loaded[0]
    report = loaded[1]
    wrong = sorted(report["missing_keys"]) + sorted(report["unexpected_keys"])
    if wrong:
        raise InputError(f"{source}: weights missing or not the model's: {', '.join(wrong)}")
    model.eval()
    return model
