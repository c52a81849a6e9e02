"""`python -m tools.blind_results`: the blind teachers' results, exact, beside what reads nothing.

(a) `series`: balanced, unseen windows of the Lumen-like process; (b) `summary`: the real summaries
kept for evaluation, beside a random forest trained on the same Lumen-like summaries. Everything
is computed from whole laws over the 2,970 expressions; what models say besides counts as excess.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from eisv_lumen.core.files import write_json
from eisv_lumen.evaluation.report import (
    DecodedResult,
    Decoding,
    EvalReport,
    Metric,
    provenance,
    write_report,
)
from eisv_lumen.expression.coherence import percentile_interval, resample_counts
from eisv_lumen.expression.law import COHERENCE, ExpressionLaw
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.windows import (
    Corpus,
    read_corpus,
    recipe_corpora,
    recipe_examples,
    target_laws,
)
from eisv_lumen.teacher.evaluation.evaluate import teacher_report
from eisv_lumen.teacher.evaluation.score import expression_pmf
from eisv_lumen.teacher.models.load import load_teacher
from eisv_lumen.teacher.recipe import DataRecipe, load_recipe
from eisv_lumen.teacher.training.train import train
from eisv_lumen.trajectory.simulate.lumen_like import balanced_summaries, summaries_like_real
from eisv_lumen.trajectory.sources.summaries import for_fitting, read_summaries

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "lumen_real_windows.jsonl"
OUT = ROOT / "results" / "blind"
TEMPERATURES = (1.0, 0.3)
TEST_PER_SHAPE = 200  # of the 400 held out; with 60 two such sets differ by a tenth of the score
Floats = np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.blind_results", description=__doc__)
    parser.add_argument("names", nargs="*", default=["series", "summary"])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where models are kept")
    args = parser.parse_args()
    for name in args.names:
        make(name, args.runs)


def make(name: str, runs: Path) -> None:
    """Train (or find) a blind teacher and write its two results files."""
    recipe = load_recipe(f"tiny-blind-{name}")
    folder = runs / recipe.name
    corpora = recipe_corpora(recipe.data, ["train", "test"])
    record = train(recipe, recipe_examples(recipe.data, corpora["train"]), folder)
    if name == "series":
        corpus = first_of_each(corpora["test"], TEST_PER_SHAPE)
        facts = {"windows": "balanced, Lumen-like, unseen", "per_shape": TEST_PER_SHAPE}
    else:
        corpus, facts = read_corpus(folder, REAL)
    speakers = {"teacher": teacher_laws(folder, corpus), **blind_speakers(corpus, name)}
    if name == "summary":
        speakers["forest"] = forest_laws(recipe.data)
    result = {
        "schema": "eisv-lumen-blind/1",
        "name": name,
        "n": len(corpus),
        "per_shape": dict(
            zip(SHAPES, np.bincount(corpus.shape, minlength=len(SHAPES)).tolist(), strict=True)
        ),
        "weighting": "macro over shapes" if name == "series" else "mean over windows",
        "training": {k: record[k] for k in ("cpu_s", "wall_s", "steps", "parameters")},
        "speakers": {k: scores(laws, corpus, name == "series") for k, laws in speakers.items()},
        "provenance": provenance(
            f"python -m tools.blind_results {name}",
            seed=recipe.seed,
            data=facts,
            recipe=record["recipe"],
        ).model_dump(mode="json"),
    }
    if "forest" in speakers:
        apart = excess_nats(speakers["teacher"], corpus) - excess_nats(speakers["forest"], corpus)
        result["teacher_less_forest"] = {"excess_nats": interval(apart, corpus.shape, False)}
    write_json(OUT / f"{name}-exact.json", result)
    for speaker, found in result["speakers"].items():
        say(f"{name:<8} {speaker:<12} " + "  ".join(f"{k} {v[0]:.4f}" for k, v in found.items()))
    report = teacher_report(
        folder,
        corpus.prompts,
        corpus.shape,
        name=f"blind-{name}",
        title=f"tiny, blind, {'series' if name == 'series' else 'on real summaries'}",
        command=f"python -m tools.blind_results {name}",
        data=facts,
        note="The prompt names no shape: what is scored is reading, too.",
        say=say,
    )
    write_report(report, OUT / ("series.json" if name == "series" else "summary-real.json"))
    if name == "summary":
        for speaker, title in (
            ("teacher", "blind teacher"),
            ("forest", "random forest"),
            ("constant", "always `convergence`"),
        ):
            write_report(
                exact_report(result, speaker, f"{title}, on real summaries"),
                OUT / f"{speaker}-real.json",
            )


def first_of_each(corpus: Corpus, n: int) -> Corpus:
    """Return the first `n` windows of each shape."""
    index = np.concatenate(
        [np.flatnonzero(corpus.shape == code)[:n] for code in range(len(SHAPES))]
    )
    return Corpus([corpus.prompts[i] for i in index], corpus.shape[index])


def exact_report(result: dict[str, Any], speaker: str, title: str) -> EvalReport:
    """Return a speaker's exact scores in the schema of all reports."""
    found = {name: result["speakers"][name] for name in (speaker, "ignorant", "perfect")}

    def metric(measure: str) -> Metric:
        value, low, high = found[speaker][measure]
        excess = measure == "excess_nats"
        return Metric(
            value=value,
            low=low,
            high=high,
            floor=found["ignorant"][measure][0] if excess else None,
            perfect=found["perfect"][measure][0],
            ceiling=None if excess else 1.0,
        )

    warm = {"coherence": metric("coherence_1"), "excess_nats": metric("excess_nats")}
    cold = {"coherence": metric("coherence_0.3")}
    return EvalReport(
        kind="exact",
        name=f"{speaker}-real",
        title=title,
        target="initial",
        note="Computed from the speaker's whole law of each window; only the windows are a sample.",
        results=[
            DecodedResult(
                decoding=Decoding(temperature=t, top_k=0, top_p=1.0), n=result["n"], metrics=m
            )
            for t, m in ((1.0, warm), (0.3, cold))
        ],
        provenance=result["provenance"],
    )


def teacher_laws(folder: Path, corpus: Corpus) -> dict[float, Floats]:
    """Return the teacher's law of each window at each temperature, (n, 2970)."""
    teacher = load_teacher(folder)
    return {t: expression_pmf(teacher, corpus.prompts, temperature=t) for t in TEMPERATURES}


def mixtures(weights: Floats) -> dict[float, Floats]:
    """Return the laws of speakers that draw a shape with given weights (n, 9), then its law."""
    pmf = weights @ np.stack([law.pmf for law in target_laws("initial")])
    cold = np.stack([ExpressionLaw(row).tempered(0.3).pmf for row in pmf])
    return {1.0: pmf, 0.3: cold}


def blind_speakers(corpus: Corpus, name: str) -> dict[str, dict[float, Floats]]:
    """Return who reads nothing, and who knows all."""
    n = len(corpus)
    constant = np.zeros((n, len(SHAPES)))
    constant[:, SHAPES.index("convergence")] = 1
    prior = np.full((n, len(SHAPES)), 1 / len(SHAPES))
    if name == "summary":
        prior[:] = np.bincount(corpus.shape, minlength=len(SHAPES)) / n
    return {
        "ignorant": mixtures(prior),
        "constant": mixtures(constant),
        "perfect": mixtures(np.eye(len(SHAPES))[corpus.shape]),
    }


def forest_laws(data: DataRecipe) -> dict[float, Floats]:
    """Return what a forest makes of the real summaries, taught on the teacher's Lumen-like ones.

    The synthetic ones among the teacher's are left out: no real window is such. With or without the
    part that is balanced, and with one of three leaf sizes: as does best on the half of the real
    summaries for fitting.
    """
    natural = summaries_like_real(data.n, 3 * data.seed)
    first = balanced_summaries(data.balanced_first, 3 * data.seed)
    both = tuple(np.concatenate(parts) for parts in zip(first, natural, strict=True))
    real = read_summaries(REAL)
    fit = for_fitting(real.id)
    best: tuple[float, Any] | None = None
    for (shape, summary), leaf in itertools.product((natural, both), (1, 3, 10)):
        forest = RandomForestClassifier(300, min_samples_leaf=leaf, random_state=0, n_jobs=2)
        forest.fit(np.round(summary, 4), shape)
        weights = np.zeros((len(real), len(SHAPES)))
        weights[:, forest.classes_] = forest.predict_proba(real.values)
        fitted = Corpus([""] * int(fit.sum()), real.shape[fit])
        excess = scores(mixtures(weights[fit]), fitted, False)["excess_nats"][0]
        say(f"forest, {len(shape)} rows, leaves of {leaf}: {excess:.4f} on the fitting half")
        if best is None or excess < best[0]:
            best = (excess, weights[~fit])
    assert best is not None
    return mixtures(best[1])


def excess_nats(laws: dict[float, Floats], corpus: Corpus) -> Floats:
    """Return each window's divergence of its true law from the speaker's [nats], (n,)."""
    truth = np.stack([law.pmf for law in target_laws("initial")])[corpus.shape]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(truth > 0, truth * np.log(truth / laws[1.0]), 0.0).sum(1)
    return found


def scores(laws: dict[float, Floats], corpus: Corpus, macro: bool) -> dict[str, Sequence[float]]:
    """Return value, low and high (95 %, bootstrap within shapes) of each measure."""
    columns = {"excess_nats": excess_nats(laws, corpus)}
    for t, pmf in laws.items():
        columns[f"coherence_{t:g}"] = (pmf * COHERENCE[corpus.shape]).sum(1)
    return {name: interval(values, corpus.shape, macro) for name, values in columns.items()}


def interval(values: Floats, shape: Floats, macro: bool) -> list[float]:
    """Return the mean of windows' values, or of their shapes' means, low and high."""
    count = np.bincount(shape, minlength=len(SHAPES))
    weight = (
        1 / (count[shape] * (count > 0).sum()) if macro else np.full(len(shape), 1 / len(shape))
    )
    resampled = resample_counts(shape, 2000, 0) * weight
    return [float(values @ weight), *percentile_interval(resampled @ values)]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
