"""One prompt and the tree of its answers, in one pass: what answers share is computed once.

The prompt, which is most of the work, is read as a cache of keys and values. Its last token is the
root of a tree whose nodes are the tokens of the answers; answers that begin alike share their
first nodes. A node sees the prompt and its own ancestors, so it computes what a row of its own
would. A label is a token that follows on a node; where several answers go on alike, there are as
many labels, and the loss is that of the answers one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = [
    "IGNORED",
    "TreeCollator",
    "answer_logits",
    "answer_states",
    "answer_tree",
    "label_nodes",
    "model_inputs",
]

IGNORED: Final = -100
"""The label that PyTorch's and TRL's losses leave out."""


def answer_tree(prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> dict[str, list[int]]:
    """Lay out a prompt and its answers.

    Returns
    -------
    dict
        `input_ids`: the prompt but for its last token, then the nodes, the root first. `parent`: of
        each node its parent's position among the nodes, of the root -1. `labels`: the tokens of all
        answers, one answer after another; `node`: the position of the node that each follows. An
        answer's last token is a label alone.

    Examples
    --------
    >>> answer_tree([5, 6], [[7], [8, 9], [8, 7]])
    {'input_ids': [5, 6, 8],
     'parent': [-1, 0],
     'labels': [7, 8, 9, 8, 7],
     'node': [0, 0, 1, 0, 1]}
    """
    *stem, root = prompt
    tokens, parent, labels, node = [root], [-1], [], []
    places: dict[tuple[int, int], int] = {}
    for answer in answers:
        at = 0
        for place, token in enumerate(answer, 1):
            labels.append(token)
            node.append(at)
            if place < len(answer):
                at = places.setdefault((at, token), len(tokens))
                if at == len(tokens):
                    tokens.append(token)
                    parent.append(node[-1])
    return {"input_ids": stem + tokens, "parent": parent, "labels": labels, "node": node}


def model_inputs(rows: Sequence[dict[str, list[int]]], pad: int) -> dict[str, torch.Tensor]:
    """Batch rows of `answer_tree`: prompts, nodes and labels apart, each padded on the right.

    Returns
    -------
    dict
        `prompt_ids`, (rows, P); `input_ids` and `position_ids` of the nodes, (rows, A);
        `attention_mask`, boolean, (rows, 1, A, P + A); `labels` and `node`, (rows, L).
    """
    import torch

    stems = np.array([len(row["input_ids"]) - len(row["parent"]) for row in rows])
    halves = [
        (row["input_ids"][:n], row["input_ids"][n:]) for row, n in zip(rows, stems, strict=True)
    ]
    prompts, nodes = (_padded(list(half), pad) for half in zip(*halves, strict=True))
    above = _padded([row["parent"] for row in rows], -1)
    n, size = nodes.shape
    sees = np.zeros((n, size, prompts.shape[1] + size), bool)
    sees[:, :, : prompts.shape[1]] = np.arange(prompts.shape[1]) < stems[:, None, None]
    own = sees[:, :, prompts.shape[1] :]
    row, at = (a.ravel() for a in np.indices((n, size)))
    ancestor = at
    while len(at):
        own[row, at, ancestor] = True
        ancestor = above[row, ancestor]
        row, at, ancestor = (a[ancestor >= 0] for a in (row, at, ancestor))
    columns = {
        "prompt_ids": prompts,
        "input_ids": nodes,
        # A token's place is the number of tokens that it sees before it.
        "position_ids": sees.sum(-1) - 1,
        "attention_mask": sees[:, None],
        "labels": _padded([row["labels"] for row in rows], IGNORED),
        "node": _padded([row["node"] for row in rows], 0),
    }
    return {name: torch.from_numpy(column) for name, column in columns.items()}


def _padded(rows: Sequence[Sequence[int]], fill: int) -> np.ndarray[tuple[int, int], Any]:
    out = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return out


def answer_states(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the last hidden state at each node, (rows · A, hidden).

    Gradients flow through the cache. In the last layer the prompt's tokens are keys and values
    alone: nothing else of theirs is differentiated.
    """
    found = _read(model, inputs, output_hidden_states=True, logits_to_keep=1)
    states: torch.Tensor = found.hidden_states[-1].flatten(0, 1)
    return states


def answer_logits(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the model's own logits at each node, (rows · A, vocabulary)."""
    logits: torch.Tensor = _read(model, inputs).logits.flatten(0, 1)
    return logits


def _read(model: Any, inputs: dict[str, torch.Tensor], **options: Any) -> Any:
    import torch

    given = {k: inputs[k] for k in ("input_ids", "attention_mask", "position_ids")}
    if getattr(model, "module", model).config._attn_implementation == "eager":
        # It adds the mask to its scores, where others take a boolean one.
        sees, low = given["attention_mask"], torch.finfo(torch.float32).min
        given["attention_mask"] = torch.zeros_like(sees, dtype=torch.float32).masked_fill(
            ~sees, low
        )
    cache = None
    if inputs["prompt_ids"].shape[1]:
        # Right padding: causality alone keeps the prompt's tokens from it.
        cache = model(inputs["prompt_ids"], use_cache=True, logits_to_keep=1).cache
    return model(**given, cache=cache, use_cache=cache is not None, **options)


def label_nodes(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the position among `answer_states` of the node that each label follows, (rows · L)."""
    import torch

    rows, size = inputs["input_ids"].shape
    start = size * torch.arange(rows, device=inputs["node"].device)
    return (inputs["node"] + start[:, None]).flatten()


@dataclass
class TreeCollator:
    """A data collator for rows of `answer_tree`."""

    pad_token_id: int

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Batch the rows."""
        return model_inputs(rows, self.pad_token_id)
