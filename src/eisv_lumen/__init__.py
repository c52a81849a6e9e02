"""eisv-lumen: from trajectories to expressions, with every score between its floor and ceiling.

The names here are handed on lazily, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .core.errors import InputError
    from .evaluation.report import EvalReport
    from .expression.coherence import coherence
    from .expression.law import ExpressionLaw
    from .expression.vocabulary import SHAPES
    from .speakers import Student, Teacher, Voice
    from .trajectory.labels import label
    from .trajectory.load import load_trajectories
    from .trajectory.rules.explain import explain
    from .trajectory.windows import classify

__version__ = "0.1.0"
__all__ = [
    "SHAPES",
    "EvalReport",
    "ExpressionLaw",
    "InputError",
    "Student",
    "Teacher",
    "Voice",
    "classify",
    "coherence",
    "explain",
    "label",
    "load_trajectories",
]

_HOMES = {
    "SHAPES": "expression.vocabulary",
    "EvalReport": "evaluation.report",
    "ExpressionLaw": "expression.law",
    "InputError": "core.errors",
    "Student": "speakers",
    "Teacher": "speakers",
    "Voice": "speakers",
    "classify": "trajectory.windows",
    "coherence": "expression.coherence",
    "explain": "trajectory.rules.explain",
    "label": "trajectory.labels",
    "load_trajectories": "trajectory.load",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
