"""What a training run is fed: examples as token ids, with the labels that it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.law import EXPRESSIONS
from .examples import Examples, answer_ids, first_line, prompt_ids
from .shared_prefix import IGNORED, answer_tree

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["has_trees", "training_rows"]


def training_rows(
    tokenizer: Any, examples: Examples, max_length: int | None = None
) -> tuple[Dataset, dict[str, int], list[tuple[list[int], list[list[int]]]]]:
    """Tokenise examples: labels cover exactly the answers, whole ones to the end of the turn.

    The prompt is tokenised up to where the assistant begins, and the answer by itself, so training
    sees the very tokens that decoding and scoring do.

    Returns
    -------
    rows : datasets.Dataset
        `input_ids` and `labels`; with several draws a window those of `tree.answer_tree`.
    counts : dict
        `rows` and `answer_tokens`, the number of labels that are not masked.
    pairs : list
        Token ids of each prompt, and of what is learned of its answers.

    Raises
    ------
    InputError
        A prompt and one of its answers are longer than `max_length`.
    """
    from datasets import Dataset

    used, place = _unique(examples)
    answers = answer_ids(tokenizer, [EXPRESSIONS[i] for i in used])
    lines = [first_line(tokenizer, answer) for answer in answers] if examples.whole else answers
    to_end = _learned_whole(examples).tolist()
    lay_out = answer_tree if has_trees(examples) else _one_row
    learned = [
        [(answers if end else lines)[place[i]] for i, end in zip(drawn, ends, strict=True)]
        for drawn, ends in zip(examples.drawn.tolist(), to_end, strict=True)
    ]
    pairs = list(zip(prompt_ids(tokenizer, examples.prompts), learned, strict=True))
    rows = [lay_out(*pair) for pair in pairs]
    longest = max(len(prompt) + max(map(len, said)) for prompt, said in pairs)
    if max_length is not None and longest > max_length:
        raise InputError(
            f"training.max_length={max_length}: an example has {longest} tokens; raise it, or "
            "choose a shorter style or window"
        )
    unmasked = [sum(label != IGNORED for label in row["labels"]) for row in rows]
    assert min(unmasked) > 0, "a row without labels would train on nothing"
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    counts = {"rows": len(rows), "answer_tokens": sum(unmasked)}
    return Dataset.from_dict(columns), counts, pairs


def _one_row(prompt: list[int], answers: list[list[int]]) -> dict[str, list[int]]:
    [answer] = answers
    return {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}


def _learned_whole(examples: Examples) -> npt.NDArray[np.bool_]:
    """Say which answers are learned to the end: a prompt's neighbours learn the next ones.

    Stratified draws are ordered by their first token: always the same one would leave tokens out.
    """
    n, draws = examples.drawn.shape
    turn = (np.arange(draws) - np.arange(n)[:, None]) % draws
    return np.asarray(turn < (examples.whole or draws))


def _unique(examples: Examples) -> tuple[list[int], dict[int, int]]:
    used = sorted(set(examples.drawn.ravel().tolist()))
    return used, {index: place for place, index in enumerate(used)}


def has_trees(examples: Examples) -> bool:
    """Say whether answers share their prompt: whether there are several a window."""
    return int(examples.drawn.shape[1]) > 1
