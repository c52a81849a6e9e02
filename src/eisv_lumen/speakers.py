"""Whoever speaks of a window, behind one `.speak` and one `.law`: the voice, teachers, students."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from .core.errors import InputError
from .core.extras import require
from .core.files import read_json
from .expression.law import EXPRESSIONS, ExpressionLaw
from .expression.lumen import to_primitives
from .expression.vocabulary import SHAPES, pattern_of
from .expression.voice import Voice as RuleVoice
from .hub.publishing.fetch import base_beside, fetch_model
from .student.format import read_student
from .student.reader import Student as Reader
from .trajectory.labels import series_of_frame
from .trajectory.series import Windows, windows_from_arrays

__all__ = ["Said", "Speaker", "Student", "Teacher", "Voice", "hear"]

SUMMARY: Final = 14
"""Numbers of a window's summary."""
SHOWN: Final = {
    "study": "the shape's name and fourteen numbers",
    "compact": "the shape's name and fourteen numbers",
    "blind": "fourteen numbers, and not the shape",
    "series": "the states themselves, and not the shape",
}
"""What a teacher of each style of prompt is shown."""


class Said(tuple[str, ...]):
    """One answer: a tuple of tokens, empty where the answer is not valid.

    Attributes
    ----------
    invalid
        Why it is not valid, else "".
    """

    invalid: str

    def __new__(cls, tokens: Sequence[str] = (), invalid: str = "") -> Said:
        """Take tokens, or why there are none."""
        said = super().__new__(cls, tokens)
        said.invalid = invalid
        return said

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens, without tildes."""
        return tuple(self)

    @property
    def primitives(self) -> tuple[str, ...]:
        """Lumen's words for the tokens."""
        return to_primitives(self) if self else ()

    @property
    def pattern(self) -> str:
        """The pattern of the expression, "" where it is not valid."""
        return pattern_of(self) if self else ""

    def __repr__(self) -> str:
        return f"Said({' '.join(self)!r})" if self else f"Said(invalid={self.invalid!r})"


class Speaker(Protocol):
    """Whoever puts a window into words."""

    name: str
    about: str

    def speak(
        self, window: Any, n: int = 1, *, temperature: float = 1.0, seed: int = 0
    ) -> list[Said]:
        """Speak `n` times of a window."""

    def law(self, window: Any, *, temperature: float = 1.0) -> ExpressionLaw:
        """Return the exact law of what is said."""


@dataclass(frozen=True)
class Heard:
    """What a speaker is given: a shape's name, fourteen numbers, or one window of states."""

    shape: str | None = None
    summary: npt.NDArray[np.float64] | None = None
    window: Windows | None = None


def hear(what: Any) -> Heard:
    """Take a shape, a summary or a window in any form.

    Parameters
    ----------
    what
        The name of a shape, or its code; `Windows` of one window; the fourteen numbers of a
        summary; states as an array or list, shape (n, 5) or (n, 6): t, E, I, S, V and perhaps
        ethical_drift; or a data frame, Arrow table or mapping with such columns.

    Raises
    ------
    InputError
        It is none of these.
    """
    if isinstance(what, str):
        if what not in SHAPES:
            raise InputError(f"unknown shape {what!r}; use one of {', '.join(SHAPES)}")
        return Heard(shape=what)
    if isinstance(what, int | np.integer):
        if not 0 <= what < len(SHAPES):
            raise InputError(f"shape code {what}: give 0 to {len(SHAPES) - 1}")
        return Heard(shape=SHAPES[int(what)])
    if isinstance(what, Windows):
        if len(what) != 1:
            raise InputError(f"{len(what)} windows; give one, as windows.take([0])")
        return _of_window(what)
    if isinstance(what, np.ndarray | list | tuple):
        values = np.asarray(what, np.float64)
        if values.shape == (SUMMARY,):
            return Heard(summary=values)
        if values.ndim != 2 or values.shape[1] not in (5, 6):
            raise InputError(
                f"shape {values.shape}: give (n, 5) or (n, 6), that is t, E, I, S, V and perhaps "
                f"ethical_drift; or the {SUMMARY} numbers of a summary"
            )
        drift = values[:, 5] if values.shape[1] == 6 else None
        return _of_states(values[:, 0], values[:, 1:5], drift)
    series = series_of_frame(what)
    if len(series) != 1:
        raise InputError(f"{len(series)} agents; give the states of one window")
    return _of_states(series[0].t, series[0].X, series[0].ethical_drift)


def _of_states(t: Any, X: Any, drift: Any) -> Heard:
    if len(t) < 2:
        raise InputError("a window needs at least 2 states")
    parts = None if drift is None else np.asarray(drift)[None]
    return _of_window(windows_from_arrays(np.asarray(t)[None], np.asarray(X)[None], parts))


def _of_window(window: Windows) -> Heard:
    return Heard(SHAPES[int(window.shape[0])], window.summary[0], window)


def _shape_of(heard: Heard, whose: str) -> str:
    if heard.shape is None:
        raise InputError(f"{whose} hears shapes; give one, or a window, instead of a summary")
    return heard.shape


class Voice(RuleVoice):
    """The rule-based voice, with token weights that feedback moves.

    Parameters
    ----------
    seed
        Seed of what it draws where `speak` is given none.

    Examples
    --------
    >>> Voice(seed=7).speak("void_rising", 2, temperature=0.3, seed=1)
    [Said('reaching curiosity'), Said('threshold questioning')]
    """

    name = "Voice"
    about = "rules and dice: it hears the shape, and draws from that shape's law"

    def speak(
        self, window: Any, n: int = 1, *, temperature: float = 1.0, seed: int | None = None
    ) -> list[tuple[str, ...]]:
        """Speak of a window `n` times.

        Parameters
        ----------
        window
            A shape, or a window in any form that `hear` takes; summaries name no shape.
        n
            How often, ≥ 0.
        temperature
            ≥ 0; 0 is greedy.
        seed
            Seed of the draws; None goes on with the voice's own.

        Returns
        -------
        list of Said
        """
        shape = _shape_of(hear(window), "the voice")
        if seed is None and temperature == 1.0:
            return [Said(said) for said in super().speak(shape, n)]
        source = self._rng if seed is None else seed
        return [Said(e) for e in self.law(shape, temperature=temperature).sample(n, source)]

    def law(self, window: Any, *, temperature: float = 1.0) -> ExpressionLaw:
        """Return the exact law of what the voice says of a window, decoded at a temperature."""
        law = super().law(_shape_of(hear(window), "the voice"))
        return law if temperature == 1.0 else law.tempered(temperature)

    def __repr__(self) -> str:
        moved = int((self.weights != RuleVoice().weights).sum())
        return f"Voice({f'{moved} of {self.weights.size} weights learned' if moved else 'initial'})"


class _Published:
    """A model in a folder, which may have come from the Hub."""

    folder: Path

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload the folder as it is to a model repo; return its address.

        `eisv-lumen publish` also writes the card, tags the version and never overwrites what
        somebody changed there; this is the short way.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=token, library_name="eisv-lumen")
        api.create_repo(repo_id, private=private, exist_ok=True)
        return str(
            api.upload_folder(
                repo_id=repo_id, folder_path=self.folder, ignore_patterns=[*_NOT_SENT]
            )
        )


_NOT_SENT: Final = ("checkpoints/*", "asked/*", "run.json", ".*")


class Teacher(_Published):
    """A language model that imitates the voice: safetensors, a tokenizer, and its recipe.

    Load one with `Teacher.from_pretrained`.

    Attributes
    ----------
    folder
        Where it lies.
    style
        The style of its prompts, which says what it is shown.
    """

    def __init__(self, folder: str | os.PathLike[str], device: str | None = None) -> None:
        self.folder = Path(folder)
        recipe = read_json(self.folder / "training.json").get("recipe", {})
        self.style = recipe.get("data", {}).get("style")
        self.name = f"Teacher {recipe.get('name', self.folder.name)}"
        self._device, self._lock = device, threading.Lock()
        self._loaded_model: Any = None
        if self.style not in SHOWN:
            raise InputError(f"{folder}: training.json names no known style of prompt")
        self.about = (
            f"a small language model that imitates the voice; it is shown {SHOWN[self.style]}"
        )

    @classmethod
    def from_pretrained(
        cls, id_or_folder: str | os.PathLike[str], revision: str | None = None,
        token: str | None = None, device: str | None = None,
    ) -> Teacher:  # fmt: skip
        """Load a teacher from a folder that `teacher train` wrote, or from the Hub.

        Parameters
        ----------
        id_or_folder
            A folder, or `owner/name[@revision]`.
        revision
            Branch, tag or commit; main by default.
        token
            A Hub token; that of `hf auth login` by default.
        device
            cuda, mps or cpu; by default the first that is there.

        Raises
        ------
        InputError
            There is no such teacher, or torch is not installed.
        """
        require("train", "A teacher")
        return cls(fetch_model(os.fspath(id_or_folder), revision, token=token), device)

    def speak(
        self, window: Any, n: int = 1, *, temperature: float = 1.0, seed: int = 0
    ) -> list[Said]:
        """Decode `n` answers; each is parsed by the study's definition, or says why it is invalid.

        Parameters
        ----------
        window
            A window in any form that `hear` takes; of a summary, only if the teacher is blind.
        n, temperature, seed
            How often; ≥ 0, 0 is greedy; of the draws.
        """
        from .expression.answer import Invalid, parse
        from .teacher.evaluation.generate import generate

        prompts = [self.prompt(window)] * n
        with self._lock:
            texts = generate(self._model(), prompts, temperature=temperature, seed=seed)
        answers = map(parse, texts)
        return [
            Said(invalid=a.reason) if isinstance(a, Invalid) else Said(a.tokens) for a in answers
        ]

    def law(self, window: Any, *, temperature: float = 1.0) -> ExpressionLaw:
        """Return the exact law over valid expressions; the share of invalid answers is left out.

        Raises
        ------
        InputError
            The tokenizer splits the voice's tokens, so the law cannot be enumerated.
        """
        from .teacher.evaluation.score import expression_pmf

        heard = hear(window)
        with self._lock:
            pmf = expression_pmf(self._model(), [self.prompt(window)], temperature=temperature)[0]
        return ExpressionLaw(pmf / pmf.sum(), heard.shape or SHAPES[0])

    def prompt(self, window: Any) -> str:
        """Return the user message that the teacher is shown of a window."""
        from .teacher.prompt.messages import render_summaries, render_windows

        heard = hear(window)
        if heard.window is not None:
            return render_windows(heard.window, self.style)[0]
        if heard.summary is not None and self.style == "blind":
            return render_summaries(heard.summary[None], self.style, np.zeros(1, np.int8))[0]
        raise InputError(f"this teacher is shown {SHOWN[self.style]}; give a window of states")

    def warm(self) -> None:
        """Load the weights now, so that the first answer does not wait for them."""
        with self._lock:
            self._model()

    def _model(self) -> Any:
        if self._loaded_model is None:
            from .teacher.models.load import load_teacher

            base = base_beside(self.folder)
            self._loaded_model = load_teacher(self.folder, self._device, base)
        return self._loaded_model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r}, shown {SHOWN[self.style]})"


class Student(_Published):
    """A teacher's law as a few kilobytes of data, spoken without torch.

    Load one with `Student.from_pretrained`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        path = Path(folder)
        self.folder = path.parent if path.suffix == ".json" else path
        file = self.folder / "student.json" if path == self.folder else path
        self._reader: Reader = read_student(file)
        record = self.folder / "distilled.json"
        taught = read_json(record).get("teacher", {}) if record.is_file() else {}
        whose = taught.get("recipe") or (f"the {taught['law']} law" if "law" in taught else "")
        self.name = f"Student of {whose}" if whose else "Student"
        self._lengths = tuple((self._reader.body.get("net") or {}).get("n_states", ()))
        shown = "is shown the states, which nine rules read"
        if self._lengths:
            shown = (
                f"of {self._lengths[0]} states it is shown fourteen numbers, and says what its "
                "teacher says; of others nine rules read the states, and it speaks as the voice"
            )
        size = f"{file.stat().st_size / 1000:.0f} kB"
        self.about = f"{size} of data, spoken without a library; it {shown}"

    @classmethod
    def from_pretrained(
        cls, id_or_folder: str | os.PathLike[str], revision: str | None = None,
        token: str | None = None,
    ) -> Student:  # fmt: skip
        """Load a student from a folder, from its `student.json`, or from the Hub.

        Parameters
        ----------
        id_or_folder
            A folder that `student distil` wrote, the JSON file in it, or `owner/name[@revision]`.
        revision, token
            As for `Teacher.from_pretrained`.

        Raises
        ------
        InputError
            There is no such student, or it was changed.
        """
        if Path(id_or_folder).is_file():
            return cls(id_or_folder)
        return cls(fetch_model(os.fspath(id_or_folder), revision, token=token))

    def speak(
        self, window: Any, n: int = 1, *, temperature: float = 1.0, seed: int = 0
    ) -> list[Said]:
        """Speak of a shape, a summary or a window `n` times; parameters as for `Teacher.speak`."""
        shown, draws = self._shown(window), random.Random(seed)
        return [
            Said(self._reader.speak(**shown, temperature=temperature, seed=draws)) for _ in range(n)
        ]

    def law(self, window: Any, *, temperature: float = 1.0) -> ExpressionLaw:
        """Return the exact law of what the student says, decoded at a temperature."""
        law = self._reader.law(**self._shown(window), temperature=temperature)
        pmf = np.array([law.get(expression, 0.0) for expression in EXPRESSIONS])
        return ExpressionLaw(pmf / pmf.sum(), hear(window).shape or SHAPES[0])

    def _shown(self, window: Any) -> dict[str, Any]:
        heard = hear(window)
        if heard.window is not None and heard.window.t.shape[1] not in self._lengths:
            one = heard.window
            columns = [one.t[0][:, None], one.X[0], one.ethical_drift[0][:, None]]
            return {"series": np.hstack(columns).tolist()}
        if heard.summary is not None:
            return {"summary": heard.summary.tolist()}
        return {"shape": heard.shape}

    def __repr__(self) -> str:
        return f"Student({str(self.folder)!r}, {self.about.partition(',')[0]})"
