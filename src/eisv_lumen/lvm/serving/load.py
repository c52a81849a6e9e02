"""Put a service together from folders, and refuse what does not fit together."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ...core.errors import InputError
from ...core.notices import notice
from ..data.chunking import Cut
from ..data.embed import Encoder
from ..data.identity import check_same_encoder
from ..models import load_predictor
from ..predictors.learned import Learned, learned
from ..predictors.load import wrap
from .decode import Decoder, NearestText, Vec2Text
from .index import ChunkIndex
from .service import Service

__all__ = ["cut_of", "open_service"]


def open_service(
    model: str | os.PathLike[str],
    index: str | os.PathLike[str],
    *,
    decoder: str = "nearest",
    approximate: bool = False,
) -> Service:
    """Load model, index, the index's encoder and a decoder.

    Parameters
    ----------
    model
        A folder that `lvm train` wrote.
    index
        A folder that `lvm embed` wrote; its encoder is loaded.
    decoder
        `nearest` or `vec2text`.
    approximate
        Search through FAISS.

    Raises
    ------
    InputError
        Something cannot be loaded, or model and index are of different encoders or widths.
    """
    searched = ChunkIndex.open(index, approximate=approximate)
    loaded = load_predictor(model)
    dim = searched.chunks.vectors.shape[1]
    if loaded.config.dim != dim:
        raise InputError(
            f"{model}: reads vectors of {loaded.config.dim} dimensions, the index {index} holds "
            f"{dim}; embed with the encoder that the model was trained on"
        )
    known = learned(model)
    if known is None:
        notice(f"{model}: has no training.json, so whose vectors it reads is not known")
    elif known.encoder:
        check_same_encoder(f"{model}", known, f"the index {index}", searched.chunks)
    encoder = Encoder.load(searched.chunks.encoder)
    check_same_encoder(f"{index}", searched.chunks, "the encoder as it is now", _Now(encoder))
    said: Decoder = (
        Vec2Text(encoder, encoder.name) if decoder == "vec2text" else NearestText(searched)
    )
    wrapped = wrap(loaded, Path(model).name)
    return Service(
        # What learned to rank never learned to predict: its vector is not asked for.
        model=replace(wrapped, predict=None) if wrapped.scores else wrapped,
        context_length=int(loaded.config.context_length),
        encode=encoder,
        index=searched,
        decoder=said,
        how=cut_of(known, searched.chunks.cuts),
        longer=encoder.longer,
    )


def cut_of(known: Learned | None, of_index: tuple[tuple[str, Cut], ...]) -> Cut:
    """Return how a text is cut for a model: as what it learned was.

    Of a model that learned several corpora, cut in several ways, the index's way is taken where it
    is one of them. Whatever is written is read to its end.
    """
    mine = [cut for _, cut in known.cuts] if known else []
    theirs = [cut for _, cut in of_index]
    both = [cut for cut in theirs if cut in mine]
    chosen = (both or mine or theirs or [Cut("sentence")])[0]
    if mine and theirs and not both:
        notice(
            f"the index was cut by {theirs[0].by} and the model learned chunks by {chosen.by}: "
            f"what is asked is cut by {chosen.by}; embed the index alike"
        )
    return replace(chosen, min_words=1, at_most=None, parts=False)


class _Now:
    """An encoder as something made by it."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.fingerprint = encoder.name, encoder.fingerprint
