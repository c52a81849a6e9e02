"""The `tiny` base: a Qwen3 from scratch, and a tokenizer whose words are the task's own.

Each EISV token is one entry, with the space before it, so that a step of the model is a step of
the law: the next token, or the end of the line. Each number of a scale is one entry that names its
column. All else is spelled in characters, so any ASCII text survives a round trip.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...expression.vocabulary import PATTERNS, PRIMITIVES, SHAPES, TOKENS
from ..prompt.messages import HEADS, MAX_STATES, NUMBERS, SYSTEM, Style
from ..prompt.number_words import RATE, Scale

__all__ = ["TINY_CONFIG", "build_model", "build_tokenizer", "smooth_features"]

_SPECIAL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_ROLES: Final = ("system\n", "user\n", "assistant\n")

CHAT_TEMPLATE: Final = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' }}"
    "{%- if add_generation_prompt or not loop.last %}{{- '\\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""ChatML; thinking is not a word of this model, so `enable_thinking` changes nothing."""

TINY_CONFIG: Final[dict[str, Any]] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "initializer_range": 0.08,  # the usual 0.02 learns far slower at this width
    "tie_word_embeddings": False,
}
"""Fields of `transformers.Qwen3Config`, and the values that a recipe may replace."""


def _number_words(style: Style) -> list[tuple[str, str, int]]:
    """Return (word, name, code) of each number of a style; a time step begins its line."""
    return [
        (("\n" if name == "dt" else " ") + f"{name}={word}", name, code)
        for name, scale in NUMBERS[style].items()
        for code, word in enumerate(scale.words)
    ]


def build_tokenizer(style: Style) -> Any:
    """Build the word-level tokenizer of a prompt style; lossless on printable ASCII and newlines.

    Special tokens are `<|im_start|>`, `<|im_end|>` (end of turn) and `<|endoftext|>` (padding);
    a character outside ASCII becomes the padding token.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    # Longest first: the expression takes the first alternative that fits.
    phrases = [SYSTEM, *_ROLES, *sorted(HEADS, key=len, reverse=True)]
    spaced = {
        " ~{}~": TOKENS,
        " {}(?![a-z_])": (*SHAPES, *PRIMITIVES),
        " {}(?![A-Z])": PATTERNS,
        " n={}(?![0-9])": tuple(str(n) for n in range(2, MAX_STATES + 1)),
    }
    alternatives = [re.escape(phrase) for phrase in phrases]
    words = list(phrases)
    for form, group in spaced.items():
        start, _, end = form.partition("{}")
        alternatives.append(f"{start}(?:{'|'.join(group)}){end}")
        words += [f"{start}{name}{'' if end.startswith('(') else end}" for name in group]
    by_scale: dict[str, list[str]] = {}
    for name, scale in NUMBERS[style].items():
        by_scale.setdefault(("\n" if name == "dt" else " ") + scale.pattern, []).append(name)
    for key, names in by_scale.items():
        alternatives.append(f"{key[0]}(?:{'|'.join(names)})={key[1:]}")
    words += [word for word, _, _ in _number_words(style)]
    words += ["\n", "\t", *(chr(c) for c in range(32, 127))]
    vocabulary = {word: i for i, word in enumerate([*_SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_SPECIAL[0]))
    splitter = Regex("|".join([*alternatives, r"[\s\S]"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(splitter, "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=tokenizer,
        pad_token=_SPECIAL[0],
        unk_token=_SPECIAL[0],
        eos_token=_SPECIAL[2],
        additional_special_tokens=[_SPECIAL[1]],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=TINY_CONFIG["max_position_embeddings"],
        padding_side="left",
    )


def build_model(tokenizer: Any, style: Style, seed: int, **fields: Any) -> Any:
    """Build an untrained Qwen3 whose number entries start out as smooth functions of the number.

    The head's rows for numbers, which no answer holds, start out equal (see `head`).

    Parameters
    ----------
    tokenizer
        As `build_tokenizer` made it for `style`.
    style
        Style of the prompts.
    seed
        Seed of the weights.
    **fields
        Fields of `Qwen3Config` in place of those of `TINY_CONFIG`.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        **TINY_CONFIG
        | {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
            "dtype": "float32",
        }
        | fields
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = Qwen3ForCausalLM(config)
    model.generation_config.update(
        do_sample=False, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )
    rng = np.random.default_rng(seed)
    table = model.get_input_embeddings().weight
    ids = tokenizer.get_vocab()
    rows: dict[str, list[tuple[int, int]]] = {}
    numbers = _number_words(style)
    for word, name, code in numbers:
        rows.setdefault(name, []).append((ids[word], code))
    features = {
        id(scale): smooth_features(scale, config.hidden_size, rng)
        for scale in dict.fromkeys(NUMBERS[style].values())
    }
    spread = config.initializer_range
    for name, pairs in rows.items():
        entry, code = np.array(pairs).T
        column = rng.normal(0, spread, config.hidden_size)
        values = column + spread * features[id(NUMBERS[style][name])][code]
        table.data[torch.from_numpy(entry)] = torch.from_numpy(values).to(table.dtype)
    if not config.tie_word_embeddings:
        # No answer holds a number: rows that begin equal stay so, and `head` makes use of it.
        model.get_output_embeddings().weight.data[[ids[word] for word, _, _ in numbers]] = 0
    return model


def smooth_features(scale: Scale, width: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Describe each number of a scale by `width` smooth random functions of it.

    Half of them are cosines of random frequency (random Fourier features, Rahimi and Recht 2007)
    over the scale's own steps, with periods from the whole scale down to a few steps; the other
    half are sigmoids of random place and steepness. So neighbours begin alike, and what is learned
    of one number is known of those beside it.

    Returns
    -------
    ndarray, shape (len(scale.words), width)
        Each column has mean 0 and variance 1 over the scale.
    """
    n = len(scale.words)
    place = np.linspace(-1, 1, n)
    if scale is RATE:  # half the entries lie at tiny rates: steps of equal size in asinh instead
        place = np.arcsinh(scale.values / 1e-2)
        place /= place[-1]
    half = width // 2
    period = 2.0 ** rng.uniform(-3, 2, half)
    waves = np.cos(2 * np.pi * (place[:, None] / period + rng.random(half)))
    steep = 2.0 ** rng.uniform(1, 5, width - half)
    edges = np.tanh(steep * (place[:, None] - rng.uniform(-1, 1, width - half)))
    both = np.concatenate([waves, edges], axis=1)
    both -= both.mean(0)
    return np.asarray(both / np.maximum(both.std(0), 1e-9))
