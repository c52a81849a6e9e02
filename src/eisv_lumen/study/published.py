"""The study's published figures (`reference/eisv.md` §6), in the schema of our own reports."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..evaluation.baselines import initial, random_speaker
from ..evaluation.gates import published_gates
from ..evaluation.report import DecodedResult, EvalReport, Metric, Provenance
from ..evaluation.scoring import INHERITED
from ..expression.vocabulary import REAL_MIX, SHAPES

__all__ = ["STUDY", "composition", "invalid_as_zero", "published_baselines", "published_reports"]

Floats = npt.NDArray[np.float64]

_OVERSAMPLED = ("basin_transition_down", "basin_transition_up", "drift_dissonance")
STUDY = "https://github.com/CIRWEL/eisv-lumen"
"""The repository of the study: its code, recipes and evaluation files."""
_SOURCE = f"{STUDY} (outputs/), restated in docs/eisv.md §6"
_NOTE = (
    "Decoded with do_sample=True and temperature=0.3, once a prompt. The study's generate call "
    "passes neither top_k nor top_p, so both came from the base model's own generation config: "
    "Qwen3-4B brings 20 and 0.95. Coherence is the study's: the mean over whatever tokens parse, "
    "invalid answers included."
)
# name: title, coherence, valid rate, pattern accuracy, diversity (unique/all tokens), n, real?
_RUNS = {
    "v1": ("V1", 0.600, 0.889, 0.178, 0.071, 45, False),
    "v3": ("V3", 0.847, 1.000, 0.217, 0.043, 180, False),
    "v4": ("V4", 0.904, 1.000, 0.256, 0.017, 450, False),
    "v5": ("V5", 0.911, 1.000, 0.260, 0.016, 480, False),
    "v5-real": ("V5 on real", 0.768, 1.000, 0.232, 0.017, 500, True),
    "v6": ("V6", 0.912, 0.997, 0.219, 0.021, 360, False),
    "v6-real": ("V6 on real", 0.952, 1.000, 0.258, 0.018, 500, True),
}
_PER_SHAPE = {
    "basin_transition_down": (0.800, 0.867, 0.853, 0.842, 0.833, 0.879, 1.000),
    "basin_transition_up": (1.000, 0.908, 0.870, 0.913, 1.000, 0.829, 1.000),
    "convergence": (0.200, 0.950, 0.923, 0.925, 0.784, 0.925, 0.936),
    "drift_dissonance": (0.000, 0.675, 0.800, 0.856, None, 0.888, None),
    "entropy_spike_recovery": (0.000, 0.742, 0.960, 0.954, 0.625, 0.938, 0.833),
    "falling_energy": (0.600, 0.833, 0.950, 0.988, 0.625, 0.863, 0.875),
    "rising_entropy": (0.800, 0.725, 0.880, 0.925, 0.917, 0.921, 1.000),
    "settled_presence": (1.000, 0.950, 0.910, 0.938, 0.731, 1.000, 0.993),
    "void_rising": (1.000, 0.975, 0.990, 0.988, 1.000, 0.963, 1.000),
}
_BASELINES = {"random": 0.265, "affinity": 0.503, "feedback": 0.933, "oracle": 1.0}


def composition(name: str) -> tuple[Floats, bool]:
    """Return the share of each shape in a published test set, and whether it was drawn at random.

    V5 was trained and tested on a set with three shapes at twice the others' number
    (`reference/eisv.md` §5): its published mean is the mean of its nine published values with
    those weights, not the plain one. The real sets are taken to be draws of the published mix.
    """
    if name.endswith("-real"):
        shares = np.array([REAL_MIX[shape] for shape in SHAPES])
    elif name == "v5":
        shares = np.array([2.0 if shape in _OVERSAMPLED else 1.0 for shape in SHAPES])
    else:
        shares = np.ones(len(SHAPES))
    return shares / shares.sum(), name.endswith("-real")


def published_reports() -> dict[str, EvalReport]:
    """Return the seven published evaluations, by name.

    The perfect imitator's value is that of the inherited decoding (T = 0.3, top_k 20, top_p 0.95)
    on a set of the same composition.
    """
    t, top_k, top_p = INHERITED.temperature, INHERITED.top_k or 0, INHERITED.top_p or 1.0
    imitator = np.array([law.coherence(t, top_k=top_k, top_p=top_p) for law in initial()])
    chance = np.array([law.coherence() for law in random_speaker()])
    reports = {}
    for column, (name, run) in enumerate(_RUNS.items()):
        title, coherence, valid, pattern, diversity, n, real = run
        weights, _ = composition(name)
        result = DecodedResult(
            decoding=INHERITED,
            n=n,
            metrics={
                "coherence": Metric(
                    value=coherence,
                    floor=float(chance @ weights),
                    perfect=float(imitator @ weights),
                    ceiling=1.0,
                ),
                "valid_rate": Metric(value=valid, ceiling=1.0),
                "pattern_accuracy": Metric(value=pattern),
                "unique_token_share": Metric(value=diversity),
            },
            per_shape={
                shape: {"coherence": Metric(value=value)}
                for shape in SHAPES
                if (value := _PER_SHAPE[shape][column]) is not None
            },
        )
        reports[name] = EvalReport(
            kind="published",
            name=name,
            title=title,
            target="initial",
            note=_NOTE,
            results=[result],
            gates=published_gates(result),
            provenance=Provenance(
                command="eisv-lumen evaluate published",
                data={"windows": "real, last 4 of 20 states" if real else "synthetic"},
                model={"base": "Qwen/Qwen3-4B", "citation": _SOURCE},
            ),
        )
    return reports


def invalid_as_zero(name: str) -> tuple[float, float]:
    """Return the least and the greatest coherence that a run has by our definition.

    The study's mean is over the tokens that parse, in invalid answers too, and leaves out answers
    without tokens; ours counts every invalid answer as 0. How the invalid answers split was not
    published, so that the published mean and valid rate leave an interval.
    """
    _, mean, valid, *_, n, _ = _RUNS[name]
    wrong = n - round(valid * n)
    # With k of the invalid answers without tokens, n - k answers have the published mean, and the
    # other invalid ones took between nothing and 1 each of its sum.
    ends = [(mean * (n - k) - most) / n for k in range(wrong + 1) for most in (0, wrong - k)]
    return min(ends), max(ends)


def published_baselines() -> dict[str, float]:
    """Return the published coherence of the baselines on real windows."""
    return dict(_BASELINES)
