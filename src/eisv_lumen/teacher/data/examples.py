"""Imitation examples: a window's message, and what the voice says of the window's shape."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.law import EXPRESSIONS, ExpressionLaw
from ..prompt.messages import messages, render_answer

__all__ = [
    "CHAT_OPTIONS",
    "Examples",
    "answer_ids",
    "draw_examples",
    "first_line",
    "prompt_ids",
]

CHAT_OPTIONS = {"enable_thinking": False}
"""For every chat template: so Qwen3's empty think block stands in the prompt, not in the loss."""

_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples, modulo 1, fill the unit interval most evenly


@dataclass(frozen=True)
class Examples:
    """Prompts in columns, each with one or more draws from the law of its window's shape.

    Attributes
    ----------
    prompts : list of str
        User messages.
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`; never shown to a blind model.
    drawn : ndarray, shape (n, draws), int
        Positions in `EXPRESSIONS`.
    whole : int
        How many of a prompt's answers are learned to the end; of the others the first line alone.
        0 for all.
    """

    prompts: list[str]
    shape: npt.NDArray[np.int8]
    drawn: npt.NDArray[np.intp]
    whole: int = 0

    def __len__(self) -> int:
        return len(self.prompts)

    def digest(self) -> str:
        """Return the SHA-256 of prompts, shapes and draws: what a training run was given."""
        sha = hashlib.sha256("\0".join(self.prompts).encode())
        sha.update(np.ascontiguousarray(self.shape).tobytes())
        sha.update(np.ascontiguousarray(self.drawn, dtype=np.int64).tobytes())
        return sha.hexdigest()


def draw_examples(
    prompts: list[str],
    shape: npt.NDArray[np.int8],
    laws: Sequence[ExpressionLaw],
    seed: int,
    draws: int = 1,
    *,
    stratified: bool = False,
) -> Examples:
    """Draw what the voice says of each window.

    Parameters
    ----------
    prompts
        User messages of n windows.
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`.
    laws
        The nine laws to imitate, in the order of `SHAPES`.
    seed
        Seed of the draws. A window's draws are made once: they are the same in every epoch.
    draws
        Draws a window (≥ 1).
    stratified
        Draw evenly instead of independently: an expression is expected as often as the law has it,
        and both a window's few answers and those of windows that follow one another show the whole
        law. What is left of chance in a training run is then mostly the windows'.

    Raises
    ------
    InputError
        There are no windows.
    """
    if not prompts:
        raise InputError("no windows to make examples of: the split is empty")
    rng = np.random.default_rng(seed)
    drawn = np.empty((len(prompts), draws), dtype=np.intp)
    for code, law in enumerate(laws):
        at = np.flatnonzero(shape == code)
        if stratified:
            drawn[at] = _systematic(law, at.size, draws, rng)
        else:
            drawn[at] = law.sample_index(at.size * draws, rng).reshape(-1, draws)
    return Examples(prompts, np.asarray(shape, dtype=np.int8), drawn)


def _systematic(
    law: ExpressionLaw, n: int, draws: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Draw n rows, each with one draw from each of `draws` equal parts of the law, (n, draws).

    Systematic sampling (Madow & Madow 1944) along the expressions in the order of their tokens, so
    that the parts differ in the first token before all else. A row's place within the parts is the
    last one's and the golden section more (Kronecker's sequence, modulo 1): the rows fill the law
    in evenly, with an error of the order log(n) / n where chance would leave 1 / sqrt(n).
    """
    order = np.array(sorted(range(len(EXPRESSIONS)), key=EXPRESSIONS.__getitem__))
    starts = (rng.random() + np.arange(n)[:, None] * _GOLDEN) % 1
    places = (np.arange(draws) + starts) / draws
    found = np.searchsorted(np.cumsum(law.pmf[order]), places, side="right")
    return np.asarray(order[np.minimum(found, len(order) - 1)])


def prompt_ids(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of each chat, up to where the assistant begins to speak."""
    texts = tokenizer.apply_chat_template(
        [messages(prompt) for prompt in prompts],
        tokenize=False,
        add_generation_prompt=True,
        **CHAT_OPTIONS,
    )
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return ids


def answer_ids(tokenizer: Any, expressions: Sequence[Sequence[str]]) -> list[list[int]]:
    """Return the token ids of each expression's answer, the end of the turn included."""
    texts = [render_answer(expression) for expression in expressions]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [[*row, tokenizer.eos_token_id] for row in ids]


def first_line(tokenizer: Any, answer: Sequence[int]) -> list[int]:
    """Return an answer's ids up to its first line break: its EISV tokens, and that they end.

    The two lines after it follow from the first, so a model that knows them learns nothing more
    from most draws.
    """
    pieces = tokenizer.batch_decode([[i] for i in answer])
    end = next(place for place, piece in enumerate(pieces) if "\n" in piece)
    return list(answer[: end + 1])
