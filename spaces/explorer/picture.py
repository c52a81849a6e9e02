"""The first screen's tables: nine windows, and the law of each speaker over each of them."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, TypedDict

import numpy as np
from drawing.window import View, place, show_shape
from drawing.words import DIMENSIONS, SHAPE_MEANS
from folder import load_example, reports, speakers
from lumen import lumen_windows
from speakers import one_window

from eisv_lumen.evaluation.scoring import INHERITED
from eisv_lumen.expression.vocabulary import (
    AFFINE_TOKENS,
    INQUIRY_TOKENS,
    PATTERN_PMF,
    SHAPES,
    TOKENS,
)
from eisv_lumen.trajectory.windows import WINDOW

__all__ = ["Picture", "laws_and_windows", "nine", "packed", "tables"]

_LEAST = -24.0  # nats: what is rarer than e^-24 travels as that


class Picture(TypedDict):
    """What the page asks for once it stands."""

    windows: list[dict[str, Any]]
    speakers: list[dict[str, Any]]


@cache
def nine() -> dict[str, View]:
    """Return a window of each shape, cut from the examples."""
    found = {}
    for shape in SHAPES:
        series = load_example(shape)
        found[shape] = place(series, show_shape(series, shape), WINDOW)
    return found


def tables() -> dict[str, Any]:
    """Return what the page needs before anything is asked of the server: a few kilobytes."""
    law = reports()["law/imitator"].report
    run = reports()["published/v6"].report
    return {
        "tokens": list(TOKENS),
        "inquiry": [TOKENS.index(token) for token in INQUIRY_TOKENS],
        "dimensions": [{"id": dim, "name": name} for dim, (name, _) in DIMENSIONS.items()],
        "shapes": [
            {
                "id": shape,
                "means": SHAPE_MEANS[shape],
                "affine": [TOKENS.index(token) for token in AFFINE_TOKENS[shape]],
                "patterns": PATTERN_PMF[code].tolist(),
            }
            for code, shape in enumerate(SHAPES)
        ],
        "windows": [_as_json(shape, view, "Lumen-like") for shape, view in nine().items()],
        "floor": law.at(1.0).metrics["macro_coherence"].floor,
        "study": {"name": run.title, "value": run.results[0].metrics["coherence"].value},
        "cut": {"top_k": INHERITED.top_k, "top_p": INHERITED.top_p},
    }


def _as_json(shape: str, view: View, source: str) -> dict[str, Any]:
    t, X = view.series.t[view.at], view.series.X[view.at]
    return {
        "shape": shape,
        "source": source,
        "t": np.round(t - t[0], 2).tolist(),
        "X": np.round(X.T, 3).tolist(),
    }


def packed(pmf: np.ndarray) -> str:
    """Return a law as text: log-probabilities in 16 bits each, 65,535 for what is never said."""
    with np.errstate(divide="ignore"):
        codes = np.round(np.maximum(np.log(pmf), _LEAST) / _LEAST * 65534)
    return base64.b64encode(np.where(pmf > 0, codes, 65535).astype("<u2").tobytes()).decode("ascii")


_lock = threading.Lock()
_known: dict[bool, Picture] = {}


def laws_and_windows() -> Picture:
    """Return Lumen's own windows, where the Hub could be reached, and every model's nine laws."""
    real = lumen_windows()
    with _lock:  # several visitors at the start wait for one computation
        if bool(real) not in _known:
            views: Mapping[str, View] = {**nine(), **real}
            heard = []
            for who in speakers()[0][1:]:  # the first is the voice, whose law the page knows
                laws = {shape: _law(who, view, shape) for shape, view in views.items()}
                if all(laws.values()):
                    name = who.name.split()[0]
                    heard.append(
                        {"id": name.lower(), "name": name, "about": who.about, "laws": laws}
                    )
            _known[bool(real)] = {
                "windows": [
                    _as_json(shape, view, "Lumen’s own log") for shape, view in real.items()
                ],
                "speakers": heard,
            }
    return _known[bool(real)]


def _law(who: Any, view: View, shape: str) -> str:
    s, at = view.series, view.at
    drift = None if s.ethical_drift is None else s.ethical_drift[at]
    pmf = who.law(one_window(s.t[at], s.X[at], drift, shape))
    return "" if pmf is None else packed(pmf)
