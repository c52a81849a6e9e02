"""What a teacher would say first: the law of the first two tokens, cheaper than the whole law."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..expression.law import EXPRESSIONS
from ..expression.vocabulary import TOKENS
from ..teacher.data.examples import answer_ids, prompt_ids

if TYPE_CHECKING:
    from ..teacher.models.load import Teacher

__all__ = ["BEGINNINGS", "beginning_pmf"]

Floats = npt.NDArray[np.float64]

_N = len(TOKENS)
_CODE = {token: i for i, token in enumerate(TOKENS)}

BEGINNINGS: Floats = np.zeros((len(EXPRESSIONS), _N + _N * _N))
"""(2970, 240): 1 where an expression begins so. A beginning is one token and the end, or two."""
for _i, _e in enumerate(EXPRESSIONS):
    _a = _CODE[_e[0]]
    BEGINNINGS[_i, _a if len(_e) == 1 else _N + _N * _a + _CODE[_e[1]]] = 1
BEGINNINGS.setflags(write=False)


def beginning_pmf(teacher: Teacher, prompts: Sequence[str], *, batch_size: int = 64) -> Floats:
    """Return how a teacher's expressions begin at T = 1.

    One pass over the prompt and a head of fifteen branches, where the whole law takes fifteen
    passes over 241 nodes (`teacher.score.expression_pmf`).

    Parameters
    ----------
    teacher
        One whose tokenizer has each EISV token as one entry, as `tiny` has.
    prompts
        n user messages.
    batch_size
        Prompts of one length that are read together.

    Returns
    -------
    ndarray, shape (n, 240)
        In the order of `BEGINNINGS`. What a row lacks of 1 begins otherwise.
    """
    import torch

    answers = answer_ids(teacher.tokenizer, [(token,) for token in TOKENS])
    head, stop = answers[0][0], answers[0][2]
    tokens = [row[1] for row in answers]
    model, ids = teacher.model, prompt_ids(teacher.tokenizer, prompts)
    lengths = np.array([len(row) for row in ids])
    out = np.empty((len(ids), _N + _N * _N))
    with torch.inference_mode():
        for length in np.unique(lengths).tolist():
            members = np.flatnonzero(lengths == length)
            # Every branch sees the prompt, the head and itself, and stands at the same place.
            nodes = length + 1 + _N
            sees = torch.ones(nodes, nodes, dtype=torch.bool).tril()
            sees[length + 1 :, length + 1 :] = torch.eye(_N, dtype=torch.bool)
            place = torch.cat([torch.arange(length + 1), torch.full((_N,), length + 1)])
            for start in range(0, len(members), batch_size):
                at = members[start : start + batch_size]
                rows = torch.tensor([[*ids[i], head, *tokens] for i in at])
                logits = model(
                    rows.to(model.device),
                    attention_mask=sees.expand(len(at), 1, -1, -1).to(model.device),
                    position_ids=place.expand(len(at), -1).to(model.device),
                    use_cache=False,
                    logits_to_keep=1 + _N,
                ).logits
                log_p = torch.log_softmax(logits.float(), -1)[..., [*tokens, stop]]
                p = np.exp(log_p.double().cpu().numpy())
                first, second = p[:, 0, :_N], p[:, 1:]
                joint = first[..., None] * second
                out[at] = np.concatenate([joint[..., _N], joint[..., :_N].reshape(len(at), -1)], 1)
    return out
