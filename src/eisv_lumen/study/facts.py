"""What the study published beside its evaluations, so that text can be rendered from a file.

Every value is given in `reference/eisv.md` §1–§7; nothing here was measured by this package.
"""

from __future__ import annotations

from typing import Any

from ..evaluation.gates import GATE_1_COHERENCE, GATE_1_VALID, GATE_2_COHERENCE
from ..evaluation.scoring import INHERITED
from ..expression.vocabulary import REAL_MIX
from ..trajectory.dataset.agreement import PUBLISHED_AGREEMENT
from .published import STUDY, invalid_as_zero, published_baselines

__all__ = ["published_facts"]

_LINKS = {
    "study": STUDY,
    "dataset": "https://huggingface.co/datasets/hikewa/unitares-eisv-trajectories",
    "teacher": "https://huggingface.co/hikewa/eisv-lumen-teacher",
    "student": "https://huggingface.co/hikewa/eisv-lumen-student",
    "space": "https://huggingface.co/spaces/hikewa/eisv-lumen-explorer",
    "lumen": "https://github.com/CIRWEL/anima-mcp",
    "framework": "https://github.com/CIRWEL/unitares",
    "vectors": "https://github.com/TrentCarter/lnsp-phase-4",
    "base": "https://huggingface.co/Qwen/Qwen3-4B",
}
"""Where the study is public, by what it is."""
_RECIPES = {
    # epochs, learning rate, dropout, training examples, what they were
    "v1": (3, 1e-4, 0.05, 360, "synthetic"),
    "v2": (5, 5e-5, 0.1, 1440, "synthetic; rank 32; crashed half-way"),
    "v3": (5, 1e-4, 0.1, 1440, "synthetic"),
    "v4": (7, 8e-5, 0.1, 3600, "synthetic"),
    "v5": (7, 8e-5, 0.1, 3840, "synthetic, three weak shapes oversampled"),
    "v6": (7, 8e-5, 0.1, 2880, "half real, half synthetic; 4 states"),
    "v7": (7, 8e-5, 0.1, None, "as V6; 15 states"),
}


def published_facts() -> dict[str, Any]:
    """Return the study's facts as plain JSON: numbers with the section that gives them.

    Returns
    -------
    dict
        `log` (states, windows), `shape_shares`, `baselines`, `label_agreement` (share of 20-state
        labels kept by the last k states, by k), `mismatch` at k = 4, `decoding`, `gates`,
        `lora`, `recipes`, `students`, and `blind` (what reads nothing, or little, scores when
        the shape's name is withheld).
    """
    return {
        "schema_": "eisv-lumen-facts/1",
        "kind": "published",
        "title": "Facts of the published study",
        "provenance": {
            "command": "eisv-lumen evaluate published",
            "source": f"{STUDY}, as restated in reference/eisv.md",
        },
        "links": dict(_LINKS),  # §0
        "log": {  # §1
            "n_states": 214_503,
            "n_expressions": 921,
            "n_windows": 21_449,
            "median_spacing": 2.3,
            "window": 20,
            "stride": 10,
        },
        "void_max": 0.3,  # §1
        "shape_shares": {shape: share for shape, share in REAL_MIX.items() if share > 0},  # §3
        "label_agreement": {str(k): share for k, share in PUBLISHED_AGREEMENT.items()},  # §3
        "mismatch": {  # §3
            "n_states": 4,
            "share": 0.35,
            "from": "settled_presence",
            "to": "convergence",
            "n_windows": 5138,
        },
        "baselines": published_baselines(),  # §6
        "coherence_invalid_as_zero": {  # §6: by our definition, where some answers are invalid
            name: [round(x, 3) for x in invalid_as_zero(name)] for name in ("v1", "v6")
        },
        "decoding": {  # §6: the temperature was passed, the nucleus inherited
            "temperature": INHERITED.temperature,
            "top_k": INHERITED.top_k,
            "top_p": INHERITED.top_p,
        },
        "gates": {  # §6
            "gate_1_coherence": GATE_1_COHERENCE,
            "gate_1_valid_rate": GATE_1_VALID,
            "gate_2_coherence": GATE_2_COHERENCE,
        },
        "lora": {"base": "Qwen/Qwen3-4B", "rank": 16, "alpha": 32},  # §5
        "recipes": {  # §5
            name: {
                "epochs": epochs,
                "learning_rate": rate,
                "dropout": dropout,
                "n_train": n,
                "data": data,
            }
            for name, (epochs, rate, dropout, n, data) in _RECIPES.items()
        },
        "students": {  # §6
            "n_features": 12,
            "n_trees": 20,
            "token_1_accuracy": 0.32,
            "pattern_accuracy": 0.41,
            "coherence": 0.986,
            "megabytes": 2.4,
            "load_ms": 72,
            "predict_us": 123,
        },
        "blind": {  # §7, at T = 0.3, top_k and top_p off; `study_windows`: one small model
            "n": {"real": 500, "study_windows": 500},
            "source": "reference/eisv.md §7 and reference/training.md",
            "real": {"constant": 0.831, "forest": 0.886, "threshold": 0.88, "perfect": 0.933},
            "balanced": {"constant": 0.311, "perfect": 0.906},
            "study_windows": {"synthetic": 0.767, "real": 0.275, "random": 0.25},
        },
    }
