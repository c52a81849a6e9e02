"""What a teacher thinks of given expressions: log-probabilities, and its whole law where exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.law import EXPRESSIONS
from ...expression.vocabulary import TOKENS
from ..data.examples import answer_ids, prompt_ids
from ..data.shared_prefix import IGNORED, answer_states, answer_tree, label_nodes, model_inputs
from .distributed import deal

if TYPE_CHECKING:
    import torch

    from ..models.load import Teacher

__all__ = ["answer_log_probs", "expression_pmf"]

Floats = npt.NDArray[np.float64]


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
    sampling at T does, no more and no less. A prompt's answers share the work on it.

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
    tokenizer = teacher.tokenizer
    used = np.unique(index)
    line_places = np.searchsorted(used, index).tolist()
    answers = answer_ids(tokenizer, [EXPRESSIONS[i] for i in used.tolist()])
    ids = prompt_ids(tokenizer, prompts)
    rows = [
        answer_tree(prompt, [answers[i] for i in places])
        for prompt, places in zip(ids, line_places, strict=True)
    ]
    lengths = [[len(answers[i]) for i in places] for places in line_places]
    found = np.empty(index.shape)
    order = np.argsort([len(row["input_ids"]) for row in rows], kind="stable")
    batches = [order[at : at + batch_size].tolist() for at in range(0, len(order), batch_size)]

    def ask(at: list[int]) -> Floats:
        inputs = model_inputs([rows[i] for i in at], tokenizer.pad_token_id)
        steps = _log_probs(teacher.model, inputs, temperature)
        heard = np.empty((len(at), index.shape[1]))
        for k, (i, row) in enumerate(zip(at, steps, strict=True)):
            heard[k] = np.add.reduceat(row, np.cumsum([0, *lengths[i][:-1]]))
        return heard

    with torch.inference_mode():
        for at, heard in zip(batches, deal(batches, ask), strict=True):
            found[at] = heard
    return found


def _log_probs(model: Any, inputs: dict[str, torch.Tensor], temperature: float) -> Floats:
    """Return each label's log-probability, (rows, L); 0 where there is none."""
    import torch

    given = {name: column.to(model.device) for name, column in inputs.items()}
    logits = model.get_output_embeddings()(answer_states(model, given)).float() / temperature
    labels, at = given["labels"].flatten(), label_nodes(given)
    chosen = logits[at, labels.clamp(min=0)] - logits.logsumexp(-1)[at]
    steps = torch.where(labels == IGNORED, 0.0, chosen).view(given["labels"].shape)
    return np.asarray(steps.double().cpu().numpy())


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
    token, head, stop = _single_ids(teacher)
    n, model = len(TOKENS), teacher.model
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
    out = np.empty((len(prompts), len(EXPRESSIONS)))
    with torch.inference_mode():
        for i, ids in enumerate(prompt_ids(teacher.tokenizer, prompts)):
            prompt = torch.tensor([ids], device=model.device)
            cache = model(prompt, use_cache=True, logits_to_keep=1).cache
            cache.batch_repeat_interleave(n)
            before = torch.ones(len(parent), len(ids), dtype=torch.bool)
            mask = torch.cat([before, sees], 1).expand(n, 1, -1, -1)
            logits = model(
                path.to(model.device),
                attention_mask=mask.to(model.device),
                position_ids=(len(ids) + depth).expand(n, -1).to(model.device),
                cache=cache,
            ).logits
            log_p = torch.log_softmax(logits.float() / temperature, -1)
            steps = log_p[..., [*token.tolist(), stop]].double().cpu().numpy()
            first = steps[0, 0, :n]
            second = first[:, None] + steps[:, 1]
            third = second[:, :n, None] + steps[:, 2 : 2 + n]
            end = third[..., :n] + steps[:, 2 + n :, n].reshape(n, n, n)
            a, b, c = np.array([*np.ndindex(n, n, n)]).T
            distinct = (a != b) & (b != c) & (a != c)
            out[i] = np.exp(
                np.concatenate([second[:, n], third[..., n].ravel(), end.ravel()[distinct]])
            )
    return out


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
