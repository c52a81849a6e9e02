"""A row of its own for each answer: what any causal language model can compute.

Slower than a shared prefix, but it asks nothing of a model beyond its own forward pass: no cache
of keys and values, no mask but the one over padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from .shared_prefix import IGNORED

if TYPE_CHECKING:
    import torch

__all__ = ["RowCollator", "answers_of_tree", "padded_rows", "row_logits"]


def answers_of_tree(row: dict[str, list[int]]) -> tuple[list[int], list[list[int]]]:
    """Return the prompt and the answers that `answer_tree` laid out.

    Examples
    --------
    >>> from eisv_lumen.teacher.data.shared_prefix import answer_tree
    >>> answers_of_tree(answer_tree([5, 6], [[7], [8, 9], [8, 7]]))
    ([5, 6], [[7], [8, 9], [8, 7]])
    """
    stem = len(row["input_ids"]) - len(row["parent"])
    answers: list[list[int]] = []
    for label, node in zip(row["labels"], row["node"], strict=True):
        if node == 0:  # the root: an answer begins
            answers.append([])
        answers[-1].append(label)
    return row["input_ids"][: stem + 1], answers


def padded_rows(
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]], pad: int
) -> dict[str, torch.Tensor]:
    """Batch prompts with an answer each, padded on the right.

    Returns
    -------
    dict
        `input_ids`, `attention_mask` and `labels`, (rows, L); labels cover the answers.
    """
    import torch

    longest = max(len(prompt) + len(answer) for prompt, answer in pairs)
    shape = len(pairs), longest
    ids = torch.full(shape, pad, dtype=torch.long)
    labels = torch.full(shape, IGNORED, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    for i, (prompt, answer) in enumerate(pairs):
        start, end = len(prompt), len(prompt) + len(answer)
        ids[i, :end] = torch.tensor([*prompt, *answer])
        labels[i, start:end] = ids[i, start:end]
        mask[i, :end] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def row_logits(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the model's own logits before each label, and the labels.

    Parameters
    ----------
    model
        Any causal language model of transformers, wrapped by PEFT or DDP or not.
    inputs
        As `padded_rows` made them.

    Returns
    -------
    logits : tensor, (n, vocabulary)
    labels : tensor, (n,)
        Row by row.
    """
    ids, labels = inputs["input_ids"], inputs["labels"]
    wanted = labels[:, 1:] != IGNORED
    options: dict[str, Any] = {}
    if _takes_logits_to_keep(model):
        first = int(wanted.any(0).nonzero()[0])
        options["logits_to_keep"] = ids.shape[1] - first
    logits = model(
        input_ids=ids, attention_mask=inputs["attention_mask"], use_cache=False, **options
    ).logits
    start = ids.shape[1] - logits.shape[1]
    return logits[:, :-1][wanted[:, start:]], labels[:, 1:][wanted]


def _takes_logits_to_keep(model: Any) -> bool:
    inner = getattr(model, "module", model)  # of DDP
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner  # of PEFT
    return "logits_to_keep" in signature(type(inner).forward).parameters


@dataclass
class RowCollator:
    """A data collator that lays out the answers of `answer_tree`'s rows one by one."""

    pad_token_id: int

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Batch the answers, a prompt's next to each other."""
        pairs = [answers_of_tree(row) for row in rows]
        return padded_rows(
            [(prompt, answer) for prompt, answers in pairs for answer in answers],
            self.pad_token_id,
        )
