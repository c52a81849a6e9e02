"""One prompt, several answers, one pass: rows in which answers share the work on their prompt.

An answer's branch begins with the prompt's last token, in that token's place, and sees the prompt
and itself alone. So each branch computes what a row of its own would. The prompt, which is most
of the work, is read once, as a cache of keys and values; the branches read that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

__all__ = ["IGNORED", "BranchCollator", "answer_states", "branches", "model_inputs"]

IGNORED: Final = -100
"""The label that PyTorch's and TRL's losses leave out."""


def branches(prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> dict[str, list[int]]:
    """Lay out a prompt and its answers.

    Returns
    -------
    dict
        `input_ids`; `labels`, which cover exactly the answers; `branch`, 0 for the prompt without
        its last token and 1, 2, … for the answers.

    Examples
    --------
    >>> branches([5, 6], [[7], [8, 9]])
    {'input_ids': [5, 6, 7, 6, 8, 9],
     'labels': [-100, -100, 7, -100, 8, 9],
     'branch': [0, 1, 1, 2, 2, 2]}
    """
    *stem, last = prompt
    ids, labels, branch = list(stem), [IGNORED] * len(stem), [0] * len(stem)
    for i, answer in enumerate(answers, 1):
        ids += [last, *answer]
        labels += [IGNORED, *answer]
        branch += [i] * (len(answer) + 1)
    return {"input_ids": ids, "labels": labels, "branch": branch}


def model_inputs(rows: Sequence[dict[str, list[int]]], pad: int) -> dict[str, torch.Tensor]:
    """Batch rows of `branches`: prompts and answers apart, each padded on the right.

    Returns
    -------
    dict
        `prompt_ids`, (rows, P); `input_ids`, `labels`, `branch` and `position_ids` of the answers,
        (rows, A); `attention_mask`, boolean, (rows, 1, A, P + A): each answer's token sees the
        prompt, and its own branch up to itself.
    """
    import torch

    stems = torch.tensor([row["branch"].count(0) for row in rows])
    prompts = int(stems.max())

    def column(name: str, fill: int, *, answers: bool) -> torch.Tensor:
        cut = [
            row[name][stem:] if answers else row[name][:stem]
            for row, stem in zip(rows, stems.tolist(), strict=True)
        ]
        length = max(map(len, cut))
        return torch.tensor([values + [fill] * (length - len(values)) for values in cut])

    branch = column("branch", IGNORED, answers=True)
    own = (branch[:, :, None] == branch[:, None, :]).tril()
    shared = (torch.arange(prompts) < stems[:, None])[:, None].expand(-1, branch.shape[1], -1)
    sees = torch.cat([shared, own], 2)
    return {
        "prompt_ids": column("input_ids", pad, answers=False).long(),
        "input_ids": column("input_ids", pad, answers=True),
        "labels": column("labels", IGNORED, answers=True),
        "branch": branch,
        # A token's place is the number of tokens that it sees before it.
        "position_ids": sees.sum(-1) - 1,
        "attention_mask": sees[:, None],
    }


def answer_states(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return what the model's head is given at each answer's token, (rows, A, hidden).

    Gradients flow through the cache. In the last layer the prompt's tokens are keys and values
    alone: nothing else of theirs is differentiated.
    """
    given = {k: inputs[k] for k in ("input_ids", "attention_mask", "position_ids")}
    cache = None
    if inputs["prompt_ids"].shape[1]:
        # Right padding: causality alone keeps the prompt's tokens from it.
        cache = model(inputs["prompt_ids"], use_cache=True, logits_to_keep=1).cache
    found = model(
        **given,
        cache=cache,
        use_cache=cache is not None,
        output_hidden_states=True,
        logits_to_keep=1,
    )
    states: torch.Tensor = found.hidden_states[-1]
    return states


@dataclass
class BranchCollator:
    """A data collator for rows of `branches`."""

    pad_token_id: int

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Batch the rows."""
        return model_inputs(rows, self.pad_token_id)
