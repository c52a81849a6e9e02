"""The study's students, and other readers of summaries, to be compared with ours.

The study's student is three random forests on window features and the shape: one says the pattern,
one the first token, one the second. A forest's vote is the mode of what it was taught, so that its
coherence is that of greedy decoding: sharpening. Its own probabilities say what it learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..expression.law import EXPRESSIONS, ExpressionLaw
from ..expression.vocabulary import PATTERNS, SHAPES, TOKENS, pattern_of

__all__ = ["READERS", "StudyForests", "fit_study_forests", "read_shapes"]

Floats = npt.NDArray[np.float64]

_CODE = {token: i for i, token in enumerate(TOKENS)}
_N = len(TOKENS)
_PATTERN = np.array([PATTERNS.index(pattern_of(e)) for e in EXPRESSIONS])
_FIRST = np.array([_CODE[e[0]] for e in EXPRESSIONS])
_SECOND = np.array([_CODE[e[1]] if len(e) > 1 else -1 for e in EXPRESSIONS])


@dataclass(frozen=True)
class StudyForests:
    """Three forests: pattern, first token, second token (only where there is one)."""

    pattern: Any
    first: Any
    second: Any

    def laws(self, summary: Floats, shape: npt.NDArray[np.int8], *, vote: bool) -> Floats:
        """Return what they say of windows, (n, 2970).

        Parameters
        ----------
        summary, shape
            Windows, as they were taught.
        vote
            Take each forest's likeliest class, as the study did; else its probabilities. They have
            no third token: of a triple the first two are said.
        """
        x = _features(summary, shape)
        pattern = _probabilities(self.pattern, x, len(PATTERNS), vote)
        first = _probabilities(self.first, x, _N, vote)
        second = _probabilities(self.second, x, _N, vote)
        single = pattern[:, PATTERNS.index("SINGLE")]
        again = pattern[:, PATTERNS.index("REPETITION")]
        same = np.eye(_N) * again[:, None, None]
        two = first[:, :, None] * (same + (1 - single - again)[:, None, None] * second[:, None, :])
        out = np.zeros((len(x), len(EXPRESSIONS)))
        out[:, :_N] = single[:, None] * first
        out[:, _N : _N + _N * _N] = two.reshape(len(x), -1)
        return out

    def hits(
        self, summary: Floats, shape: npt.NDArray[np.int8], said: npt.NDArray[np.intp]
    ) -> tuple[float, float]:
        """Return the share of windows whose first token, and pattern, the vote says rightly."""
        x = _features(summary, shape)
        return (
            float((self.first.predict(x) == _FIRST[said]).mean()),
            float((self.pattern.predict(x) == _PATTERN[said]).mean()),
        )


def fit_study_forests(
    summary: Floats,
    shape: npt.NDArray[np.int8],
    laws: list[ExpressionLaw],
    *,
    trees: int = 20,
    seed: int = 0,
) -> StudyForests:
    """Teach three forests one draw of a window's law each, as the study's were taught.

    Parameters
    ----------
    summary, shape
        n windows.
    laws
        What the teacher says of each shape; one draw a window is made of it.
    trees
        In each forest.
    seed
        Of draws and forests.
    """
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    said = np.array([laws[code].sample_index(1, rng)[0] for code in shape])
    x = _features(summary, shape)
    two = _SECOND[said] >= 0
    forests = []
    for target, rows in ((_PATTERN, slice(None)), (_FIRST, slice(None)), (_SECOND, two)):
        forest = RandomForestClassifier(trees, min_samples_leaf=5, random_state=seed, n_jobs=1)
        forests.append(forest.fit(x[rows], target[said][rows]))
    return StudyForests(*forests)


def read_shapes(
    reader: str, summary: Floats, shape: npt.NDArray[np.int8], seed: int = 0
) -> Callable[[Floats], Floats]:
    """Teach one of `READERS` to read shapes from summaries.

    Returns
    -------
    callable
        (n, 14) to probabilities of the shapes, (n, 9).
    """
    prepare = _PREPARED.get(reader, np.asarray)
    model = READERS[reader](seed)
    model.fit(prepare(summary), shape)

    def read(rows: Floats) -> Floats:
        out = np.zeros((len(rows), len(SHAPES)))
        out[:, model.classes_] = model.predict_proba(prepare(rows))
        return out

    return read


def _forest(trees: int, leaf: int) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(trees, min_samples_leaf=leaf, random_state=seed, n_jobs=1)

    return make


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, min_samples_leaf=20, random_state=seed
    )


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    return make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(C=1.0, max_iter=1000, tol=1e-2, random_state=seed),
    )


def _with_jumps(summary: Floats) -> Floats:
    """Add what a window would be whose states moved but once, one column for each dimension.

    Mean rates d of three steps and d2 of two are then those of one rate d·3 in a gap of
    1.5·d / d2 seconds: a movement of 4.5·d² / d2, which is what the rules limit.
    """
    rate, change = summary[:, 6:10], summary[:, 10:14]
    moved = np.abs(change) > 1e-9
    gap = np.divide(1.5 * rate, change, out=np.zeros_like(rate), where=moved)
    return np.hstack([summary, gap, 3 * rate * gap])


_PREPARED: Final[dict[str, Callable[[Any], Floats]]] = {
    "random forest, 100 trees, jumps beside": _with_jumps,
    "logistic regression": lambda summary: np.arcsinh(summary / 1e-3),
}
READERS: Final[dict[str, Callable[[int], Any]]] = {
    "random forest, 20 trees": _forest(20, 3),
    "random forest, 100 trees": _forest(100, 3),
    "random forest, 100 trees, jumps beside": _forest(100, 3),
    "gradient boosting": _boosting,
    "logistic regression": _logistic,
}
"""Readers of summaries from scikit-learn: how each is made, given a seed."""


def _features(summary: Floats, shape: npt.NDArray[np.int8]) -> Floats:
    """Return the study's 12 numbers (means, first and second derivatives) and the shape."""
    return np.concatenate([summary[:, 2:], np.eye(len(SHAPES))[shape]], axis=1)


def _probabilities(forest: Any, x: Floats, classes: int, vote: bool) -> Floats:
    out = np.zeros((len(x), classes))
    out[:, forest.classes_] = forest.predict_proba(x)
    return np.eye(classes)[out.argmax(1)] if vote else out
