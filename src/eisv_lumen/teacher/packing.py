"""One prompt, several answers, one pass: rows in which answers share the work on their prompt.

An answer's branch begins with the prompt's last token, in that token's place, and sees the prompt
and itself alone. So each branch computes what a row of its own would, and the prompt, which is
most of the work, is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

__all__ = ["IGNORED", "BranchCollator", "branches", "model_inputs"]

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
    """Batch rows of `branches`, padded on the right.

    Returns
    -------
    dict
        `input_ids`, `labels` and `position_ids`, (rows, length); `attention_mask`, boolean,
        (rows, 1, length, length): causal, and blind between branches.
    """
    import torch

    length = max(len(row["input_ids"]) for row in rows)

    def column(name: str, fill: int) -> torch.Tensor:
        return torch.tensor([row[name] + [fill] * (length - len(row[name])) for row in rows])

    branch = column("branch", IGNORED)
    shared = branch == 0
    sees = shared[:, None, :] | (branch[:, :, None] == branch[:, None, :])
    sees &= torch.ones(length, length, dtype=torch.bool).tril()
    # A token's place is the number of tokens that it sees before it.
    return {
        "input_ids": column("input_ids", pad),
        "labels": column("labels", IGNORED),
        "position_ids": sees.sum(-1) - 1,
        "attention_mask": sees[:, None],
    }


@dataclass
class BranchCollator:
    """A data collator for rows of `branches`."""

    pad_token_id: int

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Batch the rows."""
        return model_inputs(rows, self.pad_token_id)
