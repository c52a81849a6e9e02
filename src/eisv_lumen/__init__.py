"""eisv-lumen: from trajectories to expressions, with every score between its floor and ceiling.

The names here are handed on lazily, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .core.errors import InputError
    from .expression.coherence import coherence
    from .expression.law import ExpressionLaw
    from .expression.vocabulary import SHAPES
    from .expression.voice import Voice
    from .trajectory.sources import load_trajectories
    from .trajectory.windows import classify

__version__ = "0.1.0"
__all__ = [
    "SHAPES",
    "ExpressionLaw",
    "InputError",
    "Voice",
    "classify",
    "coherence",
    "load_trajectories",
]

_HOMES = {
    "SHAPES": "expression.vocabulary",
    "ExpressionLaw": "expression.law",
    "InputError": "core.errors",
    "Voice": "expression.voice",
    "classify": "trajectory.windows",
    "coherence": "expression.coherence",
    "load_trajectories": "trajectory.sources",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
