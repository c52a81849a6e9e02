"""What the service does, without HTTP: from texts to a predicted vector to text, and how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from ...core.errors import InputError
from ..alignment.articles import Floats, Ints
from ..alignment.predictions import Predictor
from ..data.chunking import Cut, cut
from ..data.chunks import unit_rows
from .decode import Decoded, Decoder, NearestText, draw, echoes, words_of
from .index import ChunkIndex
from .retrieval import ranked

__all__ = ["Chat", "Neighbour", "Prediction", "Service"]

Fill = Literal["full", "repeat_first"]
_SENTENCES: Final = Cut("sentence", min_words=1)
_SHORTLIST: Final = 50
"""Chunks that a ranker puts in order: what `lvm retrieve` measures with --reranker."""


@dataclass(frozen=True)
class Neighbour:
    """A chunk of the index near a prediction.

    Attributes
    ----------
    text, article, position
        The chunk.
    cosine
        With the predicted vector; of a ranker, with the mean of the context, which made the
        shortlist.
    score
        Of a ranker, its log probability among the shortlist; else none.
    """

    text: str
    article: str
    position: int
    cosine: float
    score: float | None = None


@dataclass(frozen=True)
class Prediction:
    """A predicted vector and the chunks nearest to it.

    Attributes
    ----------
    vector
        None of a ranker: it puts chunks in order and predicts no vector.
    nearest
        Chunks, the nearest or likeliest first.
    truncated
        Numbers of the given texts of which the encoder read the beginning alone.
    """

    vector: list[float] | None
    nearest: list[Neighbour]
    truncated: list[int]
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
        Cosine of the prediction with the response's own vector, at least 0; of a ranker, the
        probability that it gives the response among the shortlist.
    latency_breakdown, total_latency_ms
        Of chunking, encoding, prediction and decoding [ms].
    chunks_used
        Chunks of the given text that the model read, K at most, the last ones.
    ctx_fill_mode
        `full`, or `repeat_first` where the text was too short and its first chunk stands for what
        came before.
    truncated
        Numbers of the used chunks of which the encoder read the beginning alone.
    """

    response: str
    confidence: float
    latency_breakdown: dict[str, float]
    total_latency_ms: float
    chunks_used: int
    ctx_fill_mode: Fill
    truncated: list[int]


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
        Predicts vectors; or, where it has no `predict`, puts a shortlist in order.
    context_length
        K.
    encode
        n texts to (n, D) unit vectors.
    index
        Of the same encoder.
    decoder
        For `chat`.
    how
        How a paragraph is cut into chunks: as the model's texts were.
    longer
        Numbers of the texts that are longer than the encoder reads.
    """

    model: Predictor
    context_length: int
    encode: Callable[[Sequence[str]], Floats]
    index: ChunkIndex
    decoder: Decoder
    how: Cut = _SENTENCES
    longer: Callable[[Sequence[str]], list[int]] = lambda texts: []

    def health(self) -> dict[str, Any]:
        """Say what is served."""
        return {
            "status": "ok",
            "model": self.model.name,
            "kind": "predictor" if self.model.predict else "ranker",
            "encoder": self.index.chunks.encoder,
            "fingerprint": self.index.chunks.fingerprint,
            "chunks_by": self.how.by,
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
        cut_short = self.longer(texts or ())
        if self.model.predict is None:
            rows, scores, cosines = self._rank(context)
            clock.mark("predict")
            near = [
                self._neighbour(int(row), float(cosine), float(score))
                for row, cosine, score in zip(rows, cosines, scores, strict=True)
            ][:nearest]
            return Prediction(None, near, cut_short, clock.spent, clock.total)
        found = self._ask(context)
        clock.mark("predict")
        near = self._near(found, nearest)
        clock.mark("search")
        return Prediction([float(x) for x in found], near, cut_short, clock.spent, clock.total)

    def chat(self, text: str, *, temperature: float = 0.0, steps: int = 1, seed: int = 0) -> Chat:
        """Say what might come after a text; never a part of the text itself.

        Raises
        ------
        InputError
            There is no text in it, or the index holds nothing else.
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
        if self.model.predict is None:
            said, sure = self._ranked_answer(context, text, temperature, seed)
            clock.mark("predict")
        else:
            vector = self._ask(context)
            clock.mark("predict")
            said = self.decoder(
                vector, temperature=temperature, steps=steps, known=[text], seed=seed
            )
            sure = max(0.0, said.cosine)
            clock.mark("decode")
        return Chat(
            response=said.text,
            confidence=sure,
            latency_breakdown=clock.spent,
            total_latency_ms=clock.total,
            chunks_used=len(chunks),
            ctx_fill_mode="repeat_first" if missing else "full",
            truncated=self.longer(chunks),
        )

    def _rank(self, context: Floats) -> tuple[Ints, Floats, Floats]:
        """Rank as `lvm retrieve --scope global --first context-mean --reranker` does.

        Returns
        -------
        rows, log probabilities, cosines with the context's mean: (k,), the likeliest first.
        """
        return ranked(self.index, context, self.model, _SHORTLIST)

    def _ranked_answer(
        self, context: Floats, text: str, temperature: float, seed: int
    ) -> tuple[Decoded, float]:
        """Say the likeliest chunk that is no part of the text, or draw one; and how sure."""
        if not isinstance(self.decoder, NearestText):
            raise InputError("a ranker predicts no vector to invert; serve with --decoder nearest")
        rows, scores, cosines = self._rank(context)
        given, texts = words_of(text), self.index.chunks.texts
        fresh = [i for i, row in enumerate(rows) if not echoes(texts[row], given)]
        if not fresh:
            raise InputError("the index holds nothing but the given text; serve a larger one")
        pick = fresh[draw(scores[fresh], temperature, seed)]
        return self.decoder.say(int(rows[pick]), float(cosines[pick])), float(np.exp(scores[pick]))

    def _ask(self, context: Floats) -> Floats:
        assert self.model.predict is not None
        vector: Floats = np.asarray(self.model.predict(context[None]), np.float32)[0]
        if not np.isfinite(vector).all() or not vector.any():
            raise InputError("the model has no prediction for this context")
        return vector

    def _near(self, vector: Floats, k: int) -> list[Neighbour]:
        if k == 0:
            return []
        cosines, rows = self.index.nearest(vector[None], k)
        return [
            self._neighbour(int(row), float(cosine))
            for cosine, row in zip(cosines[0], rows[0], strict=True)
            if row >= 0
        ]

    def _neighbour(self, row: int, cosine: float, score: float | None = None) -> Neighbour:
        held = self.index.chunks
        return Neighbour(
            held.texts[row] if held.texts else "",
            held.article_ids[held.article[row]],
            int(held.position[row]),
            cosine,
            score,
        )

    def _vectors(self, given: Sequence[Sequence[float]]) -> Floats:
        self._require_k(len(given), "vectors")
        wrong = next((i for i, row in enumerate(given) if len(row) != self.dim), None)
        if wrong is not None:
            raise InputError(
                f"vectors, row {wrong}: {len(given[wrong])} numbers; the encoder "
                f"{self.index.chunks.encoder} has {self.dim}"
            )
        return unit_rows(np.array(given, np.float64), "vectors")

    def _require_k(self, n: int, what: str) -> None:
        if n != self.context_length:
            raise InputError(f"{what}: {n} of them; the model reads {self.context_length}")
