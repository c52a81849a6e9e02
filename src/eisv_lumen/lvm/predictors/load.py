"""A model by its folder or name, as the tests ask it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import InputError
from ...core.runs import RECORD, weights_sha256
from ..alignment.predictions import Predictor
from ..data.copies import check_no_copies
from ..data.identity import check_alike
from ..data.sequences import SequenceSet
from .baselines import BASELINES, baseline
from .learned import check_unlearned, learned

if TYPE_CHECKING:
    from ..models import VectorModel

__all__ = ["facts_of", "predictor", "wrap"]


def predictor(
    source: str,
    name: str | None = None,
    *,
    train: SequenceSet | None = None,
    validation: SequenceSet | None = None,
    asked: Sequence[SequenceSet] = (),
) -> Predictor:
    """Load a trained model from its folder, or build a baseline by its name.

    Parameters
    ----------
    source
        A folder that `lvm train` wrote, or one of `BASELINES`.
    name
        As in tables; by default the folder's or the baseline's.
    train, validation, asked
        As for `baseline`; a model or baseline is refused what it learned.

    Raises
    ------
    InputError
        It is neither, the model cannot be loaded, or it is asked of other vectors than it reads, or
        of what it learned.
    """
    if source in BASELINES:
        _check_baseline(source, train, validation, asked)
        found = baseline(source, train=train, validation=validation, asked=asked)
        return found if name is None else replace(found, name=name)
    if not Path(source).is_dir():
        raise InputError(f"{source}: no model folder and no baseline; use {', '.join(BASELINES)}")
    from ..models import load_predictor

    model = load_predictor(source)
    for s in (*asked, *(s for s in (train, validation) if s is not None)):
        if (s.dim, s.context_length) != (model.config.dim, model.config.context_length):
            raise InputError(
                f"{source}: reads {model.config.context_length} vectors of {model.config.dim} "
                f"dimensions; the sequences have {s.context_length} of {s.dim}"
            )
    if (known := learned(source)) is not None:
        check_unlearned(source, known, asked)
    found = wrap(model, name or Path(source).name)
    # What learned to rank never learned to predict: its vector is not asked for.
    return replace(found, predict=None) if found.scores else found


def _check_baseline(
    source: str,
    train: SequenceSet | None,
    validation: SequenceSet | None,
    asked: Sequence[SequenceSet],
) -> None:
    """Refuse to ask a baseline of the articles that it is fitted to."""
    if source == "oracle":  # knows what it is asked
        return
    for name, fitted in (("train", train), ("validation", validation)):
        for s in asked:
            if fitted is None or s is fitted or (name == "train" and "ridge" not in source):
                continue
            sets = {f"the articles of {name}": fitted, "the articles asked about": s}
            check_alike(sets)
            check_no_copies(sets, f"{source} is fitted to {name}: ask it about other articles")


def wrap(model: VectorModel, name: str) -> Predictor:
    """Ask a loaded model: its vectors, and its own scores where they are more than a cosine."""
    from .predict import predict, score_pool

    return Predictor(
        name,
        predict=lambda contexts: predict(model, contexts),
        scores=(lambda contexts, pool: score_pool(model, contexts, pool))
        if model.scores_are_logits
        else None,
        ahead=int(model.config.offset),
    )


def facts_of(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a report says of the model: which it is, and its recipe and seed.

    A folder by its own name alone, with the SHA-256 of its weights: reports are published, and
    where a machine keeps its models is neither news nor anyone's business.
    """
    from ...core.files import read_json

    folder = Path(source).resolve()
    if source in BASELINES or not folder.is_dir():
        return {"model": str(source)}
    sha = weights_sha256(folder)
    record = read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    keep = {key: record[key] for key in ("recipe", "seed") if key in record}
    return {"model": folder.name, **({"sha256": sha} if sha else {}), **keep}
