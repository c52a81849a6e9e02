"""How far two sets of window summaries are from each other."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["energy_distance", "ks_each", "scaled", "two_sample_auc"]

Floats = npt.NDArray[np.float64]

_RATE: Final = 3e-3  # [1/s] or [1/s²]: the typical mean rate of a real summary


def scaled(summary: Floats) -> Floats:
    """Bring the columns of summaries to comparable scales, without regard to any data.

    Durations enter by their logarithm, derivatives by asinh(x / 0.003), means by x / 0.1 (V by
    x / 0.03); `n_states` is left out.

    Returns
    -------
    ndarray, shape (n, 13)
    """
    return np.column_stack(
        [
            4 * np.log(np.maximum(summary[:, 1], 1e-2)),
            summary[:, 2:5] / 0.1,
            summary[:, 5] / 0.03,
            np.arcsinh(summary[:, 6:] / _RATE),
        ]
    )


def ks_each(a: Floats, b: Floats) -> Floats:
    """Kolmogorov–Smirnov distance of each column: the largest gap of the two distributions.

    Returns
    -------
    ndarray, shape (n_columns,), in [0, 1]

    Examples
    --------
    >>> ks_each(np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])).tolist()
    [0.5]
    """
    out = np.empty(a.shape[1])
    for j in range(a.shape[1]):
        x, y = np.sort(a[:, j]), np.sort(b[:, j])
        both = np.concatenate([x, y])
        below_x = np.searchsorted(x, both, side="right") / len(x)
        below_y = np.searchsorted(y, both, side="right") / len(y)
        out[j] = np.abs(below_x - below_y).max()
    return out


def energy_distance(a: Floats, b: Floats) -> float:
    """Energy distance 2 E|x − y| − E|x − x'| − E|y − y'|, pairs x, x' being different rows.

    The unbiased estimate: it can be slightly negative where the two distributions are equal.
    Source: Székely & Rizzo, "Energy statistics", 2013.
    """
    return 2 * _mean_distance(a, b) - _mean_within(a) - _mean_within(b)


def two_sample_auc(a: Floats, b: Floats, seed: int, folds: int = 5) -> float:
    """Area under the ROC curve of a random forest that tells `a` from `b`, cross-validated.

    Both sets should be of the same size. 0.5: it cannot tell them apart; 1: always.
    Source: Lopez-Paz & Oquab, "Revisiting classifier two-sample tests", 2017.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x = np.concatenate([a, b])
    y = np.repeat([0, 1], [len(a), len(b)])
    forest = RandomForestClassifier(300, min_samples_leaf=2, random_state=seed, n_jobs=1)
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    score = cross_val_predict(forest, x, y, cv=split, method="predict_proba")[:, 1]
    return float(roc_auc_score(y, score))


def _mean_distance(a: Floats, b: Floats) -> float:
    return float(np.mean([np.linalg.norm(b - x, axis=1).mean() for x in a]))


def _mean_within(a: Floats) -> float:
    return _mean_distance(a, a) * len(a) / (len(a) - 1)
