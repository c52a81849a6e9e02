"""From text to the table that compares models: offline, small, on a CPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..evaluation.report import provenance
from .alignment.align import align
from .alignment.bootstrap import MIN_ARTICLES
from .alignment.predictions import Predictor
from .alignment.report import AlignmentReport, read_alignment, write_alignment
from .data.build import Plan, build_splits
from .data.chunking import Article, Cut, cut_all
from .data.corpus import corpus_name, draw, read_articles
from .data.data_gates import check
from .data.embed import Encoder, Progress, embed_articles
from .data.storage import read_sequences, write_chunks
from .data.texts import usual_cut
from .predictors.load import facts_of, predictor
from .training.recipe import load_recipe

__all__ = ["DemoSize", "meaning", "run_demo"]

Say = Callable[[str], None]

_SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
_COMPARED = ("copy-last", "lag-cosine-centred", "ridge", "p1", "ranker", "oracle")


@dataclass(frozen=True)
class DemoSize:
    """How much the demo does; the defaults take about two minutes on two quiet cores.

    Attributes
    ----------
    articles
        Drawn of those that are long enough.
    shortest, longest
        Chunks of an article, at least (or as many as `longest`) and, its first, at most.
    epochs
        Of p1.
    """

    articles: int = 90
    shortest: int = 15
    longest: int = 40
    epochs: int = 8


def run_demo(
    out: str | os.PathLike[str],
    *,
    source: str = "stdlib",
    seed: int = 0,
    size: DemoSize | None = None,
    say: Say = print,
    progress: Progress = lambda done, total: None,
) -> list[AlignmentReport]:
    """Embed a text, check it, train p1 and the ranker, and test them beside what needs no training.

    What is already embedded or trained is not done again, so a run that was killed goes on.

    Parameters
    ----------
    out
        Folder for everything: cache, chunks, sequences, models, reports.
    source
        As for `corpus.read_articles`.
    seed
        Of all draws.
    size
        How much of each.
    say, progress
        Told of steps, and of texts embedded.

    Returns
    -------
    list of AlignmentReport
        Of baselines and models, on articles that none was fitted to.

    Raises
    ------
    InputError
        The text is not there or too short, or `out` holds models of another run.
    """
    from .training.train import train

    folder, amount = Path(out), size or DemoSize()
    say("1  Text: articles, cut into chunks")
    articles, how = _articles(source, amount, seed)
    say("2  Vectors: each chunk through the encoder, alone")
    chunks = embed_articles(
        articles, how, encoder := Encoder.load(), folder / "cache", corpus=corpus_name(source),
        progress=progress,
    )  # fmt: skip
    write_chunks(chunks, folder / "chunks", encoder.provenance(1) | {"source": source})
    say(f"   {len(chunks)} chunks of {len(articles)} articles")
    say("3  Sequences: five chunks and the next one; an article is in one split")
    build_splits([folder / "chunks"], [], folder / "sequences", Plan(5, _SHARES, seed=seed))
    sets = {name: read_sequences(folder / "sequences" / name) for name in _SHARES}
    for name, windows in sets.items():
        say(f"   {name:<11}{len(windows.article_ids):>4} articles{len(windows):>7} windows")
    say("4  The data's gates")
    for gate in (found := check(sets["train"], sets["validation"])).gates:
        say(f"   {gate.name}, {gate.split}: {gate.value:+.3f}{'' if gate.passed else '  FAILS'}")
    if not found.passed:
        say("   the demo goes on; `lvm train` would ask for --force")
    say("5  Models: p1 says the next vector, the ranker which chunk is next")
    for name in ("p1", "ranker"):
        recipe = load_recipe(name, "small")
        if name == "p1":
            shorter = recipe.training | {"num_train_epochs": amount.epochs}
            recipe = recipe.model_copy(update={"training": shorter})
        train(recipe, sets["train"], sets["validation"], folder / name, seed=seed, device="cpu")
    say("6  The test: each between its floor and its ceiling, intervals over articles")
    null = predictor("ridge-shuffled", train=sets["train"], validation=sets["validation"])
    return [_tested(name, null, folder, sets, source, seed) for name in _COMPARED]


def meaning(reports: list[AlignmentReport]) -> str:
    """Say in words what the table says of p1 and the ranker."""
    by_name = {report.name: report for report in reports}
    lines = []
    for name in ("p1", "ranker"):
        gate = by_name[name].gate("G1")
        assert gate is not None
        known = "knows" if gate.passed else "was not shown to know"
        lines.append(
            f"{name} {known} more of the next chunk than {gate.floor_name}, the best floor: "
            f"{gate.margin:+.2f} bits [{gate.margin_low:+.2f}, {gate.margin_high:+.2f}] of "
            f"{gate.ceiling:.1f}."
        )
        if name == "ranker" and not gate.passed:
            lines.append("A demo's text teaches a ranker little; README says what more of it does.")
    return "\n".join(lines)


def _articles(source: str, size: DemoSize, seed: int) -> tuple[list[Article], Cut]:
    """Draw articles that are long enough, and enough of them for three splits with intervals."""
    how = replace(usual_cut(source, {}), at_most=size.longest)
    every = read_articles(source)
    cut = zip(every, cut_all(every, how), strict=True)
    shortest = min(size.shortest, size.longest)
    long = [article for article, chunks in cut if len(chunks) >= shortest]
    needed = round(MIN_ARTICLES / min(_SHARES.values()))
    if min(len(long), size.articles) < needed:
        raise InputError(
            f"{source}: {len(long)} articles of at least {shortest} chunks, of which "
            f"{size.articles} are asked for; intervals need {needed}: give more or longer ones"
        )
    return draw(long, size.articles, seed), how


def _tested(
    name: str, null: Predictor, folder: Path, sets: dict[str, Any], source: str, seed: int
) -> AlignmentReport:
    given = {"train": sets["train"], "validation": sets["validation"]}
    trained = (folder / name / "model").is_dir()
    asked = [sets["validation"], sets["test"]]
    model = predictor(str(folder / name) if trained else name, name, **given, asked=asked)
    report = align(
        model,
        validation=sets["validation"],
        test=sets["test"],
        nulls=[null],
        names={"test": f"{corpus_name(source)}, test articles"},
        seed=seed,
        provenance=provenance(
            " ".join(["eisv-lumen", *sys.argv[1:]]), seed=seed, data={"source": source},
            model=facts_of(folder / name if trained else name),
        ),
    )  # fmt: skip
    path = folder / "reports" / f"{name}.json"
    write_alignment(report, path)
    if trained:
        write_alignment(report, folder / name / "report.json")  # where `publish --run` reads it
    return read_alignment(path)  # what is shown is what is written
