r"""`python -m tools.lvm_results`: every latent vector model trained, and tested beside its nulls.

Reads runs/lvm/sequences, which these commands make (python3-doc: see `lvm/texts.py`):

    eisv-lumen lvm embed wiki --out runs/lvm/wiki
    eisv-lumen lvm embed kjv --parts --out runs/lvm/kjv
    eisv-lumen lvm embed pydoc --articles 150 --draw permutation --out runs/lvm/pydoc
    eisv-lumen lvm embed stdlib --articles 100 --draw permutation --out runs/lvm/stdlib
    for n in 35 40 48 62 75; do
        eisv-lumen lvm embed kjv --parts --words $n --out runs/lvm/kjv-$n
    done
    eisv-lumen lvm embed wiki --by words --words 60 --parts --out runs/lvm/wiki-60
    eisv-lumen lvm embed pydoc --articles 150 --draw permutation --by words --words 60 --parts \
        --out runs/lvm/pydoc-60
    recut=$(printf -- '--recut runs/lvm/%s ' kjv-{35,40,48,62,75} wiki-60 pydoc-60)
    eisv-lumen lvm sequences runs/lvm/{wiki,kjv,pydoc} --ood runs/lvm/stdlib $recut \
        --draw permutation --out runs/lvm/sequences

The ranker learns from train-recut: train, and its texts cut otherwise. All others learn from train.
Keeps models in runs/lvm/models; writes results/lvm-CORPUS/*.json (one report a model), and in
results/lvm runs.json (what training cost and said), claim.json, margins.json and orders.json. What
is done is skipped. Temperatures and floors are fitted to validation articles; fresh and test ones
were kept out of all tuning.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from eisv_lumen.core.files import read_json, write_json
from eisv_lumen.evaluation.report import provenance
from eisv_lumen.lvm.alignment.align import align
from eisv_lumen.lvm.alignment.predictions import Predictor
from eisv_lumen.lvm.alignment.report import rounded, write_alignment
from eisv_lumen.lvm.data.build import RECUT
from eisv_lumen.lvm.data.known_processes import ROTATION, Process, ar1
from eisv_lumen.lvm.data.sequences import SequenceSet
from eisv_lumen.lvm.data.splits import subsample, take_corpus
from eisv_lumen.lvm.data.storage import read_sequences
from eisv_lumen.lvm.predictors.baselines import baseline, shuffled_articles
from eisv_lumen.lvm.predictors.load import facts_of, predictor
from eisv_lumen.lvm.training.recipe import Recipe, load_recipe
from eisv_lumen.lvm.training.train import train

from .lvm_claim import CORPORA, claim
from .lvm_margins import margins, orders

ROOT = Path(__file__).parents[1]
SEQUENCES = ROOT / "runs" / "lvm" / "sequences"
MODELS = ROOT / "runs" / "lvm" / "models"
OUT = ROOT / "results"
WINDOWS, VALIDATION_WINDOWS = 4_000, 1_000
"""What models of vectors train and are watched on: a CPU's share. The ranker takes all."""
NULL = "ranker-shuffled"
FLOORS = (
    "copy-last", "context-mean", "minus-last", "random", "lag-cosine", "lag-cosine-centred",
    "ridge", "ridge-shuffled", "oracle",
)  # fmt: skip
RECIPES = (
    "p1", "p8", "p5.1", "p6b-v2.2", "p7", "p2", "p6", "v3", "p3", "p4", "p5", "p5-pos20",
    "p6b-v1", "p6b-v2.1", "p6b-v2.3", "p7-lstm",
)  # fmt: skip
REPEATED, SEEDS = ("ranker", "p1", "p8", "p5.1", "p6b-v2.2"), (1, 2)
PROCESSES = {"ar1": ar1(0.5), "rotation": ROTATION}


@dataclass(frozen=True)
class Run:
    """A recipe with a seed; `shuffled`: on articles without order; `whole`: on all windows."""

    recipe: str
    seed: int = 0
    shuffled: bool = False
    whole: bool = False

    @property
    def name(self) -> str:
        """Its name among the results: p1, p1-seed1, p1-whole, ranker-shuffled."""
        return (
            self.recipe
            + ("-shuffled" if self.shuffled else "")
            + ("-whole" if self.whole else "")
            + (f"-seed{self.seed}" if self.seed else "")
        )


RUNS = (
    Run("ranker", shuffled=True),
    Run("ranker"),
    *(Run("ranker", seed) for seed in SEEDS),
    *(Run(recipe) for recipe in RECIPES),
    *(Run(recipe, seed) for recipe in REPEATED[1:] for seed in SEEDS),
    Run("p1", whole=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.lvm_results", description=__doc__)
    known = [*(r.name for r in RUNS), *FLOORS, *PROCESSES, "claim", "margins", "orders"]
    parser.add_argument("names", nargs="*", metavar="name", help=f"some of {', '.join(known)}")
    names = parser.parse_args().names or known
    if unknown := set(names) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: one of {', '.join(known)}")
    for run in RUNS[:2]:
        if run.name in names:
            of_run(run)
    for name in (n for n in FLOORS if n in names):
        of_floor(name)
    if "claim" in names:
        write_json(OUT / "lvm" / "claim.json", rounded(claim(MODELS, sets(), NULL, SEEDS)))
    for run in RUNS[2:]:
        if run.name in names:
            of_run(run)
    for name in (n for n in PROCESSES if n in names):
        of_process(name, PROCESSES[name])
    if "margins" in names:
        write_json(OUT / "lvm" / "margins.json", rounded(margins(MODELS, sets(), PROCESSES)))
    if "orders" in names:
        write_json(OUT / "lvm" / "orders.json", rounded(orders(OUT)))


@cache
def sets() -> dict[str, SequenceSet]:
    """Return the splits, read once."""
    return {name: read_sequences(SEQUENCES / name) for name in
            ("train", RECUT, "validation", "test", "fresh", "ood")}  # fmt: skip


def of_run(run: Run) -> None:
    """Train a model, or find it trained; test it on each corpus."""
    folder = MODELS / run.name
    recipe = load_recipe(run.recipe, "small")
    training, validation = training_set(recipe), sets()["validation"]
    if not (recipe.objective.over_article or run.whole):
        training = subsample(training, WINDOWS, 0)
        validation = subsample(validation, VALIDATION_WINDOWS, 0)
    if run.shuffled:
        training = shuffled_articles(training, run.seed)
    say(f"\n{run.name}")
    train(recipe, training, validation, folder, seed=run.seed, device="cpu")
    write_json(OUT / "lvm" / "runs.json", rounded(trained()))
    test_on_corpora(run.name, lambda: predictor(str(folder), run.name))


def training_set(recipe: Recipe) -> SequenceSet:
    """Return what a recipe learns from, whole."""
    return sets()[RECUT if recipe.objective.over_article else "train"]


def of_floor(name: str) -> None:
    """Test what needs no training, or one linear solve, on each corpus."""
    say(f"\n{name}")
    given = sets()
    asked = [given[part] for part in ("validation", "fresh", "ood")]
    test_on_corpora(
        name,
        lambda: baseline(name, train=given["train"], validation=given["validation"], asked=asked),
    )


def test_on_corpora(name: str, make: object) -> None:
    """Write a model's report on the fresh articles of each corpus; what is there stays."""
    assert callable(make)
    for corpus in CORPORA:
        path = OUT / f"lvm-{corpus}" / f"{name}.json"
        if path.exists():
            continue
        model: Predictor = make()
        nulls = [] if model.ahead else [n for n in null_models() if n.name != name]
        report = align(
            model,
            validation=take_corpus(sets()["validation"], corpus),
            test=take_corpus(sets()["fresh"], corpus),
            ood=sets()["ood"],
            nulls=nulls,
            names={"validation": f"{corpus}, validation", "test": f"{corpus}, fresh articles",
                   "ood": "docstrings of Python's library"},
            provenance=provenance(
                f"python -m tools.lvm_results {name}", seed=0, data={"corpus": corpus},
                model=facts_of(MODELS / name) if (MODELS / name).is_dir() else {"model": name},
            ),
        )  # fmt: skip
        write_alignment(report, path)
        [first] = [gate for gate in report.gates if gate.name == "G1"]
        say(f"{corpus:<6} {first.value:.3f} bits, over {first.floor_name} {first.margin:+.3f} "
            f"[{first.margin_low:+.3f}, {first.margin_high:+.3f}]")  # fmt: skip


@cache
def null_models() -> tuple[Predictor, ...]:
    """Return what was taught without order; it stands among every model's floors."""
    given = sets()
    ridge = baseline("ridge-shuffled", train=given["train"], validation=given["validation"])
    return predictor(str(MODELS / NULL), NULL), ridge


def of_process(name: str, process: Process) -> None:
    """Test baselines, p1 and the optimum where the optimum is known."""
    say(f"\n{name}")
    drawn = {}
    for seed, (part, n) in enumerate((("train", 60), ("validation", 20), ("test", 40))):
        chains = process.sample(n, 60, seed)
        named = tuple(f"{part}/{chain}" for chain in chains.article_ids)
        drawn[part] = replace(chains, article_ids=named)
    best = Predictor("exact optimum", process.predict)
    folder = MODELS / f"p1-{name}"
    recipe = load_recipe("p1", "small")
    train(recipe, drawn["train"], drawn["validation"], folder, device="cpu")
    given = {"train": drawn["train"], "validation": drawn["validation"]}
    models = [best, predictor(str(folder), "p1")]
    models += [
        baseline(n, asked=list(drawn.values()), **given)
        for n in ("copy-last", "context-mean", "minus-last", "random", "ridge", "oracle")
    ]
    for model in models:
        path = OUT / f"lvm-{name}" / f"{model.name.replace(' ', '-')}.json"
        if path.exists():
            continue
        report = align(
            model, validation=drawn["validation"], test=drawn["test"], optimum=best,
            names={"test": name},
            provenance=provenance(
                f"python -m tools.lvm_results {name}", seed=0,
                data={"resultant": process.resultant, "angle": process.angle, "dim": process.dim},
            ),
        )  # fmt: skip
        write_alignment(report, path)


def trained() -> dict[str, object]:
    """Return what each training cost and said, from the records beside the models.

    Of models that are no longer there, what was said of them stays.
    """
    shown = ("bits", "cosine", "margin", "r1_six", "r5_six", "r5_article", "lambda_eff", "rho")
    before = OUT / "lvm" / "runs.json"
    out: dict[str, object] = read_json(before)["runs"] if before.is_file() else {}
    for path in sorted(MODELS.glob("*/training.json")):
        record = read_json(path)
        out[path.parent.name] = {
            key: record[key] for key in
            ("seed", "data", "outcome", "parameters", "steps", "cpu_s", "wall_s", "readings",
             "versions")
        } | {
            "recipe": record["recipe"]["name"],
            "epochs": [
                {"stage": stage["stage"], "retry": stage["retry"], "epoch": entry["epoch"]}
                | {k: entry[f"eval_{k}"] for k in shown if f"eval_{k}" in entry}
                for stage in record["stages"]
                for entry in stage["log"]
                if "eval_cosine" in entry
            ],
        }  # fmt: skip
    return {"schema": "eisv-lumen-lvm-runs/1", "runs": dict(sorted(out.items()))}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
