"""Who speaks of a window: the voice, and each model that travels in `models/`."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.files import read_json
from eisv_lumen.expression.answer import Invalid, parse
from eisv_lumen.expression.law import EXPRESSIONS, ExpressionLaw
from eisv_lumen.expression.lumen import to_primitives
from eisv_lumen.expression.vocabulary import SHAPES, pattern_of
from eisv_lumen.student.format import read_student
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.evaluation.score import expression_pmf
from eisv_lumen.teacher.models.load import load_teacher
from eisv_lumen.teacher.prompt.messages import render_windows
from eisv_lumen.trajectory.rules.explain import derivatives
from eisv_lumen.trajectory.series import Windows

__all__ = [
    "Said",
    "Speaker",
    "StudentSpeaker",
    "TeacherSpeaker",
    "VoiceSpeaker",
    "find_students",
    "find_teachers",
]


@dataclass(frozen=True)
class Said:
    """One answer: tokens and Lumen's primitives, or why it is not valid."""

    tokens: tuple[str, ...] = ()
    primitives: tuple[str, ...] = ()
    pattern: str = ""
    invalid: str = ""


class Speaker(Protocol):
    """Somebody who puts a window into words."""

    name: str
    about: str

    def speak(self, window: Windows, n: int, temperature: float, seed: int) -> list[Said]:
        """Speak `n` times of the one window that `window` holds."""

    def law(self, window: Windows) -> np.ndarray | None:
        """Return the probabilities of the 2,970 expressions at T = 1; None if they are unknown."""


class VoiceSpeaker:
    """The rule-based voice before any feedback: it hears the shape's name alone."""

    name = "Voice"
    about = "rules and dice: it is told the shape, and draws from that shape's law"

    def speak(self, window: Windows, n: int, temperature: float, seed: int) -> list[Said]:
        """Draw from the exact law, decoded at the temperature."""
        law = ExpressionLaw.initial(SHAPES[int(window.shape[0])]).tempered(temperature)
        return [Said(e, to_primitives(e), pattern_of(e)) for e in law.sample(n, seed)]

    def law(self, window: Windows) -> np.ndarray:
        """Return the shape's law."""
        return ExpressionLaw.initial(SHAPES[int(window.shape[0])]).pmf


class TeacherSpeaker:
    """A published teacher: safetensors, tokenizer, and the recipe that says what it is shown.

    Raises
    ------
    InputError
        The folder does not say how the model was trained.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        recipe = read_json(folder / "training.json").get("recipe", {})
        self.style = recipe.get("data", {}).get("style")
        named = recipe.get("name", folder.name)
        self.name = "Teacher" if named == "demo" else f"Teacher {named}"
        self._lock = threading.Lock()
        self._teacher: Any = None
        if self.style not in _SHOWN:
            raise InputError(f"{folder}: training.json names no known style of prompt")
        self.about = (
            f"a small language model that imitates the voice; it is shown {_SHOWN[self.style]}"
        )

    def speak(self, window: Windows, n: int, temperature: float, seed: int) -> list[Said]:
        """Decode `n` answers; whatever the text, it is parsed by the study's definition."""
        prompts = render_windows(window, self.style) * n
        with self._lock:
            texts = generate(self._loaded(), prompts, temperature=temperature, seed=seed)
        answers = map(parse, texts)
        return [
            Said(invalid=a.reason)
            if isinstance(a, Invalid)
            else Said(a.tokens, a.primitives, a.pattern)
            for a in answers
        ]

    def law(self, window: Windows) -> np.ndarray | None:
        """Enumerate the whole law; None where the tokenizer splits the tokens, or nothing loads."""
        try:
            with self._lock:
                return expression_pmf(self._loaded(), render_windows(window, self.style))[0]
        except InputError:
            return None

    def warm(self) -> None:
        """Load the weights, so that the first visitor does not wait for them."""
        with self._lock:
            self._loaded()

    def _loaded(self) -> Any:
        if self._teacher is None:
            self._teacher = load_teacher(self.folder, "cpu")
        return self._teacher


class StudentSpeaker:
    """A student: a teacher's law as a few kilobytes, spoken by the standard library alone.

    Raises
    ------
    InputError
        The folder holds no student, or it was changed.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "student.json"
        self._student = read_student(path)
        taught = read_json(folder / "distilled.json").get("teacher", {})
        whose = taught.get("recipe") or f"the {taught.get('law')} law"
        self.name = "Student" if whose == "demo" else f"Student of {whose}"
        self._lengths = (self._student.body.get("net") or {}).get("n_states", ())
        shown = "is shown the states, which nine rules read"
        if self._lengths:
            shown = (
                f"of {self._lengths[0]} states it is shown fourteen numbers, and says what its "
                "teacher says; of others nine rules read the states, and it speaks as the voice"
            )
        size = f"{path.stat().st_size / 1000:.0f} kB"
        self.about = f"{size} of data, spoken without a library; it {shown}"

    def speak(self, window: Windows, n: int, temperature: float, seed: int) -> list[Said]:
        """Speak of a summary where it was taught such windows, else of the states."""
        rng, shown = random.Random(seed), self._shown(window)
        said = [
            tuple(self._student.speak(**shown, temperature=temperature, seed=rng)) for _ in range(n)
        ]
        return [Said(e, to_primitives(e), pattern_of(e)) for e in said]

    def law(self, window: Windows) -> np.ndarray:
        """Return the whole law of what it is shown."""
        law = self._student.law(**self._shown(window))
        return np.array([law.get(e, 0.0) for e in EXPRESSIONS])

    def _shown(self, window: Windows) -> dict[str, Any]:
        if window.t.shape[1] in self._lengths:
            return {"summary": window.summary[0].tolist()}
        columns = [window.t[0][:, None], window.X[0], window.ethical_drift[0][:, None]]
        return {"series": np.hstack(columns).tolist()}


def find_students(students: Path) -> tuple[list[Speaker], str]:
    """Return the students in a folder, and a sentence on each that cannot be shown."""
    found: list[Speaker] = []
    unusable = []
    for folder in sorted(p for p in students.glob("*") if p.is_dir()):
        try:
            found.append(StudentSpeaker(folder))
        except (InputError, OSError, AttributeError) as error:
            unusable.append(f"A student is not shown: {error}.")
    return found, " ".join(unusable)


_SHOWN = {
    "study": "the shape's name and fourteen numbers",
    "compact": "the shape's name and fourteen numbers",
    "blind": "fourteen numbers, and not the shape",
    "series": "the states themselves, and not the shape",
}


def find_teachers(models: Path) -> tuple[list[Speaker], str]:
    """Return the teachers in a folder, and a sentence on what is missing ("" if nothing is)."""
    found: list[Speaker] = []
    unusable = []
    for folder in sorted(p for p in models.glob("*") if (p / "config.json").is_file()):
        try:
            found.append(TeacherSpeaker(folder))
        except (InputError, OSError, AttributeError) as error:
            unusable.append(str(error))
    if unusable:
        return found, f"A model is not shown: {unusable[0]}."
    return (
        found,
        "" if found else "No trained model travels with this copy: the voice speaks alone.",
    )


def one_window(t: np.ndarray, X: np.ndarray, drift: np.ndarray | None, shape: str) -> Windows:
    """Return the columns of one window, with its summary taken in plain NumPy.

    Parameters
    ----------
    t, X, drift
        Shapes (w,), (w, 4) and (w,) or None.
    shape
        Its shape, as explained.
    """
    d = derivatives(t, X)
    means = [X.mean(0)] + [a.mean(0) if len(a) else np.zeros(4) for a in (d.first, d.second)]
    summary = np.concatenate([[len(t), t[-1] - t[0]], *means])
    return Windows(
        t=t[None],
        X=X[None],
        ethical_drift=np.zeros((1, len(t))) if drift is None else drift[None],
        shape=np.array([SHAPES.index(shape)], np.int8),
        summary=summary[None],
    )
