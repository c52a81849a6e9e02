"""`python -m tools.lvm_ablation`: which part of the ranker its margin comes from.

The ranker is the pool-centred lag-cosine with learned weights of the lags, a price on crowded
candidates (two numbers), and a network over where each candidate stands in the pool. Here it is
trained without parts, and with a low-rank change of the metric in the network's place, as an
earlier recipe had it; each is read beside it on the fresh articles, its temperature fitted to
validation articles as in `tools.lvm_claim`. Beside them stand `TUNED`: what a few numbers do that
are fitted to validation articles, as the floor's are.
Reads runs/lvm/sequences, keeps the parts in runs/lvm/ablation, writes results/lvm/ablation.json;
what is trained is not trained again, whole rankers in runs/lvm/models included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eisv_lumen.core.files import write_json
from eisv_lumen.evaluation.report import provenance
from eisv_lumen.lvm.alignment.articles import Article, Floats, codes_of, unit
from eisv_lumen.lvm.alignment.bootstrap import ArticleBootstrap
from eisv_lumen.lvm.alignment.fit_and_read import calibrate, read
from eisv_lumen.lvm.alignment.floors import lag_cosines
from eisv_lumen.lvm.alignment.identification import fit_logit, identify
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask_plainly
from eisv_lumen.lvm.alignment.records import LAG_CENTRED, Answers, Readings
from eisv_lumen.lvm.alignment.report import rounded
from eisv_lumen.lvm.data.splits import take_corpus
from eisv_lumen.lvm.models import Ranker, load_predictor
from eisv_lumen.lvm.predictors.load import predictor
from eisv_lumen.lvm.training.recipe import load_recipe
from eisv_lumen.lvm.training.train import train

from .lvm_claim import CORPORA
from .lvm_results import MODELS, OUT, SEEDS, Run, say, sets, training_set

UNCUT = "uncut"
"""The part that learns from `train` alone."""
PARTS: dict[str, dict[str, Any]] = {
    "weights": {"crowding": False, "rank": 0, "hidden": 0},
    "crowding": {"rank": 0, "hidden": 0},
    "earlier": {"rank": 64, "hidden": 0},
    "network": {"rank": 0},
    "unheard": {"heard": 0},
    UNCUT: {},
    "whole": {},
}
"""Fields laid over `model` of the ranker's recipe; the weights of the lags are learned in all."""
FLOOR = "floor"
TUNED = ("spread", "price", "ranks")
"""Few numbers, fitted to validation articles corpus by corpus: the floor in units of the spread of
cosines in the article (5 numbers), with a price on crowds (7), with two ranks (7)."""
DIFFERENCES = (
    *((name, FLOOR) for name in (*TUNED, *PARTS)),
    *(("whole", name) for name in (*TUNED, *PARTS) if name != "whole"),
)
_BETAS = (2.0, 4.0, 8.0, 16.0)

Doubles = npt.NDArray[np.float64]


def main() -> None:
    records = {part: [trained(part, seed) for seed in seeds_of(part)] for part in PARTS}
    models = {
        part: [predictor(str(folder_of(part, seed)), part) for seed in seeds_of(part)]
        for part in PARTS
    }
    found = {
        "schema": "eisv-lumen-ablation/1",
        "seeds": {part: list(seeds_of(part)) for part in PARTS},
        "floor": LAG_CENTRED,
        "parts": {
            part: {
                "model": PARTS[part],
                "parameters": runs[0]["parameters"],
                "learned": [numbers(part, seed) for seed in seeds_of(part)],
                "validation_bits": [run["readings"]["bits"] for run in runs],
            }
            for part, runs in records.items()
        },
        "corpora": {corpus: of_corpus(corpus, models) for corpus in CORPORA},
        "provenance": provenance(
            "python -m tools.lvm_ablation",
            seed=0,
            data=records["whole"][0]["data"],
            model={"recipe": records["whole"][0]["recipe"], "seeds": list(seeds_of("whole"))},
        ).model_dump(),
    }
    write_json(OUT / "lvm" / "ablation.json", rounded(found))


def seeds_of(part: str) -> tuple[int, ...]:
    """Return the seeds a part is trained with: the whole's differ by some thousandths of a bit."""
    return (0, *SEEDS) if part == "whole" else (0,)


def folder_of(part: str, seed: int) -> Path:
    """Where a part is kept; the whole is where `tools.lvm_results` keeps it."""
    if part == "whole":
        return MODELS / Run("ranker", seed).name
    return MODELS.with_name("ablation") / Run(part, seed).name


def trained(part: str, seed: int) -> dict[str, Any]:
    """Train the ranker without what `part` leaves out, or find it trained."""
    recipe = load_recipe("ranker", "small")
    recipe = recipe.model_copy(update={"model": recipe.model | PARTS[part]})
    say(f"\n{part}, seed {seed}")
    training = sets()["train"] if part == UNCUT else training_set(recipe)
    return train(
        recipe, training, sets()["validation"], folder_of(part, seed), seed=seed, device="cpu"
    )


def numbers(part: str, seed: int) -> dict[str, Any]:
    """Return what was learned beside the metric."""
    model = load_predictor(folder_of(part, seed))
    assert isinstance(model, Ranker)
    return model.numbers()


def of_corpus(corpus: str, models: Mapping[str, Sequence[Predictor]]) -> dict[str, Any]:
    """Read parts, floor and what is tuned on the fresh articles of a corpus.

    Returns
    -------
    dict
        `bits` over a uniform guess, and `differences` of them window by window, of the means over
        seeds: value, low and high (95 %, over articles). `by_seed`: the bits of each seed.
    """
    fit, test = (articles_of(take_corpus(sets()[s], corpus)) for s in ("validation", "fresh"))
    readings = {
        part: [reading_of(model, fit, test) for model in seeds] for part, seeds in models.items()
    }
    bits = {part: np.mean([r.bits for r in seeds], axis=0) for part, seeds in readings.items()}
    bits[FLOOR] = readings["whole"][0].floor_bits[LAG_CENTRED]
    bits |= {name: tuned(name, fit, test) for name in TUNED}
    resamples = ArticleBootstrap(codes_of(test))

    def interval(values: Doubles) -> list[float]:
        return [float(values.mean()), *resamples.interval(values)]

    return {
        "articles": int(np.unique(codes_of(test)).size),
        "windows": bits[FLOOR].size,
        "bits": {name: interval(values) for name, values in bits.items()},
        "differences": {f"{a} over {b}": interval(bits[a] - bits[b]) for a, b in DIFFERENCES},
        "by_seed": {part: [float(r.bits.mean()) for r in s] for part, s in readings.items()},
        "reciprocal": {
            part: float(np.mean([r.reciprocal.mean() for r in s])) for part, s in readings.items()
        },
    }


def tuned(name: str, fit: Sequence[Article], test: Sequence[Article]) -> Doubles:
    """Bits of one of `TUNED` on some articles, its numbers fitted to others."""
    best: tuple[float, Doubles, float] | None = None
    for beta in _BETAS if name == "price" else (0.0,):
        weights, value = fit_logit(fit, (numbers_of(name, a, beta) for a in fit))
        if best is None or value > best[0]:
            best = value, weights, beta
    assert best is not None
    _, weights, beta = best
    scores = [
        np.einsum("f,nfm->nm", weights.astype(np.float32), numbers_of(name, a, beta)) for a in test
    ]
    return identify(test, scores).bits


def numbers_of(name: str, article: Article, beta: float) -> Floats:
    """Return what one of `TUNED` reads of each window's candidates, shape (n, F, m)."""
    lags = lag_cosines(article, centred=True)
    chunks = unit(article.chunks - article.chunks.mean(axis=0))
    among = chunks @ chunks.T
    apart = ~np.eye(len(among), dtype=bool)
    if name == "spread":
        return np.asarray(lags / among[apart].std(), np.float32)
    if name == "price":
        crowd = np.log((np.exp(beta * among) * apart).sum(axis=0))
        more = [np.broadcast_to(crowd, lags[:, 0].shape)]
    else:
        newest = lags[:, -1]
        open_ = np.ones_like(newest, dtype=bool)
        np.put_along_axis(open_, article.context_rows, False, axis=1)
        nearer = (among[None] > newest[:, None, :]) & apart & open_[:, :, None]  # (n, z, m)
        ahead = (newest[:, :, None] > newest[:, None, :]) & open_[:, :, None]
        more = [np.log1p(nearer.sum(axis=1)), np.log1p(ahead.sum(axis=1))]
    return np.concatenate([lags, np.stack(more, axis=1)], axis=1).astype(np.float32)


def reading_of(model: Predictor, fit: Sequence[Article], test: Sequence[Article]) -> Readings:
    """Read a model on some articles, floors and temperature fitted to others."""
    fitted = calibrate(fit, Answers(ask_plainly(model, fit)), {})
    return read(test, Answers(ask_plainly(model, test)), {}, fitted)


if __name__ == "__main__":
    main()
