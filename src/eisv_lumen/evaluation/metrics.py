"""The metrics of a report, one entry each: the place where a metric is added, and the only one.

A metric is a mean over windows, or a statistic of all windows together. It is defined once for a
speaker of whom some expressions are known and for one whose whole law is; the same definition,
applied to a random speaker and to a perfect imitator, gives its floor and its perfection. Reports,
tables, cards, figures and the Space show what stands in `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..expression.coherence import coherence, entropy, jensen_shannon
from ..expression.law import COHERENCE, EXPRESSIONS, ExpressionLaw
from ..expression.vocabulary import PATTERNS, SHAPES, TOKENS, pattern_of, token_codes

__all__ = [
    "METRICS",
    "Measure",
    "Said",
    "Spoken",
    "expected_divergence",
    "kl_rows",
    "law_rows",
    "listed",
    "titles",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
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


@dataclass(frozen=True, eq=False)
class Said:
    """What a metric is computed from: windows, the laws to imitate, and what is known of a speaker.

    Attributes
    ----------
    shapes : ndarray, shape (n,), int8
        Positions in `SHAPES` of the windows' true shapes.
    target, wanted : ndarray, shape (shapes, 2970)
        The laws to imitate, before and after decoding.
    words
        One expression for each window, or None where the whole law is known:
    pmf : ndarray, shape (n, 2970), optional
        The speaker's decoded law of each window.
    excess : ndarray, shape (n,), optional
        With words: excess nats of each window, where the speaker has probabilities.
    teacher : ndarray, shape (n, 2970), optional
        The decoded law of the speaker's teacher.
    greedy
        Leave out excess nats: of windows decoded at T = 0, they are seldom finite.
    seed
        Of what `perfect` has to simulate.
    """

    shapes: Codes
    target: Floats
    wanted: Floats
    words: Spoken | None = None
    pmf: Floats | None = None
    excess: Floats | None = None
    teacher: Floats | None = None
    greedy: bool = False
    seed: int = 0

    def of_laws(self, pmf: Floats) -> Said:
        """Return a speaker with one decoded law for each shape, heard once of each shape."""
        every = np.arange(len(SHAPES)).astype(np.int8)
        return replace(self, shapes=every, words=None, pmf=pmf, excess=None, teacher=None)

    def expressions(self) -> list[tuple[str, ...]]:
        """Return the words; () for what was not valid."""
        assert self.words is not None
        return [tokens or () for tokens in self.words.tokens]

    def tokens(self) -> Floats:
        """Return how often each window's expression has each token, on average; (n, 15)."""
        if self.pmf is not None:
            return self.pmf @ _TOKEN_ROWS
        return _token_counts(self.expressions())

    def patterns(self) -> Floats:
        """Return with what probability each window's answer states each pattern; (n, 5)."""
        if self.pmf is not None:
            return self.pmf @ _PATTERN_ROWS
        assert self.words is not None
        return _one_hot(self.words.patterns)


@dataclass(frozen=True)
class Measure:
    """A metric.

    Attributes
    ----------
    name, title
        Its key in a report, and what people read.
    values
        The value of each window (n,); None where the metric is not defined for this speaker. The
        metric is their mean, of each shape and of all windows together.
    pooled
        Else: the statistic of windows that count so often, (m, n) to (m,).
    macro
        There is a mean over shapes, too, called `macro_…`.
    over_all
        There is a mean over all windows; else only that of each shape.
    floor
        What stands as its floor: what the random speaker gets, what the best speaker that reads
        nothing gets, or a number; None where there is none.
    perfect
        Whether a perfect imitator's value is defined.
    ceiling
        The best value of any speaker for each shape, or of all; None where only imitation has one.
    certain
        Its value for a speaker whose whole law is known, if that is no measurement.
    bounds
        Least and greatest value that a window can have, where there are such.
    listed
        Brief tables, cards, figures and the Space add it behind the columns that they lay out by
        themselves.
    """

    name: str
    title: str
    values: Callable[[Said], Floats | None] | None = None
    pooled: Callable[[Said, Floats], Floats] | None = None
    macro: bool = False
    over_all: bool = True
    floor: Literal["random", "ignorant"] | float | None = "random"
    perfect: bool = True
    ceiling: Callable[[Said], Floats] | float | None = None
    certain: float | None = None
    bounds: tuple[float, float] | None = None
    listed: bool = True


def law_rows(laws: Sequence[ExpressionLaw]) -> Floats:
    """Return laws as rows, (k, 2970)."""
    return np.stack([law.pmf for law in laws])


def kl_rows(p: Floats, q: Floats) -> Floats:
    """Return KL(p ‖ q) [nats] of each row; 0 where p is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(p > 0, p * np.log(p / q), 0.0).sum(1))


def titles() -> dict[str, str]:
    """Return what people read for each key of a report."""
    found = {}
    for metric in METRICS:
        found[metric.name] = metric.title
        if metric.macro:
            found[f"macro_{metric.name}"] = f"{metric.title}, mean over shapes"
    return found


def listed() -> dict[str, str]:
    """Return key and title of what tables, cards and figures add to their own columns."""
    return {
        f"macro_{metric.name}" if metric.macro else metric.name: metric.title
        for metric in METRICS
        if metric.listed
    }


def _coherence(said: Said) -> Floats:
    if said.pmf is not None:
        return np.asarray((said.pmf * COHERENCE[said.shapes]).sum(1))
    return coherence(said.expressions(), [SHAPES[code] for code in said.shapes])


def _valid(said: Said) -> Floats:
    if said.words is None:
        return np.ones(len(said.shapes))
    return np.array([float(tokens is not None) for tokens in said.words.tokens])


def _pattern_accuracy(said: Said) -> Floats:
    """Probability that a fresh draw of the law has the pattern that was stated."""
    return np.asarray((said.patterns() * (said.target @ _PATTERN_ROWS)[said.shapes]).sum(1))


def _excess(said: Said) -> Floats | None:
    if said.pmf is None or said.greedy:
        return said.excess
    found = kl_rows(said.wanted[said.shapes], said.pmf)
    return found if np.isfinite(found).all() else None  # some cannot say what the law can


def _teacher_excess(said: Said) -> Floats | None:
    if said.teacher is None or said.pmf is None or said.greedy:
        return None
    return kl_rows(said.teacher, said.pmf)


def _teacher_overlap(said: Said) -> Floats | None:
    if said.teacher is None or said.pmf is None:
        return None
    return np.asarray(np.minimum(said.teacher, said.pmf).sum(1))


def _entropy(said: Said) -> Floats | None:
    return None if said.pmf is None else entropy(said.pmf)


def _diversity(said: Said, counts: Floats) -> Floats:
    return entropy(_normalised(counts @ said.tokens()))


def _divergence(table: Callable[[Said], Floats], rows: Floats) -> Callable[[Said, Floats], Floats]:
    """Jensen–Shannon divergence from the decoded law, shape by shape, averaged over shapes."""

    def pooled(said: Said, counts: Floats) -> Floats:
        spoken, wanted = table(said), _normalised(said.wanted @ rows)
        present = np.unique(said.shapes)
        return np.asarray(
            sum(
                jensen_shannon(
                    _normalised(counts[:, members] @ spoken[members]),
                    wanted[said.shapes[members[0]]],
                )
                for members in (np.flatnonzero(said.shapes == code) for code in present)
            )
            / present.size
        )

    return pooled


def expected_divergence(metric: Measure, said: Said) -> float:
    """Return what as many draws of the law get: a finite sample of it is off the law."""
    if said.words is None:
        return 0.0
    rng = np.random.default_rng(said.seed)
    rows = _PATTERN_ROWS if metric.name.startswith("pattern") else _TOKEN_ROWS
    found = 0.0
    codes, sizes = np.unique(said.shapes, return_counts=True)
    for code, size in zip(codes, sizes, strict=True):
        draws = rng.multinomial(size, said.wanted[code], _N_DRAWS)
        wanted = said.wanted[code] @ rows
        found += float(jensen_shannon(_normalised(draws @ rows), _normalised(wanted)).mean())
    return found / codes.size


def _one_hot(patterns: Sequence[str | None]) -> Floats:
    codes = np.array([-1 if p is None else PATTERNS.index(p) for p in patterns])
    return np.asarray(codes[:, None] == np.arange(len(PATTERNS)), dtype=np.float64)


def _token_counts(said: Sequence[tuple[str, ...]]) -> Floats:
    counts = np.zeros((len(said), len(TOKENS)))
    for row, tokens in zip(counts, said, strict=True):
        np.add.at(row, token_codes(tokens), 1.0)
    return counts


def _normalised(counts: npt.NDArray[np.floating]) -> Floats:
    total = counts.sum(-1, keepdims=True)
    return np.asarray(counts / np.maximum(total, 1e-300), dtype=np.float64)


# What each expression of the support adds to a table of patterns, of tokens.
_PATTERN_ROWS = _one_hot([pattern_of(expression) for expression in EXPRESSIONS])
_TOKEN_ROWS = _token_counts(EXPRESSIONS)


METRICS: tuple[Measure, ...] = (
    Measure(
        "coherence", "coherence", _coherence, macro=True, ceiling=1.0, bounds=(0.0, 1.0),
        listed=False,
    ),
    Measure(
        "valid_rate", "valid rate", _valid, ceiling=1.0, certain=1.0, bounds=(0.0, 1.0),
        listed=False,
    ),
    Measure(
        "pattern_accuracy", "pattern accuracy", _pattern_accuracy, bounds=(0.0, 1.0), listed=False,
        ceiling=lambda said: (said.target @ _PATTERN_ROWS).max(1),
    ),
    Measure("excess_nats", "excess nats", _excess, macro=True, floor="ignorant", listed=False),
    Measure(
        "teacher_overlap", "overlap with its teacher", _teacher_overlap, macro=True, floor=None,
        perfect=False, ceiling=1.0, bounds=(0.0, 1.0), listed=False,
    ),
    Measure(
        "teacher_excess_nats", "excess nats over its teacher", _teacher_excess, macro=True,
        floor=None, perfect=False, ceiling=0.0, listed=False,
    ),
    Measure(
        "pattern_divergence", "pattern divergence [nats]", ceiling=0.0, listed=False,
        pooled=_divergence(Said.patterns, _PATTERN_ROWS),
    ),
    Measure(
        "token_divergence", "token divergence [nats]", ceiling=0.0, listed=False,
        pooled=_divergence(Said.tokens, _TOKEN_ROWS),
    ),
    Measure(
        "diversity", "token diversity [nats]", pooled=_diversity, floor=0.0,
        ceiling=float(np.log(len(TOKENS))), listed=False,
    ),
    Measure(
        "entropy", "entropy [nats]", _entropy, over_all=False, floor=None, listed=False
    ),
)  # fmt: skip
"""All metrics, in the order of a report."""
