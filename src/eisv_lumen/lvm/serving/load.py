"""Put a service together from folders, and refuse what does not fit together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.files import read_json
from ..data.chunking import Cut
from ..data.embed import Encoder
from ..data.storage import read_about
from ..predictors.load import wrap
from .decode import Decoder, NearestText, Vec2Text
from .index import ChunkIndex
from .service import Service

__all__ = ["encoder_of", "open_service"]

_WHOLE: Final = {"min_words": 1, "at_most": None, "parts": False}
"""However articles were cut, what one writes is read to its end."""


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
    from ..models import load_predictor

    searched = ChunkIndex.open(index, approximate=approximate)
    loaded = load_predictor(model)
    dim = searched.chunks.vectors.shape[1]
    if loaded.config.dim != dim:
        raise InputError(
            f"{model}: reads vectors of {loaded.config.dim} dimensions, the index {index} holds "
            f"{dim}; embed with the encoder that the model was trained on"
        )
    trained_on = encoder_of(Path(model))
    if trained_on is not None:
        searched.require_encoder(trained_on, str(model))
    about = read_about(index).provenance
    encoder = Encoder.load(searched.chunks.encoder)
    made_by = about.get("encoder", {}).get("fingerprint", encoder.fingerprint)
    if made_by != encoder.fingerprint:
        raise InputError(
            f"{index}: was embedded by other weights that are also called {encoder.name}; embed "
            "it again"
        )
    said: Decoder = (
        Vec2Text(encoder, encoder.name) if decoder == "vec2text" else NearestText(searched)
    )
    return Service(
        model=wrap(loaded, Path(model).name),
        context_length=int(loaded.config.context_length),
        encode=encoder,
        index=searched,
        decoder=said,
        how=Cut(**{**about.get("cut", {"by": "sentence"}), **_WHOLE}),
    )


def encoder_of(model: Path) -> str | None:
    """Name of the encoder whose vectors the model was trained on, where its record says it."""
    record = model / "training.json"
    if not record.is_file():
        return None
    found: Any = read_json(record)
    for key in ("data", "train", "encoder"):
        if not isinstance(found, dict):
            raise InputError(f"{record}: not a record of `lvm train` (no object that holds {key})")
        found = found.get(key, None if key == "encoder" else {})
    if found is not None and not isinstance(found, str):
        raise InputError(f"{record}: not a record of `lvm train` (data.train.encoder is no name)")
    return found
