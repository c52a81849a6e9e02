"""What the service does, without HTTP: from texts to a predicted vector to text, and how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from ...core.errors import InputError
from ..alignment.articles import Floats
from ..alignment.predictions import Predictor
from ..data.chunking import Cut, cut
from .decode import Decoder
from .index import ChunkIndex

__all__ = ["Chat", "Neighbour", "Prediction", "Service"]

Fill = Literal["full", "repeat_first"]
_SENTENCES: Final = Cut("sentence", min_words=1)


@dataclass(frozen=True)
class Neighbour:
    """A chunk of the index near a prediction."""

    text: str
    article: str
    position: int
    cosine: float


@dataclass(frozen=True)
class Prediction:
    """A predicted vector and the chunks nearest to it."""

    vector: list[float]
    nearest: list[Neighbour]
    latency_breakdown: dict[str, float]
    total_latency_ms: float


@dataclass(frozen=True)
class Chat:
    """An answer in text.

    Attributes
    ----------
    response
        What the decoder said.
    confidence
        Cosine of the prediction with the response's own vector, at least 0.
    latency_breakdown, total_latency_ms
        Of chunking, encoding, prediction and decoding [ms].
    chunks_used
        Chunks of the given text that the model read, K at most, the last ones.
    ctx_fill_mode
        `full`, or `repeat_first` where the text was too short and its first chunk stands for what
        came before.
    """

    response: str
    confidence: float
    latency_breakdown: dict[str, float]
    total_latency_ms: float
    chunks_used: int
    ctx_fill_mode: Fill


class _Clock:
    """Time spent in each step [ms]."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, step: str) -> None:
        now = time.perf_counter()
        self.spent[step] = round(1e3 * (now - self._last), 3)
        self._last = now

    @property
    def total(self) -> float:
        return round(sum(self.spent.values()), 3)


@dataclass(frozen=True)
class Service:
    """A model, the encoder of its vectors, an index in which they are looked up, and a decoder.

    Attributes
    ----------
    model
        Predicts vectors.
    context_length
        K.
    encode
        n texts to (n, D) unit vectors.
    index
        Of the same encoder.
    decoder
        For `chat`.
    how
        How a paragraph is cut into chunks.
    """

    model: Predictor
    context_length: int
    encode: Callable[[Sequence[str]], Floats]
    index: ChunkIndex
    decoder: Decoder
    how: Cut = _SENTENCES

    def health(self) -> dict[str, Any]:
        """Say what is served."""
        return {
            "status": "ok",
            "model": self.model.name,
            "encoder": self.index.chunks.encoder,
            "dim": self.dim,
            "context_length": self.context_length,
            "chunks": len(self.index.chunks),
            "articles": len(self.index.chunks.article_ids),
            "decoder": self.decoder.name,
        }

    @property
    def dim(self) -> int:
        """D."""
        return int(self.index.chunks.vectors.shape[1])

    def predict(
        self,
        texts: Sequence[str] | None,
        vectors: Sequence[Sequence[float]] | None,
        nearest: int = 0,
    ) -> Prediction:
        """Predict the next vector after K texts, or K vectors.

        Raises
        ------
        InputError
            Not exactly one of them is given, or it is not K, of D finite numbers, not all zero.
        """
        clock = _Clock()
        if (texts is None) == (vectors is None):
            raise InputError("give either texts or vectors")
        if texts is not None:
            self._require_k(len(texts), "texts")
            if not all(text.strip() for text in texts):
                raise InputError("texts: one of them is empty")
            context = self.encode(texts)
        else:
            context = self._vectors(vectors or ())
        clock.mark("encode")
        found = self._ask(context)
        clock.mark("predict")
        near = self._near(found, nearest)
        clock.mark("search")
        return Prediction([float(x) for x in found], near, clock.spent, clock.total)

    def chat(self, text: str, *, temperature: float = 0.0, steps: int = 1, seed: int = 0) -> Chat:
        """Say what might come after a text.

        Raises
        ------
        InputError
            There is no text in it.
        """
        clock = _Clock()
        chunks = cut(text, self.how)[-self.context_length :]
        if not chunks:
            raise InputError("no text to go on from; write at least one sentence")
        missing = self.context_length - len(chunks)
        clock.mark("chunk")
        context = self.encode(chunks)
        context = np.concatenate([np.repeat(context[:1], missing, axis=0), context])
        clock.mark("encode")
        vector = self._ask(context)
        clock.mark("predict")
        said = self.decoder(vector, temperature=temperature, steps=steps, known=chunks, seed=seed)
        clock.mark("decode")
        return Chat(
            response=said.text,
            confidence=max(0.0, said.cosine),
            latency_breakdown=clock.spent,
            total_latency_ms=clock.total,
            chunks_used=len(chunks),
            ctx_fill_mode="repeat_first" if missing else "full",
        )

    def _ask(self, context: Floats) -> Floats:
        assert self.model.predict is not None
        vector: Floats = np.asarray(self.model.predict(context[None]), np.float32)[0]
        if not np.isfinite(vector).all() or not vector.any():
            raise InputError("the model has no prediction for this context")
        return vector

    def _near(self, vector: Floats, k: int) -> list[Neighbour]:
        if k == 0:
            return []
        held = self.index.chunks
        cosines, rows = self.index.nearest(vector[None], k)
        return [
            Neighbour(
                held.texts[row] if held.texts else "",
                held.article_ids[held.article[row]],
                int(held.position[row]),
                float(cosine),
            )
            for cosine, row in zip(cosines[0], rows[0], strict=True)
            if row >= 0
        ]

    def _vectors(self, given: Sequence[Sequence[float]]) -> Floats:
        self._require_k(len(given), "vectors")
        wrong = next((i for i, row in enumerate(given) if len(row) != self.dim), None)
        if wrong is not None:
            raise InputError(
                f"vectors, row {wrong}: {len(given[wrong])} numbers; the encoder "
                f"{self.index.chunks.encoder} has {self.dim}"
            )
        from ..data.chunks import unit_rows

        return unit_rows(np.array(given, np.float64), "vectors")

    def _require_k(self, n: int, what: str) -> None:
        if n != self.context_length:
            raise InputError(f"{what}: {n} of them; the model reads {self.context_length}")
