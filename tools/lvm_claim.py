"""The claim about the ranker: bits of the next chunk over each floor, on articles kept out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eisv_lumen.evaluation.report import provenance
from eisv_lumen.lvm.alignment.articles import Article, codes_of
from eisv_lumen.lvm.alignment.bootstrap import ArticleBootstrap
from eisv_lumen.lvm.alignment.fit_and_read import calibrate, read
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask_plainly
from eisv_lumen.lvm.alignment.records import COPY, LAG, LAG_CENTRED, Answers
from eisv_lumen.lvm.data.sequences import SequenceSet
from eisv_lumen.lvm.data.splits import take_corpus
from eisv_lumen.lvm.predictors.load import predictor

CORPORA = ("wiki", "kjv", "pydoc")
BEFORE = {"wiki": 0.18, "kjv": 0.19, "pydoc": 0.12}
"""Bits over the best untrained floor that an earlier ranker had (`lvm.md` §3)."""


def claim(
    models: Path, sets: Mapping[str, SequenceSet], null: str, seeds: Sequence[int]
) -> dict[str, Any]:
    """Compare the ranker, the mean of its seeds, with each floor, window by window.

    Returns
    -------
    dict
        `corpora`: what the ranker has on each corpus's fresh articles: `bits` and `over` each
        floor, as value, low and high (95 %, over articles); the best untrained floor; the margin
        over it of each seed by itself. `test`: the same on the articles of the split `test`.
    """
    names = ["ranker", *(f"ranker-seed{s}" for s in seeds)]
    names = [name for name in names if (models / name / "training.json").is_file()]
    rankers = [predictor(str(models / name), name) for name in names]
    shuffled = predictor(str(models / null), null)
    found = {
        split: {
            corpus: _of_corpus(
                *(articles_of(take_corpus(sets[s], corpus)) for s in ("validation", split)),
                rankers, shuffled, null, BEFORE[corpus],
            )
            for corpus in CORPORA
        }
        for split in ("fresh", "test")
    }  # fmt: skip
    return {
        "schema": "eisv-lumen-claim/1",
        "corpora": found["fresh"],
        "test": found["test"],
        "seeds": len(rankers),
        "provenance": provenance("python -m tools.lvm_results claim", seed=0).model_dump(),
    }


def _of_corpus(
    fit: Sequence[Article],
    test: Sequence[Article],
    rankers: Sequence[Predictor],
    shuffled: Predictor,
    null: str,
    before: float,
) -> dict[str, Any]:
    nulls_fit, nulls_test = ({null: ask_plainly(shuffled, part)} for part in (fit, test))
    readings = []
    for model in rankers:
        fitted = calibrate(fit, Answers(ask_plainly(model, fit)), nulls_fit)
        readings.append(read(test, Answers(ask_plainly(model, test)), nulls_test, fitted))
    floors = readings[0].floor_bits
    bits = np.mean([r.bits for r in readings], axis=0)
    resamples = ArticleBootstrap(codes_of(test))
    best = max((COPY, LAG, LAG_CENTRED), key=lambda n: float(floors[n].mean()))

    def interval(values: Any) -> list[float]:
        return [float(values.mean()), *resamples.interval(values)]

    return {
        "articles": int(np.unique(codes_of(test)).size),
        "windows": bits.size,
        "uniform": float(readings[0].uniform.mean()),
        "bits": interval(bits),
        "best_untrained": best,
        "over": {name: interval(bits - floor) for name, floor in floors.items()},
        "over_best_untrained": interval(bits - floors[best]),
        "over_null": interval(bits - floors[null]),
        "by_seed": [float((r.bits - floors[best]).mean()) for r in readings],
        "before": before,
    }
