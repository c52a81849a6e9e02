"""What a recipe's section `data` asks for: prompts and shapes, in parts that share no state."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.files import read_json
from ...evaluation import baselines
from ...expression.law import ExpressionLaw
from ...expression.vocabulary import SHAPES
from ...trajectory.series import Windows
from ..prompt.messages import render_summaries, render_windows
from ..recipe import DataRecipe
from .examples import Examples, draw_examples
from .given import split_file

__all__ = [
    "PARTS",
    "Corpus",
    "corpus_of_windows",
    "facts_of_file",
    "read_corpus",
    "recipe_corpora",
    "recipe_examples",
    "target_laws",
    "training_record",
]

PARTS: Final = {"train": 0.8, "validation": 0.1, "test": 0.1}
_HELD_OUT: Final = 400  # windows a shape, or a ninth of the summaries, where data is unlimited
_LOG_STATES: Final = 214_503  # as many as the study's log holds


@dataclass(frozen=True)
class Corpus:
    """Prompts and the true shapes of their windows.

    Attributes
    ----------
    prompts : list of str
        User messages.
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`.
    stages : tuple of int
        Sizes of the parts that are to come one after another; none for a single one.
    """

    prompts: list[str]
    shape: npt.NDArray[np.int8]
    stages: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.prompts)


def target_laws(target: str, seed: int = 0) -> list[ExpressionLaw]:
    """Return the nine laws to imitate: `initial`, or `learned` by feedback on the published mix.

    Raises
    ------
    InputError
        The target is neither.
    """
    if target not in ("initial", "learned"):
        raise InputError(f"target {target!r}: one of initial, learned")
    return baselines.feedback(seed) if target == "learned" else baselines.initial()


def recipe_examples(data: DataRecipe, corpus: Corpus) -> Examples:
    """Return a corpus with draws from the recipe's target law, in the order that it asks for."""
    prompts, shape = corpus.prompts, corpus.shape
    if data.named_first or len(corpus.stages) > 1:
        rng = np.random.default_rng(data.seed)
        stages = corpus.stages or (len(corpus),)
        # As they come, shapes stand in blocks.
        starts = np.cumsum([0, *stages[:-1]])
        order = np.concatenate(
            [start + rng.permutation(n) for start, n in zip(starts, stages, strict=True)]
        )
        named = rng.choice(shape, data.named_first)
        prompts = [f"SHAPE: {SHAPES[code]}" for code in named] + [prompts[i] for i in order]
        shape = np.concatenate([named, shape[order]])
    laws = target_laws(data.target)
    drawn = draw_examples(prompts, shape, laws, data.seed, data.draws, stratified=data.stratified)
    return replace(drawn, whole=data.whole)


def corpus_of_windows(parts: Sequence[Windows], data: DataRecipe) -> Corpus:
    """Render windows, whose lengths may differ from part to part, in a recipe's style.

    Raises
    ------
    InputError
        There are none.
    """
    if not sum(len(windows) for windows in parts):
        raise InputError("no windows to make examples of: the split is empty")
    prompts = [text for windows in parts for text in render_windows(windows, data.style)]
    return Corpus(prompts, np.concatenate([windows.shape for windows in parts]))


def read_corpus(
    folder: str | os.PathLike[str], data: str | os.PathLike[str] | None = None
) -> tuple[Corpus, dict[str, Any]]:
    """Return what a trained teacher is to be evaluated on, in the style it was taught.

    Parameters
    ----------
    folder
        What `train` wrote.
    data
        Windows (Parquet), the folder that `data build --split` wrote, of which the test split is
        taken, or summaries (JSON lines), of which those kept for evaluation are taken; None: the
        test part of the recipe's own data.

    Returns
    -------
    corpus : Corpus
    facts : dict
        What it is, for a report's provenance.

    Raises
    ------
    InputError
        A file is missing or is not what it should be, or the style needs what it does not hold.
    """
    from ...trajectory.dataset.schema import read_table, windows_from_table
    from ...trajectory.sources.summaries import for_fitting, read_summaries

    record, recipe = training_record(folder)
    if data is None:
        if "data" in record:
            raise InputError(
                f"{folder}: learned windows of {record['data']['windows']}, which have no test "
                "part; say with --data what it is to be evaluated on"
            )
        return recipe_corpora(recipe, ["test"])["test"], {"windows": "test part of the recipe"}
    path = split_file(data, "test", recipe.window)
    facts = facts_of_file(path)
    if path.suffix == ".jsonl":
        kept = read_summaries(path)
        kept = kept.take(~for_fitting(kept.id))
        facts["half"] = "kept for evaluation (ids that are no multiples of 4)"
        return Corpus(render_summaries(kept.values, recipe.style, kept.shape), kept.shape), facts
    return corpus_of_windows([windows_from_table(read_table(path))], recipe), facts


def training_record(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], DataRecipe]:
    """Return what `train` wrote of a teacher, and its recipe's section `data`.

    Raises
    ------
    InputError
        There is no `training.json`, or it is of something else.
    """
    path = Path(folder) / "training.json"
    record: Any = read_json(path)
    try:
        if not isinstance(record["recipe"]["name"], str):
            raise TypeError("recipe.name is no text")
        return record, DataRecipe.model_validate(record["recipe"]["data"])
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a record of `teacher train` ({reason})") from error


def facts_of_file(path: Path) -> dict[str, Any]:
    """Return what a record says of a file of windows: its name and SHA-256."""
    return {"windows": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def recipe_corpora(data: DataRecipe, names: Sequence[str] = tuple(PARTS)) -> dict[str, Corpus]:
    """Make the windows that a recipe asks for.

    A finite set (`synthetic`, `blend`) is split by shape, without a state in two parts. Where data
    is unlimited (`lumen_like`, `summaries`), the parts come from runs of other seeds.

    Parameters
    ----------
    data
        The recipe's section.
    names
        Which of `PARTS` are wanted.

    Raises
    ------
    InputError
        A part would be empty, or a shape cannot be had at that window length.
    """
    if data.source in ("synthetic", "blend"):
        parts = _finite(data)
        return {name: corpus_of_windows(parts[name], data) for name in names}
    make = _summaries if data.source == "summaries" else _balanced
    seeds = {name: 3 * data.seed + k for k, name in enumerate(PARTS)}
    return {name: make(data, name == "train", seeds[name]) for name in PARTS if name in names}


def _summaries(data: DataRecipe, training: bool, seed: int) -> Corpus:
    """Return summaries of a run of the process.

    In training synthetic ones stand among them, and balanced ones come before.
    """
    from ...trajectory.simulate.lumen_like import (
        balanced_summaries,
        summaries_like_real,
        synthetic_summaries,
    )

    n = data.n if training else min(data.n, len(SHAPES) * _HELD_OUT)
    if n == 0:
        raise InputError("data.n is 0: say how many summaries")
    parts = [summaries_like_real(n, seed)]
    if training:
        parts = [
            balanced_summaries(data.balanced_first, seed),
            *parts,
            synthetic_summaries(data.synthetic_among, seed),
        ]
    shape, summary = (np.concatenate(column) for column in zip(*parts, strict=True))
    prompts = render_summaries(summary, data.style, shape)
    first = data.balanced_first if training else 0
    return Corpus(prompts, shape, (first, len(shape) - first))


def _balanced(data: DataRecipe, training: bool, seed: int) -> Corpus:
    """Return balanced windows of the process; in training, shorter ones before them."""
    from ...trajectory.simulate.lumen_like import balanced_windows

    n = data.per_shape if training else min(data.per_shape, _HELD_OUT)
    counts = [*(sorted(data.shorter_first.items()) if training else ()), (data.window, n)]
    parts = [balanced_windows(each, window=states, seed=seed) for states, each in counts]
    return replace(corpus_of_windows(parts, data), stages=tuple(map(len, parts)))


def _finite(data: DataRecipe) -> dict[str, list[Windows]]:
    """Return the windows of each part: of a blend those of the log first, then synthetic ones."""
    from ...trajectory.simulate.synthetic import generate

    log = _log_windows(data) if data.source == "blend" else None
    parts: dict[str, list[Windows]] = {name: [] for name in PARTS}
    rng = np.random.default_rng(data.seed)
    for code, shape in enumerate(SHAPES):
        lacking = data.shape_overrides.get(shape, data.per_shape)
        if log is not None:
            members = rng.permutation(np.flatnonzero(log.shape == code))
            picked = log.take(members[: min(lacking, data.real_per_shape)])
            lacking -= len(picked)
            _deal(picked, parts)
        seed = len(SHAPES) * data.seed + code
        _deal(generate(shape, lacking, window=data.window, v_max=data.v_max, seed=seed), parts)
    return parts


def _deal(windows: Windows, parts: dict[str, list[Windows]]) -> None:
    """Split windows of one shape, which share no states and come in no order."""
    ends = np.rint(np.cumsum(list(PARTS.values())) * len(windows)).astype(int)
    for name, start, end in zip(PARTS, [0, *ends], ends, strict=False):
        parts[name].append(windows.take(np.arange(start, end)))


def _log_windows(data: DataRecipe) -> Windows:
    """Cut a log of the Lumen-like process as the study did: the last states of each window.

    No two of them share a state.
    """
    from ...trajectory.series import cut, windows_from_arrays
    from ...trajectory.simulate.lumen_like import lumen_like
    from ...trajectory.windows import STRIDE, WINDOW

    k = data.real_window or data.window
    windows = cut(lumen_like(_LOG_STATES, data.seed), max(WINDOW, k), max(STRIDE, k))
    return windows_from_arrays(windows.t[:, -k:], windows.X[:, -k:], windows.ethical_drift[:, -k:])
