"""How a teacher is evaluated: let it speak under each decoding, and ask what it thinks of the law.

Excess nats of a window: the mean, over draws of the true shape's law, of log law − log teacher.
It is the teacher's cross-entropy less the law's entropy, with less noise than either. At another
temperature both are tempered alike, step by step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...evaluation.gates import calibrated_gates, published_gates
from ...evaluation.report import DecodedResult, Decoding, EvalReport, provenance
from ...evaluation.scoring import DECODINGS, INHERITED, Spoken, score
from ...expression.answer import Parsed, parse
from ...expression.law import ExpressionLaw
from ..data.windows import target_laws, training_record
from ..models.load import load_teacher
from .generate import generate
from .score import answer_log_probs

if TYPE_CHECKING:
    from ..models.load import Teacher

__all__ = ["DRAWS", "evaluate_teacher", "excess_nats", "listen", "teacher_report"]

DRAWS: Final = 16
"""Draws of the law a window, for excess nats."""
Floats = npt.NDArray[np.float64]


def evaluate_teacher(
    teacher: Teacher,
    prompts: Sequence[str],
    shapes: npt.NDArray[np.int8],
    laws: Sequence[ExpressionLaw],
    *,
    decodings: Sequence[Decoding] = (*DECODINGS, INHERITED),
    draws: int = DRAWS,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> list[DecodedResult]:
    """Evaluate a teacher on windows whose shapes are known.

    Parameters
    ----------
    teacher
        Who is evaluated.
    prompts
        n user messages, in the style that it was trained on.
    shapes : ndarray, shape (n,), int8
        True shapes of the windows.
    laws
        The nine laws that it should imitate.
    decodings
        How it is decoded; each window is spoken of once under each.
    draws
        Draws of the law a window, for excess nats. They are measured where 0 < T, top_k and top_p
        off: a cut law gives no probability to what another one says.
    seed
        Seed of all draws.
    say
        Told of progress.

    Returns
    -------
    list of DecodedResult
        One for each decoding, in that order.

    Raises
    ------
    InputError
        There are no windows, or lengths differ.
    """
    if not prompts or len(prompts) != len(shapes):
        raise InputError(f"{len(prompts)} prompts for {len(shapes)} shapes: give one for each")
    results = []
    for decoding in decodings:
        spoken = listen(teacher, prompts, decoding, seed)
        excess = None
        if decoding.temperature > 0 and decoding.top_k == 0 and decoding.top_p == 1:
            excess = excess_nats(
                teacher, prompts, shapes, laws, decoding.temperature, draws=draws, seed=seed
            )
        result = score(spoken, shapes, laws, decoding, excess_nats=excess, seed=seed)
        coherence = result.metrics["macro_coherence"]
        say(f"{decoding.label}: coherence {coherence.value:.3f} (perfect {coherence.perfect:.3f})")
        results.append(result)
    return results


def teacher_report(
    folder: str | os.PathLike[str],
    prompts: Sequence[str],
    shapes: npt.NDArray[np.int8],
    *,
    name: str,
    title: str,
    command: str,
    data: Mapping[str, Any],
    note: str = "",
    draws: int = DRAWS,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> EvalReport:
    """Evaluate the teacher that `train` wrote to a folder, against the law that it was taught.

    Parameters
    ----------
    folder
        What `train` wrote: the model and `training.json`.
    prompts, shapes, draws, seed, say
        As for `evaluate_teacher`.
    name, title, note
        How the report is called, and what its reader should know.
    command, data
        For the provenance: what was run, and on which windows.

    Raises
    ------
    InputError
        There is no trained teacher in the folder, or as for `evaluate_teacher`.
    """
    record, recipe = training_record(folder)
    taught = recipe.target
    report = EvalReport(
        kind="measured",
        name=name,
        title=title,
        target=taught,
        note=note,
        results=evaluate_teacher(
            load_teacher(folder),
            prompts,
            shapes,
            target_laws(taught),
            draws=draws,
            seed=seed,
            say=say,
        ),
        provenance=provenance(
            command,
            seed=seed,
            data={**data, "draws": draws, "training_sha256": record["data_sha256"]},
            model={
                k: record[k] for k in ("parameters", "steps", "cpu_s", "wall_s", "resumed_from")
            },
            recipe=record["recipe"],
        ),
    )
    gates = [*published_gates(report.at(0.3)), *calibrated_gates(report)]
    return report.model_copy(update={"gates": gates})


def listen(teacher: Teacher, prompts: Sequence[str], decoding: Decoding, seed: int) -> Spoken:
    """Let a teacher speak once of each window; an output that is not valid counts as silence."""
    outputs = generate(
        teacher,
        prompts,
        temperature=decoding.temperature,
        top_k=decoding.top_k or 0,
        top_p=1.0 if decoding.top_p is None else decoding.top_p,
        seed=seed,
    )
    parsed = [parse(text) for text in outputs]
    return Spoken(
        [p.tokens if isinstance(p, Parsed) else None for p in parsed],
        [p.pattern if isinstance(p, Parsed) else None for p in parsed],
    )


def excess_nats(
    teacher: Teacher,
    prompts: Sequence[str],
    shapes: npt.NDArray[np.int8],
    laws: Sequence[ExpressionLaw],
    temperature: float = 1.0,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Floats:
    """Return each window's excess nats, shape (n,): an unbiased estimate from `draws` draws.

    Raises
    ------
    InputError
        The temperature is not positive.
    """
    rng = np.random.default_rng(seed)
    drawn = np.empty((len(prompts), draws), np.intp)
    expected = np.empty(drawn.shape)
    for code in np.unique(shapes):
        law = laws[code].tempered(temperature)
        members = np.flatnonzero(shapes == code)
        drawn[members] = law.sample_index(members.size * draws, rng).reshape(-1, draws)
        expected[members] = np.log(law.pmf[drawn[members]])
    found = answer_log_probs(teacher, prompts, drawn, temperature=temperature)
    return np.asarray((expected - found).mean(1))
