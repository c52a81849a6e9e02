"""From a predicted vector to text: the nearest chunk of an index, or vec2text's inversion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from ...core.errors import InputError
from ..alignment.articles import Floats, Ints, unit
from .index import ChunkIndex

__all__ = ["Decoded", "Decoder", "NearestText", "Vec2Text", "draw", "echoes", "words_of"]

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
            Texts that shall not come out, nor any part of them: what the caller wrote.
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
        """Return the nearest chunk, or a draw among the nearest; `steps` is of no use here.

        Raises
        ------
        InputError
            The index holds nothing but what the caller wrote.
        """
        near, rows = self._fresh(vector, words_of(" ".join(known)))
        if not len(rows):
            raise InputError("the index holds nothing but the given text; serve a larger one")
        pick = draw(near, temperature, seed)
        return self.say(int(rows[pick]), float(near[pick]))

    def say(self, row: int, cosine: float) -> Decoded:
        """Return a row of the index as an answer."""
        chunks = self.index.chunks
        return Decoded(
            chunks.texts[row],
            cosine,
            chunks.article_ids[chunks.article[row]],
            int(chunks.position[row]),
        )

    def _fresh(self, vector: Floats, given: str) -> tuple[Floats, Ints]:
        """Find the nearest chunks that say something else than was given: cosines and rows."""
        texts, k = self.index.chunks.texts, 4 * _AMONG
        while True:
            cosines, rows = self.index.nearest(vector[None], k)
            found = [
                (c, r)
                for c, r in zip(cosines[0], rows[0], strict=True)
                if r >= 0 and not echoes(texts[r], given)
            ][:_AMONG]
            if len(found) == _AMONG or k >= len(self.index.distinct):
                return (
                    np.array([c for c, _ in found], np.float32),
                    np.array([r for _, r in found], np.int64),
                )
            k *= 4


def echoes(text: str, given: str) -> bool:
    """Return whether a text is a part of what was given (`words_of`), or says nothing at all."""
    said = words_of(text)
    return not said.strip() or said in given


def draw(scores: Floats, temperature: float, seed: int) -> int:
    """Return the place of the highest score, or of a draw with p ∝ exp(score / T)."""
    if temperature == 0:
        return int(np.argmax(scores))
    logits = np.asarray(scores, np.float64) / temperature
    p = np.exp(logits - logits.max())
    return int(np.random.default_rng(seed).choice(len(p), p=p / p.sum()))


def words_of(text: str) -> str:
    """Return a text's words alone, so that case, blanks and punctuation do not tell texts apart."""
    words = " ".join(re.findall(r"[^_\W]+", text.casefold()))
    return f" {words} "


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
