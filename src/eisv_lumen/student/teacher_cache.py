"""What a teacher answers, kept under its weights and what it was asked.

So a run that was killed asks nothing twice, and whatever changes what is asked (the recipe, the
windows, the words that they are rendered in) is asked anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.files import atomic_path
from ..core.runs import weights_sha256
from .first_tokens import beginning_pmf

__all__ = ["Say", "Teacher", "answers_name"]

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


def answers_name(name: str, sha256: str, prompts: Sequence[str]) -> str:
    """Name the file of a teacher's answers, by its weights and what it was asked."""
    asked = hashlib.sha256("\0".join(prompts).encode()).hexdigest()
    return f"{name}-{sha256[:12]}-{asked[:12]}.npy"


class Teacher:
    """Ask a teacher, or read what it has answered before.

    Parameters
    ----------
    folder
        The model, as `teacher.train` left it.
    kept
        Folder for its answers.
    say
        Told of progress.

    Attributes
    ----------
    sha256 : str
        Of its weights.

    Raises
    ------
    InputError
        There is no trained model.
    """

    def __init__(self, folder: Path, kept: Path, say: Say) -> None:
        self._folder, self._kept, self._say = folder, kept, say
        self._loaded: Any = None
        sha256 = weights_sha256(folder)
        if sha256 is None:
            raise InputError(f"{folder}: no trained model there; train one with `teacher train`")
        self.sha256 = sha256

    def laws(self, name: str, prompts: list[str]) -> Floats:
        """Return its whole law of each prompt."""
        from ..teacher.evaluation.score import expression_pmf

        return self._answers(name, prompts, expression_pmf, 20)

    def beginnings(self, name: str, prompts: list[str]) -> Floats:
        """Return its law of the first two tokens of each prompt."""
        return self._answers(name, prompts, beginning_pmf, 5000)

    def _answers(
        self, name: str, prompts: list[str], of: Callable[[Any, list[str]], Floats], part: int
    ) -> Floats:
        path = self._kept / answers_name(name, self.sha256, prompts)
        if path.is_file():
            kept = _read(path, len(prompts))
            if kept is not None:
                return kept
            self._say(f"{path}: not what was written there; asking again")
        if self._loaded is None:
            from ..teacher.models.load import load_teacher

            self._loaded = load_teacher(self._folder)
        found = []
        for start in range(0, len(prompts), part):
            found.append(of(self._loaded, prompts[start : start + part]))
            self._say(f"asked {min(start + part, len(prompts))} of {len(prompts)}")
        answers = np.concatenate(found)
        with atomic_path(path) as aside, aside.open("wb") as stream:
            np.save(stream, answers)
        return answers


def _read(path: Path, n: int) -> Floats | None:
    """Return n kept answers; None where the file was cut or changed."""
    try:
        answers = np.load(path, allow_pickle=False)
        whole = answers.ndim == 2 and len(answers) == n and bool(np.isfinite(answers).all())
    except Exception:  # a damaged file makes NumPy raise whatever Python raises
        return None
    return answers if whole else None
