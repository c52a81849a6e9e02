"""Which encoder made some vectors: one fingerprint of all that decides a vector.

Weights, tokenizer, prompts, pooling, the longest text and normalisation are hashed together; the
fingerprint goes with the vectors, from chunks to sequences, models and indexes, and every step
that brings two of them together compares it. A name is for people: two folders with one content
are one encoder, and one folder whose content changed is two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from ...core.errors import InputError
from ...core.files import check_safetensors, is_lfs_pointer
from ...core.notices import notice

__all__ = ["Made", "check_alike", "check_download", "check_same_encoder", "check_tokenizer",
           "fingerprint_of"]  # fmt: skip

_KNOWN_SHARE: Final = 0.9
"""Of a model's rows of token vectors, that a whole tokenizer knows at least: some rows are padding.
"""
_PROBES: Final = (
    "the quick brown fox jumps over the lazy dog",
    "привет мир",
    "世界和平",
    "0 1 2 3 4 5 6 7 8 9",
)


class Made(Protocol):
    """What says by which encoder it was made: chunks, sequences, a model's record."""

    @property
    def encoder(self) -> str:
        """Name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Fingerprint; empty in what was made before there were any."""
        ...


def check_same_encoder(name: str, mine: Made, other_name: str, other: Made) -> None:
    """Refuse vectors of two encoders; where a fingerprint is missing, names are compared.

    Raises
    ------
    InputError
        They are of two encoders; the message names both.
    """
    both = f"{name}: vectors of {_shown(mine)}, but {other_name} has those of {_shown(other)}"
    if mine.fingerprint and other.fingerprint:
        if mine.fingerprint == other.fingerprint:
            return
        why = (
            "; the name is the same, but weights, tokenizer, prompts, pooling or length are not"
            if mine.encoder == other.encoder
            else ""
        )
        raise InputError(f"{both}{why}; embed both with one encoder")
    if mine.encoder != other.encoder:
        raise InputError(f"{both}; embed both with one encoder")
    if mine.encoder:
        unsure = name if not mine.fingerprint else other_name
        notice(
            f"{unsure}: holds no fingerprint of its encoder {mine.encoder!r}, so names alone were "
            "compared; embed again to be sure"
        )


def check_alike(sets: Mapping[str, Any]) -> None:
    """Refuse sets of sequences that differ in encoder, width or context length.

    Raises
    ------
    InputError
        They do; the message names the set and the field.
    """
    (first_name, first), *others = sets.items()
    for name, s in others:
        check_same_encoder(name, s, first_name, first)
        for field in ("dim", "context_length"):
            if (a := getattr(first, field)) != (b := getattr(s, field)):
                raise InputError(
                    f"{name}: {field} {b!r}, but {a!r} in {first_name}; embed both alike, with one "
                    "context length"
                )


def fingerprint_of(model: Any) -> str:
    """Return SHA-256 of all that decides a sentence-transformers model's vectors, in hexadecimal.

    Parameters
    ----------
    model
        A SentenceTransformer, loaded.
    """
    about = {
        "max_seq_length": model.max_seq_length,
        "prompts": {name: text for name, text in (model.prompts or {}).items() if text},
        "default_prompt": (model.prompts or {}).get(model.default_prompt_name) or "",
        "modules": [
            [type(module).__name__, str(getattr(module, "get_config_dict", dict)())]
            for module in model.children()
        ],
        "architecture": str(model),
        "tokenizer": _tokenizer(model.tokenizer),
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().float().numpy().tobytes())
    return digest.hexdigest()


def check_download(folder: Path) -> None:
    """Refuse an encoder's folder of which a file is a Git LFS pointer, cut short, or not there.

    Raises
    ------
    InputError
        One is; the message names the file.
    """
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        if is_lfs_pointer(path):
            raise InputError(
                f"{path}: a Git LFS pointer in place of the file; fetch it with `git lfs pull`, or "
                "download the encoder again"
            )
        if path.suffix == ".safetensors":
            check_safetensors(path)
    modules = folder / "modules.json"
    if not modules.is_file():
        if (folder / "config_sentence_transformers.json").is_file():
            raise InputError(
                f"{modules}: not there, so nobody knows the pooling; download the encoder again"
            )
        return
    try:
        parts = json.loads(modules.read_text("utf-8"))
        places = [folder / str(part["path"]) for part in parts]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{modules}: damaged ({error}); download the encoder again") from error
    for part, place in zip(parts, places, strict=True):
        if str(part.get("type", "")).endswith("Pooling") and not (place / "config.json").is_file():
            raise InputError(f"{place / 'config.json'}: not there; download the encoder again")


def check_tokenizer(name: str, model: Any) -> None:
    """Refuse an encoder whose tokenizer does not belong to its weights, or knows no word.

    Raises
    ------
    InputError
        The tokenizer knows too few tokens or too many, or none of the words of four scripts.
    """
    tokenizer = model.tokenizer
    try:
        rows = len(model[0].auto_model.get_input_embeddings().weight)
    except (AttributeError, NotImplementedError, TypeError):  # no model of tokens
        return
    mend = "its files are not whole: download the encoder again"
    known = len(tokenizer)
    if not _KNOWN_SHARE * rows <= known <= rows:
        raise InputError(
            f"encoder {name}: the tokenizer knows {known} tokens and the weights {rows}; {mend}"
        )
    unknown = tokenizer.unk_token_id
    if unknown is not None and all(
        set(tokenizer(text, add_special_tokens=False)["input_ids"]) <= {unknown} for text in _PROBES
    ):
        raise InputError(f"encoder {name}: the tokenizer knows none of the words it reads; {mend}")


def _tokenizer(tokenizer: Any) -> Any:
    """Return what a tokenizer is, without how long its last batch was."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return [type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())]
    found = json.loads(backend.to_str())
    return {key: value for key, value in found.items() if key not in ("truncation", "padding")}


def _shown(made: Made) -> str:
    mark = f" ({made.fingerprint[:12]})" if made.fingerprint else ""
    return f"encoder {made.encoder!r}{mark}"
