"""Which ways of asking a model give its own answer: proven on a probe, not taken for granted.

The fast ways rest on what most causal language models have and some do not: that a head is a bare
matrix (Granite scales its logits, Gemma 2 caps them, Phi adds a bias), and that answers can share a
cache of their prompt (a recurrent layer's state runs through all of them; a sliding window forgets
the prompt). The reference is always the model's own logits on a row by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...core.errors import InputError
from ..data.plain_rows import padded_rows, row_logits
from ..data.shared_prefix import answer_logits, answer_tree, label_nodes, model_inputs

if TYPE_CHECKING:
    import torch

__all__ = ["Layout", "Pair", "check_room", "prove_layout"]

Pair = tuple[list[int], list[list[int]]]
"""Token ids of a prompt, and of its answers."""

_ANSWERS: Final = 3
_ATTENTION: Final = {"full_attention", "sliding_attention", "chunked_attention"}


@dataclass(frozen=True)
class Layout:
    """What is proven of a model.

    Attributes
    ----------
    tree : bool
        Answers that share their prompt's cache (`shared_prefix`) have the model's own logits.
    padded : bool
        So have rows of a batch, padded on the right.
    bare_head : bool
        Logits are the last hidden states times the head's weight, and nothing else.
    reason : str
        Why there is no tree; empty where there is one.
    """

    tree: bool
    padded: bool
    bare_head: bool
    reason: str = ""


def check_room(model: Any, name: str, pairs: Sequence[Pair]) -> None:
    """Refuse rows that a model has no positions or no embeddings for.

    Raises
    ------
    InputError
        A row is longer than `max_position_embeddings`, or has a token beyond the vocabulary.
    """
    longest = max(len(prompt) + max(map(len, answers)) for prompt, answers in pairs)
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and longest > room:
        raise InputError(f"{name}: it has {room} positions, and an example has {longest} tokens")
    last = max(max(*prompt, *(max(a) for a in answers)) for prompt, answers in pairs)
    size = model.get_input_embeddings().weight.shape[0]
    if last >= size:
        raise InputError(f"{name}: token {last} is beyond its vocabulary of {size}")


def prove_layout(model: Any, pairs: Sequence[Pair], pad: int, name: str = "model") -> Layout:
    """Compare the fast ways with the model's own logits on the longest and the shortest prompt.

    Parameters
    ----------
    model
        On the device where it will be asked.
    pairs
        What it is to be asked: the longest prompt shows sliding windows, the shortest padding.
    pad
        Token id of padding.
    name
        What messages call the model.

    Raises
    ------
    InputError
        The model cannot compute a plain row.
    """
    import torch

    by_length = sorted(pairs, key=lambda pair: len(pair[0]))
    probe = [(prompt, answers[:_ANSWERS]) for prompt, answers in (by_length[-1], by_length[0])]
    rows = [(prompt, answer) for prompt, answers in probe for answer in answers]
    with _asked(model):
        try:
            alone = [padded_rows([row], pad) for row in rows]
            truth = torch.cat([row_logits(model, _on(model, row))[0] for row in alone])
        except Exception as error:  # whatever the architecture raises; it is no model for us
            raise InputError(f"{name}: it cannot compute a row of tokens ({error})") from error
        allowed = _allowed(model, truth)

        def same(way: Callable[[], torch.Tensor]) -> float:
            try:
                found, own = _log_probs(way()), _log_probs(truth)
            except Exception:  # an argument or a shape that this architecture does not take
                return float("inf")
            return float((found - own).abs().max())

        padded = same(lambda: row_logits(model, _on(model, padded_rows(rows, pad)))[0])
        bare = same(lambda: _by_head(model, [_on(model, row) for row in alone]))
        reason = _declared(model.config.get_text_config(), max(len(p) + len(a) for p, a in rows))
        if not reason:
            apart = same(lambda: _by_tree(model, probe, pad))
            reason = "" if apart <= allowed else f"its log-probabilities are {apart:.2g} nats off"
    return Layout(not reason, padded <= allowed, bare <= allowed, reason)


def _declared(config: Any, longest: int) -> str:
    """Return why a configuration rules out a shared cache, which a probe in bfloat16 may miss."""
    others = set(getattr(config, "layer_types", None) or ()) - _ATTENTION
    if others:
        return f"it has layers of {', '.join(sorted(others))}"
    window = getattr(config, "sliding_window", None)
    if window and longest > window:
        return f"its sliding window of {window} is shorter than {longest} tokens"
    return ""


def _allowed(model: Any, truth: torch.Tensor) -> float:
    """Return how far rounding may take log-probabilities: a share of what tokens change in them."""
    import torch

    eps = torch.finfo(next(model.parameters()).dtype).eps
    spread = float(_log_probs(truth).std(0).max())
    return max(1e-3, 16 * eps) * max(spread, 1e-3)


def _by_tree(model: Any, probe: Sequence[Pair], pad: int) -> torch.Tensor:
    inputs = _on(model, model_inputs([answer_tree(*pair) for pair in probe], pad))
    found = answer_logits(model, inputs)[label_nodes(inputs)]
    return found[inputs["labels"].flatten() >= 0]


def _by_head(model: Any, alone: Sequence[dict[str, torch.Tensor]]) -> torch.Tensor:
    import torch

    head = model.get_output_embeddings()
    if type(head) is not torch.nn.Linear:  # PEFT's wrappers among them, whose weight is the base's
        raise TypeError(type(head))
    found = []
    for row in alone:
        given = {"input_ids": row["input_ids"], "attention_mask": row["attention_mask"]}
        states = model(**given, use_cache=False, output_hidden_states=True).hidden_states[-1]
        found.append(states[:, :-1][row["labels"][:, 1:] >= 0].to(head.weight.dtype))
    return torch.cat(found) @ head.weight.t()


def _log_probs(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().log_softmax(-1)


def _on(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: column.to(model.device) for name, column in inputs.items()}


@contextmanager
def _asked(model: Any) -> Iterator[None]:
    """Ask without dropout or gradients, and leave the model as it was."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
