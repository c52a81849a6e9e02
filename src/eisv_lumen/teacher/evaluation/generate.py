"""Batched decoding: temperature, top_k and top_p always explicit, seeded, left-padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...core.errors import InputError
from ..data.examples import prompt_ids
from .distributed import deal

if TYPE_CHECKING:
    from ..models.load import Teacher

__all__ = ["MAX_NEW_TOKENS", "generate"]

MAX_NEW_TOKENS: Final = 64
"""Room for the longest answer in any of the bases' tokenizers."""


def generate(
    teacher: Teacher,
    prompts: Sequence[str],
    *,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    batch_size: int = 128,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[str]:
    """Let a teacher answer each prompt once.

    Prompts are decoded in order of length, so that a batch holds little padding. Greedy answers do
    not depend on the batch size; sampled ones are reproduced by the same seed and batch size, also
    where processes share the batches (see `ranks`): a batch's draws have a seed of their own.

    Parameters
    ----------
    teacher
        Who speaks.
    prompts
        User messages.
    temperature
        T ≥ 0; 0 is greedy decoding.
    top_k, top_p
        0 and 1.0 keep all; nothing is inherited from a model's generation config.
    seed
        Seed of the draws.
    batch_size
        Prompts decoded together.
    max_new_tokens
        Where an answer is cut off that does not end.

    Returns
    -------
    list of str
        Raw texts, without special tokens, in the order of `prompts`.

    Raises
    ------
    InputError
        A setting is out of range.
    """
    import torch
    from transformers import GenerationConfig

    if not temperature >= 0 or top_k < 0 or not 0 < top_p <= 1 or batch_size < 1:
        raise InputError(
            f"temperature={temperature}, top_k={top_k}, top_p={top_p}, batch_size={batch_size}: "
            "they must be ≥ 0, ≥ 0, in (0, 1] and ≥ 1"
        )
    model, tokenizer = teacher.model, teacher.tokenizer
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {
            "do_sample": True, "temperature": float(temperature), "top_k": top_k, "top_p": top_p,
        }  # fmt: skip
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        **sampling,
        max_new_tokens=max_new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    ids = prompt_ids(tokenizer, prompts)
    order = np.argsort([len(row) for row in ids], kind="stable")
    batches = [order[at : at + batch_size].tolist() for at in range(0, len(order), batch_size)]

    def answer(k: int) -> list[str]:
        batch = tokenizer.pad(
            {"input_ids": [ids[i] for i in batches[k]]}, padding_side="left", return_tensors="pt"
        ).to(model.device)
        torch.manual_seed(int(np.random.SeedSequence((seed, k)).generate_state(1)[0]))
        out = model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        new = out[:, batch["input_ids"].shape[1] :]
        found: list[str] = tokenizer.batch_decode(new, skip_special_tokens=True)
        return found

    texts = [""] * len(ids)
    inherited, model.generation_config = model.generation_config, config
    try:
        with torch.inference_mode(), torch.random.fork_rng(devices=_devices(teacher)):
            for at, answers in zip(batches, deal(range(len(batches)), answer), strict=True):
                for i, text in zip(at, answers, strict=True):
                    texts[i] = text
    finally:
        model.generation_config = inherited
    return texts


def _devices(teacher: Teacher) -> list[int]:
    import torch

    return [torch.cuda.current_device()] if teacher.placement.device == "cuda" else []
