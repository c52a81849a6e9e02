"""Coherence of expressions with their shapes, between its floor and what a perfect imitator gets.

The mathematics is in the files beside this one, which need NumPy alone.
"""

import datasets
import evaluate
import numpy as np

from .answer import is_answer
from .coherence import (
    coherence,
    entropy,
    is_valid,
    jensen_shannon,
    shape_codes,
    split_tokens,
    token_pmf,
)
from .intervals import mean_interval
from .law import ExpressionLaw
from .shapes import ENTRIES
from .vocabulary import AFFINE, SHAPES

# `evaluate` fetches the modules that this file imports, and not those that they import in turn:
# `answer` and `shapes` are named here because others need them.
__all__ = ["ENTRIES", "EisvCoherence", "is_answer"]

_DESCRIPTION = """
An expression is one to three of fifteen tokens; each of nine shapes of a trajectory has its affine
tokens. Coherence is the share of an expression's tokens that are affine to its shape, averaged over
expressions. It rises as decoding gets colder, whatever was learned: so compare it with `perfect`,
which is what a perfect imitator of the law scores under the same decoding, not with 1.
"""

_INPUTS = """
Args:
    predictions: expressions, each a string ("~warmth~ ~return~"), a list of tokens, with tildes
        or without, or a teacher's whole answer of three lines; forms may be mixed.
    references: for each, the shape that it was meant for: its name, or its class code (0 to 8).
    temperature: at which the speaker was decoded; 0 for greedy. It sets `perfect` and `divergence`.
    top_k, top_p: the rest of the decoding; 0 and 1.0 for none.
    seed: of the bootstrap.

Returns:
    coherence: mean share of affine tokens, in [0, 1]; an empty expression has 0.
    interval: its 95 % bootstrap-t interval over expressions.
    valid_rate: share of expressions that have tokens, all of them known; a whole answer needs all
        of its three lines besides.
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
    >>> answer = "EISV_TOKENS: ~stillness~\\nLUMEN_TOKENS: quiet\\nPATTERN: SINGLE"
    >>> whole = metric.compute(predictions=[answer, ["ripple"]], references=[8, "convergence"])
    >>> whole["coherence"], whole["valid_rate"]
    (0.5, 1.0)
"""

_CITATION = """
@software{eisv_lumen,
  title = {eisv-lumen: trajectories to expressions, with every score between floor and ceiling},
  author = {The eisv-lumen maintainers},
  license = {Apache-2.0}
}
"""


_NOTHING = "nothing to score: predictions and references are empty; give at least one of each"


def _as_text(expression):
    """Return one expression as a text: tokens with blanks between them, anything else as it is."""
    if isinstance(expression, str):
        return expression
    return " ".join(split_tokens(expression))


class EisvCoherence(evaluate.Metric):
    """Coherence, with everything that it has to be read against."""

    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            license="apache-2.0",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def compute(self, *, predictions=None, references=None, **kwargs):
        """Score at once, or what was added; see the inputs' description."""
        given = {"predictions": predictions, "references": references}
        if any(value is not None and not len(value) for value in given.values()):
            raise ValueError(_NOTHING)
        return super().compute(**{k: v for k, v in given.items() if v is not None}, **kwargs)

    def add_batch(self, *, predictions=None, references=None, **kwargs):
        """Take a batch in any of the forms: all become texts, all shapes names."""
        for name, value in (("predictions", predictions), ("references", references)):
            if value is None or isinstance(value, str):
                raise ValueError(f"{name} is {value!r}: give a list, one item for each expression")
        if len(predictions) != len(references):
            raise ValueError(
                f"{len(predictions)} predictions, but {len(references)} references: give one "
                "shape for each expression"
            )
        shapes = [SHAPES[code] for code in shape_codes(references, len(references))]
        super().add_batch(predictions=list(map(_as_text, predictions)), references=shapes, **kwargs)

    def add(self, *, prediction=None, reference=None, **kwargs):
        """Take one expression and its shape, in any of the forms."""
        [code] = shape_codes([reference], 1)
        super().add(prediction=_as_text(prediction), reference=SHAPES[code], **kwargs)

    def _compute(self, predictions, references, temperature=1.0, top_k=0, top_p=1.0, seed=0):
        if not len(predictions):
            raise ValueError(_NOTHING)
        scores = coherence(predictions, references)
        shapes = shape_codes(references, len(predictions))
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
