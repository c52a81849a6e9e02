"""`python -m tools.seeds`: train a recipe from several seeds, and keep each window's scores.

A seed decides weights, order, windows and draws. Each run is scored exactly, from its whole law of
every window, on windows that none of the seeds was trained on; `results/seeds/<recipe>.json` holds
the scores window by window, so that an interval can cover seeds and windows together. A run that is
done is not repeated, and one that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from eisv_lumen.core.arithmetic import pin_instruction_set
from eisv_lumen.core.files import read_json, write_json
from eisv_lumen.core.runs import weights_sha256
from eisv_lumen.evaluation.report import provenance
from eisv_lumen.expression.law import COHERENCE
from eisv_lumen.teacher.data.windows import Corpus, read_corpus, recipe_corpora, recipe_examples
from eisv_lumen.teacher.evaluation.score import expression_pmf
from eisv_lumen.teacher.models.load import load_teacher
from eisv_lumen.teacher.recipe import Recipe, load_recipe
from eisv_lumen.teacher.training.train import train
from tools.blind_results import REAL, ROOT, excess_nats, first_of_each

OUT: Final = ROOT / "results" / "seeds"
HEADLINE: Final = ("tiny-blind-summary", "tiny-blind-series")
PROGRESSION: Final = tuple(f"tiny-v{k}" for k in (1, 3, 4, 5, 6, 7))
SEEDS: Final = {
    **dict.fromkeys(HEADLINE, (42, 1, 2, 3, 4)),
    **dict.fromkeys(PROGRESSION, (42, 1, 2)),
}
TEMPERATURES: Final = (1.0, 0.3)
VALIDATION: Final = 600
"""Summaries of the validation part that are scored, in the natural mix."""
PER_SHAPE: Final = 50
"""Windows of each shape to score on, of a set that is unlimited; 200 for the series."""


def main() -> None:
    pin_instruction_set()  # before torch is imported: the same bytes on another processor
    parser = argparse.ArgumentParser(prog="python -m tools.seeds", description=__doc__)
    parser.add_argument("recipes", nargs="*", default=list(SEEDS))
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "seeds")
    args = parser.parse_args()
    for name in args.recipes:
        for seed in SEEDS[name]:
            one(name, seed, args.runs)


def one(name: str, seed: int, runs: Path) -> None:
    """Train one seed of a recipe and score it, unless its scores are there."""
    path = OUT / f"{name}.json"
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    if str(seed) in found.get("seeds", {}):
        return
    recipe = with_seed(load_recipe(name), seed)
    folder = runs / f"{name}-{seed}"
    examples = recipe_examples(recipe.data, recipe_corpora(recipe.data, ["train"])["train"])
    record = train(recipe, examples, folder)
    sets = test_sets(load_recipe(name), folder)
    teacher = load_teacher(folder)
    scores = {}
    for label, corpus in sets.items():
        laws = {t: expression_pmf(teacher, corpus.prompts, temperature=t) for t in TEMPERATURES}
        scores[label] = {
            "excess_nats": rounded(excess_nats(laws, corpus)),
            **{
                f"coherence_{t:g}": rounded((pmf * COHERENCE[corpus.shape]).sum(1))
                for t, pmf in laws.items()
            },
        }
        mean = float(np.mean(scores[label]["excess_nats"]))
        print(f"{name} seed {seed} {label}: {mean:.4f} excess nats", file=sys.stderr, flush=True)
    found = {
        "schema": "eisv-lumen-seeds/1",
        "recipe": name,
        "shapes": {label: corpus.shape.tolist() for label, corpus in sets.items()},
        "seeds": found.get("seeds", {})
        | {
            str(seed): {
                "weights_sha256": weights_sha256(folder),
                "cpu_s": record["cpu_s"],
                "steps": record["steps"],
                "windows": scores,
            }
        },
        "provenance": provenance(
            f"python -m tools.seeds {name}", seed=seed, recipe=record["recipe"]
        ).model_dump(mode="json"),
    }
    write_json(path, found)


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """Return a recipe whose every draw comes from another seed."""
    return recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update={"seed": seed}),
            "training": {**recipe.training, "seed": seed},
        }
    )


def test_sets(recipe: Recipe, folder: Path) -> dict[str, Corpus]:
    """Return what every seed is scored on: sets of the packaged recipe's own seed."""
    if recipe.name == "tiny-blind-summary":
        whole = recipe_corpora(recipe.data, ["validation"])["validation"]
        sets = {"validation": Corpus(whole.prompts[:VALIDATION], whole.shape[:VALIDATION])}
        if REAL.is_file():
            sets["real"] = read_corpus(folder, REAL)[0]
        return sets
    per_shape = 200 if recipe.name == "tiny-blind-series" else PER_SHAPE
    return {"test": first_of_each(recipe_corpora(recipe.data, ["test"])["test"], per_shape)}


def rounded(values: Any) -> list[float]:
    return [round(float(value), 5) for value in values]


if __name__ == "__main__":
    main()
