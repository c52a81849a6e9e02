"""What a trained model says it learned: its encoder, how its texts were cut, and the text itself.

The text is kept as a sketch (`data.copies`) beside the record, so that a test of what was learned
by heart is refused wherever the model is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.files import atomic_path, read_json
from ...core.notices import notice
from ...core.runs import RECORD
from ..data.chunking import Cut
from ..data.copies import Sketch, near_copies, sketch_of
from ..data.identity import check_same_encoder
from ..data.sequences import SequenceSet

__all__ = ["SKETCHES", "Learned", "check_unlearned", "digest", "facts_of_set", "learned",
           "save_sketches"]  # fmt: skip

SKETCHES: Final = ("learned-words.safetensors", "learned-vectors.safetensors")
"""Beside ``training.json``: the text's shingles, where texts were there, and its vectors."""


@dataclass(frozen=True)
class Learned:
    """What the record of a training run says of its data.

    Attributes
    ----------
    encoder, fingerprint, cuts
        As in `SequenceSet`; empty where the record does not say.
    sha256
        `digest` of the training set, or empty.
    sketches
        Of the text that was learned; none in a record from before there were any.
    """

    encoder: str
    fingerprint: str
    cuts: tuple[tuple[str, Cut], ...]
    sha256: str
    sketches: tuple[Sketch, ...]


def learned(model: str | os.PathLike[str]) -> Learned | None:
    """Read what a model's folder says of its training data, None where it has no record.

    Raises
    ------
    InputError
        The record is damaged.
    """
    folder = Path(model)
    record = folder / RECORD
    if not record.is_file():
        return None
    found: Any = read_json(record)
    for key in ("data", "train"):
        found = found.get(key, {}) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise InputError(f"{record}: not a record of `lvm train` (no object called {key})")
    said = {key: found.get(key) or "" for key in ("encoder", "fingerprint", "sha256")}
    for key, value in said.items():
        if not isinstance(value, str):
            raise InputError(f"{record}: not a record of `lvm train` (data.train.{key} is no text)")
    try:
        cuts = tuple((str(corpus), Cut(**cut)) for corpus, cut in found.get("cuts") or ())
    except (TypeError, ValueError) as error:
        raise InputError(f"{record}, data.train.cuts: {error}") from error
    sketches = tuple(Sketch.load(folder / n) for n in SKETCHES if (folder / n).is_file())
    return Learned(**said, cuts=cuts, sketches=sketches)


def check_unlearned(source: str, known: Learned, sets: Sequence[SequenceSet]) -> None:
    """Refuse to ask a model of another encoder's vectors, or of what it learned.

    Parameters
    ----------
    source
        The model, for the message.
    known
        Its record.
    sets
        What it will be asked of.

    Raises
    ------
    InputError
        A set is of another encoder, is the training set, or holds near copies of its articles.
    """
    for s in sets:
        if known.encoder:
            check_same_encoder("the sequences", s, source, known)
        if known.sha256 and digest(s) == known.sha256:
            raise InputError(
                f"{source}: learned from these very sequences; test it on articles that it has "
                "not seen (another split, as test or fresh)"
            )
        sketch = next((k for k in known.sketches if s.texts or not k.words), None)
        if sketch is None:
            notice(
                f"{source}: its record does not say what text it learned, so only whole sets were "
                "compared; train again to be sure"
            )
            continue
        if copies := near_copies(s, sketch):
            nearest = max(copies, key=lambda name: copies[name])
            raise InputError(
                f"{source}: {len(copies)} of the {len(s.article_ids)} articles that it is to be "
                f"tested on are what it learned, or near copies ({nearest!r} has "
                f"{copies[nearest]:.0%} of its text there); test it on other articles, or make the "
                "sequences again with --drop-copies"
            )


def digest(sequences: SequenceSet) -> str:
    """SHA-256 of all that a set holds but its texts, in hexadecimal."""
    about = json.dumps([sequences.article_ids, sequences.context_length, sequences.encoder])
    found = hashlib.sha256(about.encode())
    for array in (sequences.vectors, sequences.article, sequences.position, sequences.starts):
        found.update(array.tobytes())
    return found.hexdigest()


def facts_of_set(sequences: SequenceSet, windows: int) -> dict[str, Any]:
    """Return what a record says of a set."""
    return {
        "sha256": digest(sequences),
        "articles": len(sequences.article_ids),
        "windows": windows,
        "encoder": sequences.encoder,
        "fingerprint": sequences.fingerprint,
        "cuts": [[corpus, asdict(cut)] for corpus, cut in sequences.cuts],
    }


def save_sketches(sequences: SequenceSet, folder: Path) -> None:
    """Keep the text that was learned beside the record, each sketch whole or not at all."""
    for name, words in zip(SKETCHES, (True, False), strict=True):
        if words and not sequences.texts:
            continue
        with atomic_path(folder / name) as aside:
            sketch_of([sequences], words=words).save(aside)
