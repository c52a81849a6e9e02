"""Where a published score stands: in standard errors from perfect imitation, exactly.

A run of n windows is a sample; the law says what mean, and what spread, a perfect imitator would
have on a test set of the same composition. No simulation, and no decoding that was not stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..evaluation.baselines import initial
from ..evaluation.report import Decoding, provenance
from ..evaluation.scoring import INHERITED
from ..expression.law import COHERENCE
from ..expression.vocabulary import SHAPES
from .published import composition, published_reports

__all__ = ["perfect_imitation", "standings"]

Floats = npt.NDArray[np.float64]

PLAIN = Decoding(temperature=INHERITED.temperature, top_k=0, top_p=1.0)


def perfect_imitation(
    shares: Floats, n: int, decoding: Decoding, *, drawn: bool = False
) -> tuple[float, float]:
    """Return mean and standard error of a perfect imitator's coherence on n windows.

    Parameters
    ----------
    shares : ndarray, shape (9,)
        Share of each shape among the windows.
    n
        Number of windows, one expression each.
    decoding
        Temperature, top_k and top_p, all stated.
    drawn
        The shapes themselves are draws from `shares`: their variance between shapes counts, too.
    """
    means, variances = np.empty(len(SHAPES)), np.empty(len(SHAPES))
    for i, (law, scores) in enumerate(zip(initial(), COHERENCE, strict=True)):
        pmf = law.tempered(
            decoding.temperature, top_k=decoding.top_k or 0, top_p=decoding.top_p or 1.0
        ).pmf
        means[i] = pmf @ scores
        variances[i] = pmf @ (scores - means[i]) ** 2
    mean = float(shares @ means)
    variance = float(shares @ variances)
    if drawn:
        variance += float(shares @ (means - mean) ** 2)
    return mean, float(np.sqrt(variance / n))


def standings() -> dict[str, Any]:
    """Return, for each published run, perfect imitation under either decoding and the distance.

    Returns
    -------
    dict
        `runs[name]`: `n`, `published`, `recomputed` (from the published values by shape) and,
        under `plain` and `nucleus`, `perfect`, `standard_error` and `distance` (in such errors).
        Where the number of windows of each shape is known, there are also the distances
        `by_shape`, and `chi_square`, the sum of their squares: about nine by chance alone.
    """
    runs: dict[str, Any] = {}
    for name, report in published_reports().items():
        result = report.results[0]
        shares, drawn = composition(name)
        value = result.metrics["coherence"].value
        by_shape = {
            SHAPES.index(s): metrics["coherence"].value for s, metrics in result.per_shape.items()
        }
        run: dict[str, Any] = {
            "title": report.title,
            "n": result.n,
            "published": value,
            "recomputed": round(sum(float(shares[i]) * v for i, v in by_shape.items()), 6),
        }
        for key, decoding in (("plain", PLAIN), ("nucleus", INHERITED)):
            run[key] = _distance(value, *perfect_imitation(shares, result.n, decoding, drawn=drawn))
            if not drawn:
                run[key] |= _by_shape(by_shape, shares * result.n, decoding)
        runs[name] = run
    return {
        "schema_": "eisv-lumen-standings/1",
        "kind": "exact",
        "title": "Published scores, in standard errors from perfect imitation",
        "decodings": {"plain": PLAIN.model_dump(), "nucleus": INHERITED.model_dump()},
        "decoded_with": "nucleus",  # inherited from the base model's generation config
        "runs": runs,
        "provenance": provenance("eisv-lumen evaluate published").model_dump(),
    }


def _by_shape(values: Mapping[int, float], n: Floats, decoding: Decoding) -> dict[str, Any]:
    found = {}
    for i, value in values.items():
        alone = np.eye(len(SHAPES))[i]
        mean, error = perfect_imitation(alone, round(n[i]), decoding)
        found[SHAPES[i]] = round((value - mean) / error, 6)
    return {"by_shape": found, "chi_square": round(sum(z**2 for z in found.values()), 6)}


def _distance(value: float, perfect: float, error: float) -> dict[str, Any]:
    return {
        "perfect": round(perfect, 6),
        "standard_error": round(error, 6),
        "distance": round((value - perfect) / error, 6),
    }
