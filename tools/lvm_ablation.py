"""`python -m tools.lvm_ablation`: which part of the ranker its margin comes from.

The ranker is the pool-centred lag-cosine with three things learned: the weights of the lags, a
price on crowded candidates (two numbers), and a low-rank change of the metric. Here it is trained
without the price, without the metric and without both, by its own recipe, and each is read beside
it on the fresh articles, its temperature fitted to validation articles as in `tools.lvm_claim`.
Reads runs/lvm/sequences, keeps the parts in runs/lvm/ablation, writes results/lvm/ablation.json;
what is trained is not trained again, whole rankers in runs/lvm/models included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eisv_lumen.evaluation.report import provenance
from eisv_lumen.files import write_json
from eisv_lumen.lvm.alignment.answers import Predictor, articles_of, ask_plainly
from eisv_lumen.lvm.alignment.articles import Article, codes_of
from eisv_lumen.lvm.alignment.measure import calibrate, read
from eisv_lumen.lvm.alignment.readings import LAG_CENTRED, Answers, Readings
from eisv_lumen.lvm.alignment.report import rounded
from eisv_lumen.lvm.alignment.resampling import ArticleBootstrap
from eisv_lumen.lvm.model_files import predictor
from eisv_lumen.lvm.models import Ranker, load_predictor
from eisv_lumen.lvm.recipe import load_recipe
from eisv_lumen.lvm.splits import take_corpus
from eisv_lumen.lvm.train import train

from .lvm_claim import CORPORA
from .lvm_results import MODELS, OUT, SEEDS, Run, say, sets

PARTS: dict[str, dict[str, Any]] = {
    "weights": {"rank": 0, "crowding": False},
    "crowding": {"rank": 0},
    "metric": {"crowding": False},
    "whole": {},
}
"""Fields laid over `model` of the ranker's recipe; the weights of the lags are learned in all."""
FLOOR = "floor"
DIFFERENCES = (
    ("weights", FLOOR), ("crowding", FLOOR), ("metric", FLOOR), ("whole", FLOOR),
    ("whole", "crowding"), ("whole", "metric"),
)  # fmt: skip

Doubles = npt.NDArray[np.float64]


def main() -> None:
    seeds = (0, *SEEDS)
    records = {part: [trained(part, seed) for seed in seeds] for part in PARTS}
    models = {
        part: [predictor(str(folder_of(part, seed)), part) for seed in seeds] for part in PARTS
    }
    found = {
        "schema": "eisv-lumen-ablation/1",
        "seeds": list(seeds),
        "floor": LAG_CENTRED,
        "parts": {
            part: {
                "model": PARTS[part],
                "parameters": runs[0]["parameters"],
                "learned": [numbers(part, seed) for seed in seeds],
                "validation_bits": [run["readings"]["bits"] for run in runs],
            }
            for part, runs in records.items()
        },
        "corpora": {corpus: of_corpus(corpus, models) for corpus in CORPORA},
        "provenance": provenance(
            "python -m tools.lvm_ablation",
            seed=0,
            data=records["whole"][0]["data"],
            model={"recipe": records["whole"][0]["recipe"], "seeds": list(seeds)},
        ).model_dump(),
    }
    write_json(OUT / "lvm" / "ablation.json", rounded(found))


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
    given = sets()
    return train(
        recipe, given["train"], given["validation"], folder_of(part, seed), seed=seed, device="cpu"
    )


def numbers(part: str, seed: int) -> dict[str, Any]:
    """Return what was learned beside the metric."""
    model = load_predictor(folder_of(part, seed))
    assert isinstance(model, Ranker)
    return model.numbers()


def of_corpus(corpus: str, models: Mapping[str, Sequence[Predictor]]) -> dict[str, Any]:
    """Read parts and floor on the fresh articles of a corpus.

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
    resamples = ArticleBootstrap(codes_of(test))

    def interval(values: Doubles) -> list[float]:
        return [float(values.mean()), *resamples.interval(values)]

    return {
        "articles": len(test),
        "windows": bits[FLOOR].size,
        "bits": {name: interval(values) for name, values in bits.items()},
        "differences": {f"{a} over {b}": interval(bits[a] - bits[b]) for a, b in DIFFERENCES},
        "by_seed": {part: [float(r.bits.mean()) for r in s] for part, s in readings.items()},
    }


def reading_of(model: Predictor, fit: Sequence[Article], test: Sequence[Article]) -> Readings:
    """Read a model on some articles, floors and temperature fitted to others."""
    fitted = calibrate(fit, Answers(ask_plainly(model, fit)), {})
    return read(test, Answers(ask_plainly(model, test)), {}, fitted)


if __name__ == "__main__":
    main()
