"""The loss over a large vocabulary of which answers use little, exactly and cheaply.

Rows of the head that begin equal and are no label's stay equal: at each step the softmax gives
them the same probability, so the same gradient. Their share of the softmax is then their number
times one exponential. For `tiny`, whose vocabulary is numbers for nineteen parts in twenty, the
head costs a fifteenth of what it would; the weights are those of plain training.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..data.shared_prefix import IGNORED

if TYPE_CHECKING:
    import torch

__all__ = ["answer_loss", "logits_loss", "silent_words"]


def silent_words(weight: torch.Tensor, answered: Collection[int]) -> torch.Tensor | None:
    """Return which rows of a head are equal to one another and no label's, if several are.

    Parameters
    ----------
    weight
        (vocabulary, hidden).
    answered
        Words that are labels.

    Returns
    -------
    boolean tensor, (vocabulary,), or None
        The largest such group.
    """
    import torch

    _, group, count = torch.unique(weight.detach(), dim=0, return_inverse=True, return_counts=True)
    silent = group == count.argmax()
    silent[list(answered)] = False
    return silent if int(silent.sum()) > 1 else None


def answer_loss(
    states: torch.Tensor,
    at: torch.Tensor,
    labels: torch.Tensor,
    weight: torch.Tensor,
    silent: torch.Tensor | None,
) -> torch.Tensor:
    """Return the sum of the labels' cross-entropies [nats].

    Parameters
    ----------
    states
        (n, hidden); several labels may follow one.
    at
        (m,), which state each label follows.
    labels
        (m,); `IGNORED` is left out.
    weight
        (vocabulary, hidden), the head.
    silent
        As `silent_words` found; None for the plain softmax.
    """
    import torch

    answer = labels != IGNORED
    at, labels = at[answer], labels[answer]
    # Outside autocast: a frozen base's head may be in bfloat16 where the states are not.
    states = states.to(weight.dtype)
    if silent is None:
        logits = (states @ weight.t()).float()
    else:
        # The mean of equal rows is each of them, and hands each its own share of the gradient.
        silent = silent.to(weight.device)
        spoken = ~silent
        mean = silent.to(weight) / silent.sum() @ weight
        rows = torch.cat([weight.index_select(0, spoken.nonzero()[:, 0]), mean[None]])
        number = torch.zeros(len(rows), device=weight.device)
        number[-1] = silent.sum().log()
        logits = (states @ rows.t()).float() + number
        labels = (spoken.cumsum(0) - 1)[labels]
    return (logits.logsumexp(-1).index_select(0, at) - logits[at, labels]).sum()


def logits_loss(logits: torch.Tensor, at: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the sum of the labels' cross-entropies [nats] from a model's own logits.

    Parameters
    ----------
    logits
        (n, vocabulary).
    at, labels
        As for `answer_loss`.
    """
    answer = labels != IGNORED
    at, labels = at[answer], labels[answer]
    logits = logits.float()
    return (logits.logsumexp(-1).index_select(0, at) - logits[at, labels]).sum()
