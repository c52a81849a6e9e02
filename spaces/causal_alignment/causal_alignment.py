"""Does a model predict the next chunk of a text? Every reading between its floor and its ceiling.

The mathematics is in the files beside this one, which need NumPy alone. `evaluate` fetches those
that are imported here, one a line and without a comment, and no others.
"""

# ruff: noqa: F401

from dataclasses import asdict

import datasets
import evaluate
import numpy as np

from .ablations import ABLATIONS, ablate, backward
from .articles import articles_of_examples, codes_of
from .bootstrap import ArticleBootstrap
from .calibrated_gates import calibrated_gates
from .cross_fit import cross_read
from .fit_and_read import read
from .five_cat import ROLLOUT_STEPS, published_tests
from .floors import Floors
from .identification import Identified
from .intervals import t_quantile
from .records import Answers

_DESCRIPTION = """
A model reads the vectors of K consecutive chunks of an article and predicts the vector of the next.
High cosine and a margin over the last chunk do not show that it knows what comes next: a mean of
the topic has the one, and the negative of the last chunk has the other. This metric asks instead
how many bits the prediction gives of WHICH chunk of the article comes next, beside predictors that
need no learning, and beside perfection; intervals are over articles. The causal alignment test as
it was published is read as well, its numerical slips mended.
"""

_INPUTS = """
Args:
    predictions: (N, D) predicted vectors, of any length.
    references: (N, D) vectors of the true next chunks.
    contexts: (N, K, D) vectors of the K chunks before each, oldest first.
    articles: for each, the name of its article; at least 8 articles.
    positions: for each, the place of the true next chunk in its article, counted chunk by chunk.
        The article's chunks, which are the candidates, are put together again from all examples.
    answers: what the model says of the contexts in `questions`, by their names: opens the test of
        order (G3), the arrow of time (G4) and test C. Lists of (N, D), as `questions` has them.
    rollout: (N, 5, D) vectors predicted one after another, each fed back as context: opens G5 and
        test D.
    nulls: predictions (N, D) of models that were taught on data without order, by name: floors.
    seed: of the halves of the articles (temperatures and floors are fitted to one and read on the
        other) and of the resamples.

Returns:
    bits: of the true next chunk among its article's chunks, the context left out, over a uniform
        guess.
    interval: its 95 % interval over articles.
    floor: bits of the best predictor that needs no learning, or null.
    floor_name: which that is.
    ceiling: bits of perfection, log2 of the number of candidates.
    margin: bits less floor.
    margin_interval: its 95 % interval over articles, paired.
    passed: whether every gate that decides was passed.
    gates: by name (G1 identification, G2 regression, G3 use of order, G4 arrow of time, G5
        rollout): value, floor, ceiling, margin, each with its interval, place between, verdict.
    published: by letter (A offsets, B ranks, C ablations, D rollout): numbers with thresholds,
        verdicts.
    windows, articles: how many were read.

Examples:

    >>> import evaluate
    >>> import numpy as np
    >>> metric = evaluate.load("causal_alignment")
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((12, 30, 16)) / 6
    >>> chunks = np.cumsum(noise, axis=1) + rng.standard_normal((12, 1, 16))
    >>> chunks /= np.linalg.norm(chunks, axis=-1, keepdims=True)
    >>> at = [(a, p) for a in range(12) for p in range(5, 30)]
    >>> contexts = np.array([chunks[a, p - 5 : p] for a, p in at])
    >>> references = np.array([chunks[a, p] for a, p in at])
    >>> given = dict(
    ...     references=references, contexts=contexts,
    ...     articles=[str(a) for a, _ in at], positions=[p for _, p in at],
    ... )
    >>> perfect = metric.compute(predictions=references, **given)
    >>> perfect["passed"], round(perfect["bits"] / perfect["ceiling"], 2)
    (True, 1.0)
    >>> copied = metric.compute(predictions=contexts[:, -1], **given)
    >>> copied["passed"], copied["bits"] <= copied["floor"]
    (False, True)
"""

_CITATION = """
@software{eisv_lumen,
  title = {eisv-lumen: trajectories to expressions, with every score between floor and ceiling},
  author = {The eisv-lumen maintainers},
  license = {Apache-2.0}
}
"""


class CausalAlignment(evaluate.Metric):
    """Identification of the next chunk, with everything that it has to be read against."""

    def _info(self):
        vector = datasets.List(datasets.Value("float32"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            license="apache-2.0",
            features=datasets.Features({"predictions": vector, "references": vector}),
        )

    def questions(self, contexts, references, articles, positions, seed=0):
        """Return the contexts to ask a model about, lists of (N, K, D) by name, for `answers`."""
        held = articles_of_examples(contexts, references, articles, positions)
        return {**ablate(contexts, seed), "backward": [backward(held)]}

    def _compute(
        self,
        predictions,
        references,
        contexts,
        articles,
        positions,
        answers=None,
        rollout=None,
        nulls=None,
        seed=0,
    ):
        references = np.asarray(references, np.float32)
        held = articles_of_examples(contexts, references, list(articles), positions)
        p = _vectors("predictions", predictions, references)
        told = {
            name: [_vectors(f"answers, {name}", one, references) for one in those]
            for name, those in (answers or {}).items()
        }
        unknown = sorted(set(told) - {*ABLATIONS, "backward"})
        if unknown:
            raise ValueError(f"answers to {unknown}: answer what `questions` gives")
        steps = None if rollout is None else np.asarray(rollout, np.float32)
        if steps is not None and steps.shape != (len(p), ROLLOUT_STEPS, p.shape[1]):
            wanted = (len(p), ROLLOUT_STEPS, p.shape[1])
            raise ValueError(f"rollout {steps.shape}: it must be {wanted}")
        nulls = {
            name: _vectors(f"nulls, {name}", one, references) for name, one in (nulls or {}).items()
        }
        said = Answers(
            plain=p,
            shuffled=told["shuffled"][0] if "shuffled" in told else None,
            backward=told["backward"][0] if "backward" in told else None,
            vectors=p,
            rollout=steps,
        )
        resamples = ArticleBootstrap(codes_of(held), seed=seed)
        gates = calibrated_gates(cross_read(held, said, nulls, seed), resamples)
        whole = {name: told[name] for name in ABLATIONS} if set(ABLATIONS) <= set(told) else None
        tests = published_tests(held, p, ablated=whole, rollout=steps)
        first = gates[0]
        return {
            "bits": first.value,
            "interval": (first.low, first.high),
            "floor": first.floor,
            "floor_name": first.floor_name,
            "ceiling": first.ceiling,
            "margin": first.margin,
            "margin_interval": (first.margin_low, first.margin_high),
            "passed": all(gate.passed is not False for gate in gates),
            "gates": {gate.name: asdict(gate) for gate in gates},
            "published": {
                test.letter: {"title": test.title, "passed": test.passed}
                | {c.name: (c.found, c.bound, c.passed) for c in test.checks}
                for test in tests
            },
            "windows": len(p),
            "articles": len(held),
        }


def _vectors(name, given, references):
    found = np.asarray(given, np.float32)
    if found.shape != references.shape:
        raise ValueError(f"{name} {found.shape}: it must be {references.shape}, as references")
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found).all(axis=1)))
        raise ValueError(f"{name}, example {row}: not finite; drop or mend that vector")
    return found
