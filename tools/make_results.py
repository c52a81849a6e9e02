"""`make results`: make the committed results again, one after the other.

Each model is trained to runs/<name> (a run that was killed goes on), evaluated, and its report
written to results/. Names on the command line choose some of them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from eisv_lumen.evaluation.report import write_report
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.windows import Corpus, read_corpus, recipe_corpora, recipe_examples
from eisv_lumen.teacher.evaluation.evaluate import teacher_report
from eisv_lumen.teacher.prompt.messages import render_windows
from eisv_lumen.teacher.recipe import load_recipe
from eisv_lumen.teacher.training.train import train
from eisv_lumen.trajectory.dataset.schema import synthesize, windows_from_table

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "lumen_real_windows.jsonl"
PER_SHAPE, TEST_SEED = 50, 9_000
_LAWS = {"initial": "the initial law", "learned": "the law learned by feedback"}


@dataclass(frozen=True)
class Run:
    """A recipe with a target, and what it is evaluated on."""

    recipe: str
    target: str
    on_real: bool = False

    @property
    def name(self) -> str:
        """Its name among the results: v4, or v4-learned."""
        short = self.recipe.removeprefix("tiny-")
        return short if self.target == "initial" or short == "feedback" else f"{short}-learned"


RUNS = [
    Run(f"tiny-v{k}", target, on_real=k in (5, 6, 7))
    for target in ("initial", "learned")
    for k in (1, 3, 4, 5, 6, 7)
] + [Run("tiny-feedback", "learned", on_real=True)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.make_results", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(r.name for r in RUNS)}")
    names = parser.parse_args().names
    for run in RUNS:
        if not names or run.name in names:
            make(run)


def make(run: Run) -> None:
    """Train and evaluate one run."""
    say(f"\n{run.name}")
    recipe = load_recipe(run.recipe)
    data = recipe.data.model_copy(update={"target": run.target})
    recipe = recipe.model_copy(update={"data": data, "name": f"{recipe.name}, {run.target}"})
    folder = ROOT / "runs" / run.name
    corpus = recipe_corpora(data, ["train"])["train"]
    train(recipe, recipe_examples(data, corpus), folder)
    version = run.name.split("-")[0]
    version = "on Lumen-like summaries" if version == "feedback" else version.upper()
    windows = windows_from_table(synthesize(dict.fromkeys(SHAPES, PER_SHAPE), seed=TEST_SEED))
    sets: dict[str, tuple[Corpus, dict[str, object], str]] = {
        run.name: (
            Corpus(render_windows(windows, data.style), windows.shape),
            {"windows": "synthetic, 20 states", "per_shape": PER_SHAPE, "seed": TEST_SEED},
            f"tiny {version}, {_LAWS[run.target]}",
        )
    }
    if run.on_real and REAL.is_file():
        real, facts = read_corpus(folder, REAL)
        sets[f"{run.name}-real"] = (
            real,
            facts,
            f"tiny {version}, on real windows, {_LAWS[run.target]}",
        )
    elif run.on_real:
        say(f"{REAL} is not there: {run.name} is not evaluated on real summaries")
    for name, (held_out, facts, title) in sets.items():
        report = teacher_report(
            folder,
            held_out.prompts,
            held_out.shape,
            name=name,
            title=title,
            command=f"python -m tools.make_results {run.name}",
            data=facts,
            note="The prompt names the shape: this is imitation, not reading.",
            say=say,
        )
        write_report(report, ROOT / "results" / "tiny" / f"{name}.json")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
