"""From a predicted vector to text: the nearest chunk of an index, or vec2text's inversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from ...core.errors import InputError
from ..alignment.articles import Floats, unit
from .index import ChunkIndex

__all__ = ["Decoded", "Decoder", "NearestText", "Vec2Text"]

_AMONG: Final = 10  # nearest chunks that a temperature draws from
_INVERTERS: Final = ("jxm/gtr__nq__32", "jxm/gtr__nq__32__correct")
_INVERTED: Final = "sentence-transformers/gtr-t5-base"
_WEIGHTS: Final = ("model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class Decoded:
    """A text for a vector, with the cosine of the two (of the text's own vector)."""

    text: str
    cosine: float
    article: str | None = None
    position: int | None = None


class Decoder(Protocol):
    """What turns a predicted vector into text."""

    @property
    def name(self) -> str:
        """As the service's health tells it."""
        ...

    def __call__(
        self, vector: Floats, *, temperature: float, steps: int, known: Sequence[str], seed: int
    ) -> Decoded:
        """Return a text for a vector (D,).

        Parameters
        ----------
        vector
            Predicted.
        temperature
            0 for the best; above, a draw.
        steps
            Of decoders that go step by step.
        known
            Texts that shall not come out: the context.
        seed
            Of the draw.
        """
        ...


@dataclass(frozen=True)
class NearestText:
    """Says a chunk of an index: real text, and only such text.

    At a temperature T it draws among the ten nearest, p ∝ exp(cosine / T).
    """

    index: ChunkIndex
    name: str = "nearest"

    def __post_init__(self) -> None:
        """Refuse an index without text."""
        if not self.index.chunks.texts:
            raise InputError("the index holds no texts; make it with `eisv-lumen lvm embed`")

    def __call__(
        self, vector: Floats, *, temperature: float, steps: int, known: Sequence[str], seed: int
    ) -> Decoded:
        """Return the nearest chunk, or a draw among the nearest; `steps` is of no use here."""
        chunks, avoid = self.index.chunks, set(known)
        cosines, rows = self.index.nearest(vector[None], _AMONG + len(avoid))
        # A text may stand in the index more often than the context says it: look further then.
        found = [(c, r) for c, r in zip(cosines[0], rows[0], strict=True) if r >= 0]
        fresh = [(c, r) for c, r in found if chunks.texts[r] not in avoid][:_AMONG]
        near = np.array([c for c, _ in fresh or found], np.float64)
        pick = 0
        if temperature > 0:
            p = np.exp((near - near.max()) / temperature)
            pick = int(np.random.default_rng(seed).choice(len(p), p=p / p.sum()))
        row = int((fresh or found)[pick][1])
        return Decoded(
            chunks.texts[row],
            float(near[pick]),
            chunks.article_ids[chunks.article[row]],
            int(chunks.position[row]),
        )


class Vec2Text:
    """Writes text whose GTR-T5 vector comes near the prediction (Morris et al. 2023).

    Its weights are not ours: they are taken from the local cache of the Hub, and from nowhere else.

    Parameters
    ----------
    encode
        Texts to vectors, to say how near it came.
    encoder
        Name of the encoder that the vectors are of.

    Raises
    ------
    InputError
        The encoder is not GTR-T5, the package is not installed, or its weights are not there.
    """

    name = "vec2text"

    def __init__(self, encode: Any, encoder: str) -> None:
        from huggingface_hub import try_to_load_from_cache

        if encoder != _INVERTED:
            raise InputError(
                f"decoder vec2text: inverts vectors of {_INVERTED} alone, and these are of "
                f"{encoder}; use --decoder nearest"
            )
        try:
            import vec2text  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise InputError(
                "decoder vec2text: not installed (pip install vec2text); or use --decoder nearest"
            ) from error
        for repo in _INVERTERS:
            if not any(isinstance(try_to_load_from_cache(repo, f), str) for f in _WEIGHTS):
                raise InputError(
                    f"decoder vec2text: the weights of {repo} are not in the local cache, in "
                    f"safetensors; fetch them with `hf download {repo}`, or use --decoder nearest"
                )
        self._encode = encode
        self._module = vec2text
        self._corrector = vec2text.load_pretrained_corrector("gtr-base")

    def __call__(
        self, vector: Floats, *, temperature: float, steps: int, known: Sequence[str], seed: int
    ) -> Decoded:
        """Invert a vector in `steps` corrections; greedy, so that temperature is of no use."""
        import torch

        asked = unit(vector)
        [text] = self._module.invert_embeddings(
            embeddings=torch.from_numpy(asked[None]), corrector=self._corrector, num_steps=steps
        )
        return Decoded(text, float(self._encode([text])[0] @ asked))
