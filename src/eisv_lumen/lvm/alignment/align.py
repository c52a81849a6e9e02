"""Put a model through the tests: fitted on validation articles, read on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...core.errors import InputError
from ...evaluation.report import Provenance
from ..data.copies import check_no_copies
from ..data.identity import check_alike
from ..data.sequences import SequenceSet
from .articles import Article, codes_of
from .bootstrap import ArticleBootstrap
from .calibrated_gates import Gate, Optimum, calibrated_gates, transfer_gate
from .fit_and_read import calibrate, read
from .five_cat import PublishedTest, published_tests, typical_cosine
from .predictions import Predictor, articles_of, ask, ask_plainly
from .records import Answers, Readings
from .report import AlignmentReport, Published, SetFacts, published

__all__ = ["align", "check_apart"]


def align(
    model: Predictor,
    *,
    validation: SequenceSet,
    test: SequenceSet,
    provenance: Provenance,
    ood: SequenceSet | None = None,
    nulls: Sequence[Predictor] = (),
    optimum: Predictor | None = None,
    names: Mapping[str, str] | None = None,
    seed: int = 0,
    as_published: bool = False,
    note: str = "",
) -> AlignmentReport:
    """Test a model, as published and calibrated.

    Parameters
    ----------
    model
        To be tested.
    validation
        Temperatures, scales and floors are fitted to it; the model may have been tuned on it.
    test
        Other articles: the gates are read here, and the published test with its first thresholds.
    provenance
        Of the result.
    ood
        Another corpus: for G6 and the published test's second thresholds.
    nulls
        Models taught on data without order; they stand among the floors.
    optimum
        The best possible predictor, where the process is known; ceilings come of it.
    names
        What `validation`, `test` and `ood` are called in the report.
    seed
        Of shuffled contexts and resamples.
    as_published
        Bring the published test's numerical slips back.
    note
        For the report.

    Raises
    ------
    InputError
        Sets of two encoders, an article in two sets, too few articles, unusable answers.
    """
    sets = {"validation": validation, "test": test} | ({} if ood is None else {"ood": ood})
    check_apart(sets)
    cut = {name: articles_of(s, model.ahead) for name, s in sets.items()}
    fitted_to = ask(model, cut["validation"], seed)
    plainly = {m.name: ask_plainly(m, cut["validation"]) for m in nulls}
    fitted = calibrate(cut["validation"], fitted_to, plainly)

    def readings(name: str, answers: Answers) -> tuple[Readings, ArticleBootstrap]:
        articles = cut[name]
        said = {m.name: ask_plainly(m, articles) for m in nulls}
        return read(articles, answers, said, fitted), _bootstrap(articles, name, seed)

    answers = {name: fitted_to if name == "validation" else ask(model, cut[name], seed)
               for name in cut}  # fmt: skip
    found, resamples = readings("test", answers["test"])
    best = None
    if optimum is not None:
        best_fit = calibrate(cut["validation"], ask(optimum, cut["validation"], seed), {})
        best = Optimum(read(cut["test"], ask(optimum, cut["test"], seed), {}, best_fit))
    gates: list[Gate] = calibrated_gates(found, resamples, best)
    if ood is not None:
        inside = readings("validation", answers["validation"])
        gates.append(transfer_gate(inside, readings("ood", answers["ood"])))
    return AlignmentReport(
        name=model.name,
        kind="predictor" if model.scores is None else "ranker",
        ahead=model.ahead,
        note=note,
        sets={
            key: SetFacts(
                name=(names or {}).get(key, key),
                articles=np.unique(codes_of(cut[key])).size,
                windows=codes_of(cut[key]).size,
                encoder=s.encoder,
                dim=s.dim,
            )
            for key, s in sets.items()
        },
        gates=gates,
        published=None
        if model.predict is None
        else _published(model, cut, answers, seed, as_published),
        provenance=provenance,
    )


def check_apart(sets: Mapping[str, SequenceSet]) -> None:
    """Refuse sets of different encoders, or that share an article or near copies of one.

    Raises
    ------
    InputError
        It names sets and article.
    """
    check_alike(sets)
    seen: dict[bytes, tuple[str, str]] = {}
    for name, s in sets.items():
        for a, code in zip(articles_of(s), np.unique(s.window_article), strict=True):
            title = s.article_ids[code]
            other = seen.setdefault(a.chunks.tobytes(), (name, title))
            if other != (name, title):
                raise InputError(
                    f"{name}, article {title}: is also {other[0]}'s article {other[1]}; an article "
                    "may be in one set alone"
                )
    check_no_copies(sets, "make the sequences again with --drop-copies")


def _bootstrap(articles: Sequence[Article], name: str, seed: int) -> ArticleBootstrap:
    try:
        return ArticleBootstrap(codes_of(articles), seed=seed)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def _published(
    model: Predictor,
    cut: Mapping[str, tuple[Article, ...]],
    answers: Mapping[str, Answers],
    seed: int,
    as_published: bool,
) -> Published:
    typical = {n: typical_cosine(cut[n], np.asarray(answers[n].vectors)) for n in cut}
    found: dict[str, list[PublishedTest]] = {"test": [], "ood": []}
    for name in [n for n in found if n in cut]:
        mine = ask(model, cut[name], seed, restore=True) if as_published else answers[name]
        other = {"test": "ood", "ood": "test"}[name]
        found[name] = published_tests(
            cut[name], np.asarray(mine.vectors), ablated=mine.ablated, rollout=mine.rollout,
            in_domain_cosine=typical.get(other), ood=name == "ood", as_published=as_published,
        )  # fmt: skip
    return published(found["test"], found["ood"], as_published)
