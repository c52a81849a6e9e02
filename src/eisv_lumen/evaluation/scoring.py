"""How a speaker is scored on windows whose shapes are known.

The protocol sees plain columns: what was said of each window (its tokens and its pattern, or
nothing where the output was not valid) and, where the speaker has probabilities, its excess nats
of each window. Whatever a score could mean stands beside it: floor, perfect imitator, ceiling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..expression.coherence import (
    coherence,
    entropy,
    jensen_shannon,
    percentile_interval,
    resample_counts,
)
from ..expression.law import COHERENCE, EXPRESSIONS, ExpressionLaw
from ..expression.vocabulary import PATTERNS, SHAPES, TOKENS, pattern_of, token_codes
from .references import Column, Tempered
from .report import DecodedResult, Decoding, Metric

__all__ = ["DECODINGS", "INHERITED", "N_RESAMPLES", "Spoken", "score"]

Floats = npt.NDArray[np.float64]
Laws = Sequence[ExpressionLaw]

DECODINGS = tuple(Decoding(temperature=t, top_k=0, top_p=1.0) for t in (1.0, 0.7, 0.5, 0.3, 0.0))
"""The decodings of every report: top_k and top_p off."""
INHERITED = Decoding(temperature=0.3, top_k=20, top_p=0.95)
"""What the study's setting becomes with the nucleus of Qwen3's generation config."""
N_RESAMPLES = 1000
_N_DRAWS = 200


@dataclass(frozen=True)
class Spoken:
    """What a speaker said of n windows; an output that was not valid is None in both columns.

    Attributes
    ----------
    tokens
        Tokens of each expression, without tildes.
    patterns
        The pattern that each output states, one of `PATTERNS`.
    """

    tokens: Sequence[tuple[str, ...] | None]
    patterns: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.tokens)


def score(
    spoken: Spoken,
    shapes: npt.NDArray[np.int8],
    laws: Laws,
    decoding: Decoding,
    *,
    excess_nats: npt.ArrayLike | None = None,
    seed: int = 0,
) -> DecodedResult:
    """Score what was said against the laws, under one decoding.

    Parameters
    ----------
    spoken
        What was said of n windows.
    shapes : ndarray, shape (n,), int8
        Positions in `SHAPES` of the windows' true shapes.
    laws
        The nine laws that the speaker should imitate.
    decoding
        How it was decoded; the references are decoded alike.
    excess_nats : array_like, shape (n,), optional
        Each window's excess nats: of the law over the speaker, both tempered alike.
    seed
        Seed of the bootstrap.

    Returns
    -------
    DecodedResult
        Metrics `coherence`, `macro_coherence`, `valid_rate`, `pattern_accuracy`, `diversity`
        [nats], `pattern_divergence` and `token_divergence` [nats, Jensen–Shannon, mean over
        shapes] and, where given, `excess_nats` and `macro_excess_nats`.

    Raises
    ------
    InputError
        There are no windows, or lengths differ.
    """
    n = len(spoken)
    if n == 0 or len(shapes) != n:
        raise InputError(f"{n} outputs for {len(shapes)} windows: give one output for each window")
    tempered = Tempered(laws, decoding)
    present = np.unique(shapes)
    weights = np.bincount(shapes, minlength=len(SHAPES)) / n
    counts = resample_counts(shapes, N_RESAMPLES, seed)
    valid = np.array([tokens is not None for tokens in spoken.tokens])
    said = [tokens or () for tokens in spoken.tokens]
    coherent = coherence(said, [SHAPES[code] for code in shapes])
    hit = _pattern_hits(spoken.patterns, shapes, laws)

    def means(values: Floats, of: Callable[[Laws], Floats], ceiling: Floats) -> Column:
        return Column(
            values, of(tempered.random), of(tempered.imitator), np.broadcast_to(ceiling, 9)
        )

    columns = {
        "coherence": means(coherent, _coherences, np.ones(9)),
        "valid_rate": means(valid.astype(float), lambda laws: np.ones(9), np.ones(9)),
        "pattern_accuracy": means(
            hit,
            lambda spoken_laws: _agreement(spoken_laws, laws),
            np.array([law.pattern_pmf().max() for law in laws]),
        ),
    }
    if excess_nats is not None:
        values = np.asarray(excess_nats, dtype=np.float64)
        columns["excess_nats"] = Column(values, tempered.ignorance(weights), np.zeros(9), None)
    metrics: dict[str, Metric] = {}
    per_shape: dict[str, dict[str, Metric]] = {SHAPES[code]: {} for code in present}
    for name, column in columns.items():
        metrics[name] = column.pooled(counts, weights)
        shaped = {code: column.of_shape(shapes, counts, code) for code in present}
        for code, (metric, _) in shaped.items():
            per_shape[SHAPES[code]][name] = metric
        if name in ("coherence", "excess_nats"):
            own = column
            if name == "excess_nats":
                even = np.isin(np.arange(len(SHAPES)), present) / len(present)
                own = Column(column.values, tempered.ignorance(even), column.perfect, None)
            metrics[f"macro_{name}"] = own.macro(shaped, present)
    for name, table, rows, of_law in (
        ("pattern", _one_hot(spoken.patterns), _PATTERN_ROWS, ExpressionLaw.pattern_pmf),
        ("token", _token_counts(said), _TOKEN_ROWS, ExpressionLaw.token_pmf),
    ):
        metrics[f"{name}_divergence"] = _divergence(
            table, rows, shapes, counts, present, tempered, of_law, seed
        )
    metrics["diversity"] = _diversity(_token_counts(said), counts, tempered, weights)
    return DecodedResult(decoding=decoding, n=n, metrics=metrics, per_shape=per_shape)


def _coherences(laws: Laws) -> Floats:
    return np.array([law.pmf @ scores for law, scores in zip(laws, COHERENCE, strict=True)])


def _agreement(spoken: Laws, laws: Laws) -> Floats:
    """Probability that two draws, one of each law of a shape, have the same pattern."""
    return np.array([a.pattern_pmf() @ b.pattern_pmf() for a, b in zip(spoken, laws, strict=True)])


def _pattern_hits(
    patterns: Sequence[str | None], shapes: npt.NDArray[np.int8], laws: Laws
) -> Floats:
    """Probability that a fresh draw of the law has the pattern that was stated."""
    table = np.stack([law.pattern_pmf() for law in laws])
    return np.asarray((_one_hot(patterns) * table[shapes]).sum(1))


def _one_hot(patterns: Sequence[str | None]) -> Floats:
    codes = np.array([-1 if p is None else PATTERNS.index(p) for p in patterns])
    return np.asarray(codes[:, None] == np.arange(len(PATTERNS)), dtype=np.float64)


def _token_counts(said: Sequence[tuple[str, ...]]) -> Floats:
    counts = np.zeros((len(said), len(TOKENS)))
    for row, tokens in zip(counts, said, strict=True):
        np.add.at(row, token_codes(tokens), 1.0)
    return counts


def _divergence(
    table: Floats,
    rows: Floats,
    shapes: npt.NDArray[np.int8],
    counts: npt.NDArray[np.float32],
    present: npt.NDArray[np.int8],
    tempered: Tempered,
    of_law: Callable[[ExpressionLaw], Floats],
    seed: int,
) -> Metric:
    """Jensen–Shannon divergence from the decoded law, shape by shape, averaged over shapes.

    A finite sample of the law itself is off the law; `perfect` is what as many draws of it get.
    """
    rng = np.random.default_rng(seed)
    value = floor = perfect = 0.0
    resampled = np.zeros(len(counts))
    k = present.size
    for code in present:
        members = np.flatnonzero(shapes == code)
        wanted = of_law(tempered.imitator[code])
        value += float(jensen_shannon(_normalised(table[members].sum(0)), wanted)) / k
        resampled += jensen_shannon(_normalised(counts[:, members] @ table[members]), wanted) / k
        floor += float(jensen_shannon(of_law(tempered.random[code]), wanted)) / k
        draws = rng.multinomial(members.size, tempered.imitator[code].pmf, _N_DRAWS)
        perfect += float(jensen_shannon(_normalised(draws @ rows), wanted).mean()) / k
    low, high = _centred(resampled, value)
    return Metric(value=value, low=low, high=high, floor=floor, perfect=perfect, ceiling=0.0)


def _diversity(
    table: Floats, counts: npt.NDArray[np.float32], tempered: Tempered, weights: Floats
) -> Metric:
    """Entropy [nats] of all tokens spoken; the references speak of the same mix of shapes."""
    value = float(entropy(_normalised(table.sum(0))))
    low, high = _centred(entropy(_normalised(counts @ table)), value)
    return Metric(
        value=value,
        low=low,
        high=high,
        floor=0.0,
        perfect=ExpressionLaw.mixture(tempered.imitator, weights).diversity(),
        ceiling=float(np.log(len(TOKENS))),
    )


def _centred(resampled: Floats, value: float) -> tuple[float, float]:
    """Percentile interval less the bootstrap's bias: resampling inflates a divergence."""
    low, high = percentile_interval(resampled - resampled.mean() + value)
    return max(low, 0.0), high


def _normalised(counts: npt.NDArray[np.floating]) -> Floats:
    total = counts.sum(-1, keepdims=True)
    return np.asarray(counts / np.maximum(total, 1e-300), dtype=np.float64)


# What each expression of the support adds to a table of patterns, of tokens.
_PATTERN_ROWS = _one_hot([pattern_of(expression) for expression in EXPRESSIONS])
_TOKEN_ROWS = _token_counts(EXPRESSIONS)
