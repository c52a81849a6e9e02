"""What a teacher thinks of given expressions: log-probabilities, and its whole law where exact."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.law import EXPRESSIONS
from ...expression.vocabulary import TOKENS
from ..data.examples import answer_ids, prompt_ids
from ..data.plain_rows import padded_rows, row_logits
from ..data.shared_prefix import IGNORED, answer_logits, answer_tree, label_nodes, model_inputs
from ..models.layout import Pair, check_room, prove_layout
from .distributed import deal

if TYPE_CHECKING:
    import torch

    from ..models.load import Teacher

__all__ = ["answer_log_probs", "expression_pmf"]

Floats = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)
_ROWS: Final = 64
"""Rows computed together where answers share no prompt."""


def answer_log_probs(
    teacher: Teacher,
    prompts: Sequence[str],
    drawn: npt.ArrayLike,
    *,
    temperature: float = 1.0,
    batch_size: int = 32,
) -> Floats:
    """Return the log-probability of whole answers, the end of the turn included.

    At each step the logits are divided by T and normalised over the whole vocabulary: what plain
    sampling at T does, no more and no less. A prompt's answers share the work on it where that is
    proven to give the model's own logits (see `models.layout`); elsewhere each has its own row.

    Parameters
    ----------
    teacher
        Who is asked.
    prompts
        n user messages.
    drawn : array_like, shape (n, m)
        Positions in `EXPRESSIONS` of the answers to score under each prompt.
    temperature
        T > 0.
    batch_size
        Prompts scored together.

    Returns
    -------
    ndarray, shape (n, m)
        Log-probabilities [nats]. The law's entropy plus their mean over draws of the law, with its
        sign turned, is the teacher's excess nats.

    Raises
    ------
    InputError
        The temperature is not positive, or lengths differ.
    """
    import torch

    index = np.asarray(drawn, dtype=np.intp)
    if not temperature > 0:
        raise InputError(f"temperature={temperature}: log-probabilities need a temperature > 0")
    if index.ndim != 2 or len(index) != len(prompts):
        raise InputError(f"drawn has shape {index.shape} for {len(prompts)} prompts: give (n, m)")
    if not index.size:
        return np.empty(index.shape)
    pairs, pad = _pairs(teacher, prompts, index), teacher.tokenizer.pad_token_id
    check_room(teacher.model, "teacher", pairs)
    layout = prove_layout(teacher.model, pairs, pad, "teacher")
    if not layout.tree:
        _log.info("answers are scored row by row: %s", layout.reason)
    score = partial(_by_tree if layout.tree else _by_rows, teacher, temperature=temperature)
    if not layout.padded and not layout.tree:
        batch_size = 1
    found = np.empty(index.shape)
    order = np.argsort([len(prompt) for prompt, _ in pairs], kind="stable")
    batches = [order[at : at + batch_size].tolist() for at in range(0, len(order), batch_size)]

    def ask(at: list[int]) -> Floats:
        some = [pairs[i] for i in at]
        steps = score(some, together=layout.padded)
        lengths = [len(answer) for _, answers in some for answer in answers]
        return np.add.reduceat(steps, np.cumsum([0, *lengths[:-1]])).reshape(len(at), -1)

    with torch.inference_mode():
        for at, heard in zip(batches, deal(batches, ask), strict=True):
            found[at] = heard
    return found


def _pairs(teacher: Teacher, prompts: Sequence[str], drawn: npt.NDArray[np.intp]) -> list[Pair]:
    """Return the token ids of each prompt, and of the answers to score under it."""
    used = np.unique(drawn)
    answers = answer_ids(teacher.tokenizer, [EXPRESSIONS[i] for i in used.tolist()])
    places = np.searchsorted(used, drawn).tolist()
    ids = prompt_ids(teacher.tokenizer, prompts)
    return [(p, [answers[i] for i in at]) for p, at in zip(ids, places, strict=True)]


def _by_tree(
    teacher: Teacher, pairs: Sequence[Pair], *, temperature: float, together: bool
) -> Floats:
    """Return the log-probability of each token of each answer, one answer after another."""
    pad, model = teacher.tokenizer.pad_token_id, teacher.model
    inputs = model_inputs([answer_tree(*pair) for pair in pairs], pad)
    inputs = {name: column.to(model.device) for name, column in inputs.items()}
    labels, at = inputs["labels"].flatten(), label_nodes(inputs)
    logits = answer_logits(model, inputs).float() / temperature
    steps = logits[at, labels.clamp(min=0)] - logits.logsumexp(-1)[at]
    return np.asarray(steps[labels != IGNORED].double().cpu().numpy())


def _by_rows(
    teacher: Teacher, pairs: Sequence[Pair], *, temperature: float, together: bool
) -> Floats:
    """As `_by_tree`, each answer in a row of its own: of a batch, or without any padding."""
    pad, model = teacher.tokenizer.pad_token_id, teacher.model
    rows = [(prompt, answer) for prompt, answers in pairs for answer in answers]
    size = _ROWS if together else 1
    found = []
    for start in range(0, len(rows), size):
        inputs = padded_rows(rows[start : start + size], pad)
        inputs = {name: column.to(model.device) for name, column in inputs.items()}
        logits, labels = row_logits(model, inputs)
        steps = (logits.float() / temperature).log_softmax(-1).gather(1, labels[:, None])
        found.append(steps[:, 0].double().cpu().numpy())
    return np.concatenate(found)


def expression_pmf(teacher: Teacher, prompts: Sequence[str], *, temperature: float = 1.0) -> Floats:
    """Return a teacher's exact law over the 2,970 expressions of the voice.

    The tree of all prefixes is read at once, a branch of it for each first token. What the rows
    lack of 1 is what the teacher gives to anything else.

    Parameters
    ----------
    teacher
        One whose tokenizer has each EISV token as one entry, as `tiny` has.
    prompts
        n user messages.
    temperature
        T > 0; each step, the stop decision included, is tempered as sampling at T does.

    Returns
    -------
    ndarray, shape (n, 2970)
        In the order of `EXPRESSIONS`.

    Raises
    ------
    InputError
        The tokenizer splits EISV tokens, or the temperature is not positive.
    """
    import torch

    if not temperature > 0:
        raise InputError(f"temperature={temperature}: probabilities need a temperature > 0")
    if not prompts:
        return np.empty((0, len(EXPRESSIONS)))
    token, head, stop = _single_ids(teacher)
    line = [[head, *[int(i) for i in token[:3]], stop]]
    pairs: list[Pair] = [(ids, line) for ids in prompt_ids(teacher.tokenizer, prompts)]
    check_room(teacher.model, "teacher", pairs)
    layout = prove_layout(teacher.model, pairs, teacher.tokenizer.pad_token_id, "teacher")
    read = _prefix_steps if layout.tree else partial(_row_steps, together=layout.padded)
    words = [*token.tolist(), stop]
    with torch.inference_mode():
        return np.stack(
            [_chain(*read(teacher.model, ids, token, head, words, temperature)) for ids, _ in pairs]
        )


def _chain(first: Floats, second: Floats, third: Floats, fourth: Floats) -> Floats:
    """Return the law over `EXPRESSIONS` from log-probabilities of each next token, or of the end.

    Parameters
    ----------
    first, second, third, fourth
        Shapes (15,), (15, 16), (15, 15, 16), (15, 15, 15): of the first token, of what follows on
        one, on two, and of the end after three.
    """
    n = len(TOKENS)
    second = first[:, None] + second
    third = second[:, :n, None] + third
    end = third[..., :n] + fourth
    a, b, c = np.array([*np.ndindex(n, n, n)]).T
    distinct = (a != b) & (b != c) & (a != c)
    return np.asarray(
        np.exp(np.concatenate([second[:, n], third[..., n].ravel(), end.ravel()[distinct]]))
    )


def _prefix_steps(
    model: Any, prompt: list[int], token: torch.Tensor, head: int, words: list[int], t: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Read all prefixes behind one cache of the prompt, a branch for each first token."""
    import torch

    n = len(token)
    # Row a of the tree: the head, a, then all b, then all (b, c) with c in the order of TOKENS.
    path = torch.empty(n, 1 + 1 + n + n * n, dtype=torch.long)
    path[:, 0] = head
    path[:, 1] = token
    path[:, 2 : 2 + n] = token
    path[:, 2 + n :] = token.repeat(n)
    depth = torch.tensor([0, 1] + [2] * n + [3] * (n * n))
    parent = torch.tensor([-1, 0] + [1] * n + [2 + b for b in range(n) for _ in range(n)])
    sees = torch.eye(len(parent), dtype=torch.bool)
    for node in range(1, len(parent)):
        sees[node] |= sees[parent[node]]
    cache = model(
        torch.tensor([prompt], device=model.device), use_cache=True, logits_to_keep=1
    ).cache
    cache.batch_repeat_interleave(n)
    before = torch.ones(len(parent), len(prompt), dtype=torch.bool)
    mask = torch.cat([before, sees], 1).expand(n, 1, -1, -1)
    logits = model(
        path.to(model.device),
        attention_mask=mask.to(model.device),
        position_ids=(len(prompt) + depth).expand(n, -1).to(model.device),
        cache=cache,
    ).logits
    steps = torch.log_softmax(logits.float() / t, -1)[..., words].double().cpu().numpy()
    return (
        steps[0, 0, :n],
        steps[:, 1],
        steps[:, 2 : 2 + n],
        steps[:, 2 + n :, n].reshape(n, n, n),
    )


def _row_steps(
    model: Any, prompt: list[int], token: torch.Tensor, head: int, words: list[int], t: float,
    *, together: bool,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Read all prefixes of three tokens in rows of their own, which hold the shorter ones."""
    import torch

    n = len(token)
    ids = token.tolist()
    tails = [[head, *(ids[k] for k in place)] for place in np.ndindex(n, n, n)]
    found = []
    for start in range(0, len(tails), size := _ROWS if together else 1):
        rows = torch.tensor([prompt + tail for tail in tails[start : start + size]])
        logits = model(
            rows.to(model.device),
            attention_mask=torch.ones_like(rows).to(model.device),
            use_cache=False,
        ).logits[:, -4:]
        steps = torch.log_softmax(logits.float() / t, -1)[..., words]
        found.append(steps.double().cpu().numpy())
    law = np.concatenate(found).reshape(n, n, n, 4, n + 1)
    return law[0, 0, 0, 0, :n], law[:, 0, 0, 1], law[:, :, 0, 2], law[..., 3, n]


def _single_ids(teacher: Teacher) -> tuple[torch.Tensor, int, int]:
    """Return the ids of the 15 tokens, of the head before them, and of what ends their line."""
    import torch

    rows = answer_ids(teacher.tokenizer, [(token,) for token in TOKENS])
    head, stop = rows[0][0], rows[0][2]
    ids = [row[1] for row in rows]
    ends = {teacher.tokenizer.convert_ids_to_tokens(i) for i in ids}
    if ends != {f" ~{token}~" for token in TOKENS}:
        raise InputError(
            "this teacher's tokenizer splits EISV tokens; its law can be sampled, not enumerated: "
            "use answer_log_probs"
        )
    return torch.tensor(ids), head, stop
