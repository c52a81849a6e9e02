"""Coherence of expressions with their shapes, between its floor and what a perfect imitator gets.

The mathematics is in the files beside this one, which need NumPy alone.
"""

import datasets
import evaluate
import numpy as np

from .coherence import coherence, entropy, is_valid, jensen_shannon, token_pmf
from .intervals import mean_interval
from .law import ExpressionLaw
from .shapes import ENTRIES
from .vocabulary import AFFINE, SHAPES

_DESCRIPTION = """
An expression is one to three of fifteen tokens; each of nine shapes of a trajectory has its affine
tokens. Coherence is the share of an expression's tokens that are affine to its shape, averaged over
expressions. It rises as decoding gets colder, whatever was learned: so compare it with `perfect`,
which is what a perfect imitator of the law scores under the same decoding, not with 1.
"""

_INPUTS = """
Args:
    predictions: expressions, each a string ("~warmth~ ~return~") or a list of tokens; with tildes
        or without. Do not mix the two forms.
    references: for each, the shape that it was meant for.
    temperature: at which the speaker was decoded; 0 for greedy. It sets `perfect` and `divergence`.
    top_k, top_p: the rest of the decoding; 0 and 1.0 for none.
    seed: of the bootstrap.

Returns:
    coherence: mean share of affine tokens, in [0, 1]; an empty expression has 0.
    interval: its 95 % bootstrap-t interval over expressions.
    valid_rate: share of expressions that have tokens, all of them known.
    floor: what uniformly random tokens get for these shapes.
    perfect: what a perfect imitator of the law gets for these shapes under this decoding.
    diversity: entropy of the known tokens spoken [nats], in [0, ln 15].
    divergence: Jensen-Shannon divergence [nats] of the tokens spoken from those of the law so
        decoded, shape by shape, averaged over expressions; 0 is the law itself, ln 2 (also where no
        known token was spoken) the farthest.
    per_shape: n, coherence, floor, perfect and divergence of each shape that occurs.

Examples:

    >>> import evaluate
    >>> metric = evaluate.load("eisv_coherence")
    >>> result = metric.compute(
    ...     predictions=["~stillness~ ~resonance~", "~ripple~ ~warmth~"],
    ...     references=["convergence", "rising_entropy"],
    ... )
    >>> result["coherence"], result["valid_rate"]
    (0.75, 1.0)
    >>> [round(result[name], 3) for name in ("floor", "perfect")]
    [0.267, 0.542]
    >>> colder = metric.compute(
    ...     predictions=[["stillness", "resonance"], ["ripple", "warmth"]],
    ...     references=["convergence", "rising_entropy"],
    ...     temperature=0.3,
    ... )
    >>> colder["coherence"], round(colder["perfect"], 3)
    (0.75, 0.948)
"""

_CITATION = """
@software{eisv_lumen,
  title = {eisv-lumen: trajectories to expressions, with every score between floor and ceiling},
  author = {The eisv-lumen maintainers},
  license = {Apache-2.0}
}
"""


class EisvCoherence(evaluate.Metric):
    """Coherence, with everything that it has to be read against."""

    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            license="apache-2.0",
            features=[
                datasets.Features({"predictions": text, "references": text}),
                datasets.Features({"predictions": datasets.List(text), "references": text}),
            ],
        )

    def _compute(self, predictions, references, temperature=1.0, top_k=0, top_p=1.0, seed=0):
        unknown = sorted(set(references) - set(SHAPES))
        if unknown:
            raise ValueError(f"unknown shapes {unknown}: use {', '.join(SHAPES)}")
        scores = coherence(predictions, references)
        shapes = np.array([SHAPES.index(shape) for shape in references])
        per_shape = {}
        for code in np.unique(shapes):
            said = [p for p, own in zip(predictions, shapes, strict=True) if own == code]
            law = ExpressionLaw.initial(SHAPES[code])
            decoded = law.tempered(temperature, top_k=top_k, top_p=top_p)
            spoken = token_pmf(said)
            off = jensen_shannon(spoken, decoded.token_pmf()) if spoken.any() else np.log(2)
            per_shape[SHAPES[code]] = {
                "n": len(said),
                "coherence": float(scores[shapes == code].mean()),
                "floor": float(AFFINE[code].mean()),
                "perfect": decoded.coherence(),
                "divergence": float(off),
            }

        def mean(name):
            return sum(row["n"] * row[name] for row in per_shape.values()) / len(shapes)

        return {
            "coherence": float(scores.mean()),
            "interval": mean_interval(scores, bounds=(0, 1), seed=seed),
            "valid_rate": float(is_valid(predictions).mean()),
            "floor": mean("floor"),
            "perfect": mean("perfect"),
            "diversity": abs(float(entropy(token_pmf(predictions)))),
            "divergence": mean("divergence"),
            "per_shape": per_shape,
        }
