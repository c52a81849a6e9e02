"""Any causal language model is scored, and trained, by its own logits."""

import numpy as np
import pytest
import torch
import transformers as T

from eisv_lumen.expression.law import EXPRESSIONS
from eisv_lumen.teacher.data.examples import Examples, answer_ids, prompt_ids
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.evaluation.score import answer_log_probs, expression_pmf
from eisv_lumen.teacher.models.layout import prove_layout
from eisv_lumen.teacher.models.load import Placement, Teacher
from eisv_lumen.teacher.models.tiny import build_tokenizer
from eisv_lumen.teacher.recipe import Recipe
from eisv_lumen.teacher.training.train import train

pytestmark = pytest.mark.slow

TOKENIZER = build_tokenizer("compact")
IDS = {
    "vocab_size": len(TOKENIZER), "pad_token_id": TOKENIZER.pad_token_id,
    "eos_token_id": TOKENIZER.eos_token_id, "bos_token_id": None,
}  # fmt: skip
SMALL = IDS | {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 1024,
}  # fmt: skip
LINEAR = {
    "num_hidden_layers": 4, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "linear_key_head_dim": 8, "linear_value_head_dim": 8, "head_dim": 8,
}  # fmt: skip
# A name, the model, and what is true of it: answers share their prompt's cache; its head is bare.
FAMILIES = {
    "qwen3": (T.Qwen3ForCausalLM, T.Qwen3Config, {"head_dim": 8}, True, True),
    "llama": (T.LlamaForCausalLM, T.LlamaConfig, {}, True, True),
    "gpt2": (
        T.GPT2LMHeadModel, T.GPT2Config,
        {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}, True, True,
    ),
    "granite": (T.GraniteForCausalLM, T.GraniteConfig, {"logits_scaling": 8.0}, True, False),
    "cohere": (T.CohereForCausalLM, T.CohereConfig, {"logit_scale": 0.0625}, True, False),
    "gemma2": (
        T.Gemma2ForCausalLM, T.Gemma2Config,
        {"head_dim": 8, "final_logit_softcapping": 5.0, "query_pre_attn_scalar": 8,
         "attn_logit_softcapping": None}, True, False,
    ),
    "phi": (T.PhiForCausalLM, T.PhiConfig, {}, True, False),
    "mistral": (T.MistralForCausalLM, T.MistralConfig, {"sliding_window": 16}, False, True),
    "qwen3.5": (T.Qwen3_5ForCausalLM, T.Qwen3_5TextConfig, LINEAR, False, True),
    "mamba2": (
        T.Mamba2ForCausalLM, T.Mamba2Config,
        {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1}, False, True,
    ),
    "lfm2": (
        T.Lfm2ForCausalLM, T.Lfm2Config,
        {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]}, False, True,
    ),
    "falcon-h1": (
        T.FalconH1ForCausalLM, T.FalconH1Config,
        {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8},
        False, True,
    ),
}  # fmt: skip
PROMPTS = ["SHAPE: convergence\nWINDOW: n=20 T=3.9e+1", "hello, world", "SHAPE: void_rising"]
DRAWN = np.array([[0, 5, 40, 300], [7, 9, 1000, 2000], [2969, 5, 5, 16]])


def build(family, seed=0):
    """Build a small random model whose logits differ enough for a wrong way to show."""
    kind, config, fields, *_ = FAMILIES[family]
    torch.manual_seed(seed)
    model = kind(config(**SMALL | fields)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
            elif "lm_head.bias" in name:
                parameter.normal_()
    return model


def own_log_probs(model, temperature=1.0):
    """Score each answer by itself, by the model's own logits: no cache, no padding, no batch."""
    out = np.empty(DRAWN.shape)
    for i, prompt in enumerate(prompt_ids(TOKENIZER, PROMPTS)):
        for j, k in enumerate(DRAWN[i]):
            [answer] = answer_ids(TOKENIZER, [EXPRESSIONS[k]])
            with torch.inference_mode():
                logits = model(torch.tensor([prompt + answer]), use_cache=False).logits[0]
            steps = (logits.float() / temperature).log_softmax(-1)
            out[i, j] = sum(
                steps[len(prompt) - 1 + p, token].item() for p, token in enumerate(answer)
            )
    return out


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_by_the_models_own_logits(family):
    model = build(family)
    teacher = Teacher(model, TOKENIZER, Placement("cpu", "float32", "test"))
    for temperature in (1.0, 0.3):
        found = answer_log_probs(teacher, PROMPTS, DRAWN, temperature=temperature)
        np.testing.assert_allclose(found, own_log_probs(model, temperature), rtol=1e-4, atol=1e-3)
    prompts = prompt_ids(TOKENIZER, PROMPTS)
    answers = answer_ids(TOKENIZER, [EXPRESSIONS[k] for k in (3, 300, 2000)])
    layout = prove_layout(model, [(prompt, answers) for prompt in prompts], TOKENIZER.pad_token_id)
    assert (layout.tree, layout.bare_head) == FAMILIES[family][3:]
    assert layout.padded and bool(layout.reason) == (not layout.tree)


@pytest.mark.parametrize("family", ["qwen3", "qwen3.5"])
def test_a_whole_law_is_by_the_models_own_logits(family):
    """Behind one cache of the prompt, or row by row."""
    model = build(family)
    teacher = Teacher(model, TOKENIZER, Placement("cpu", "float32", "test"))
    [law] = expression_pmf(teacher, PROMPTS[:1], temperature=0.5)
    [prompt] = prompt_ids(TOKENIZER, PROMPTS[:1])
    for index in (0, 14, 15, 239, 240, 2969):
        [answer] = answer_ids(TOKENIZER, [EXPRESSIONS[index]])
        line = answer[: len(EXPRESSIONS[index]) + 2]  # the head, which is given, to the line's end
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + line]), use_cache=False).logits[0].double() / 0.5
        own = sum(
            logits[len(prompt) - 1 + p].log_softmax(-1)[token].item()
            for p, token in enumerate(line)
            if p
        )
        assert np.log(law[index]) == pytest.approx(own, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_training_is_by_the_models_own_logits(family, draws, tmp_path):
    """One step on four windows, whether answers share their prompt or have rows of their own."""
    model = build(family)
    base = tmp_path / "base"
    model.save_pretrained(base)
    TOKENIZER.save_pretrained(base)
    recipe = Recipe.model_validate(
        {
            "name": "family",
            "base": str(base),
            "data": {"source": "synthetic", "style": "compact"},
            "training": {
                "max_steps": 1, "per_device_train_batch_size": 3, "learning_rate": 1e-3,
                "save_strategy": "no",
            },
        }
    )  # fmt: skip
    drawn = DRAWN[:, :draws]
    given = Examples(PROMPTS, np.array([8, 8, 0], np.int8), drawn)
    record = train(recipe, given, tmp_path / "out", device="cpu")
    losses = []
    for prompt, row in zip(prompt_ids(TOKENIZER, PROMPTS), drawn, strict=True):
        for answer in answer_ids(TOKENIZER, [EXPRESSIONS[k] for k in row]):
            with torch.inference_mode():
                logits = model(torch.tensor([prompt + answer]), use_cache=False).logits[0]
            steps = logits[len(prompt) - 1 : -1].float().log_softmax(-1)
            losses += [-steps[p, token].item() for p, token in enumerate(answer)]
    assert record["answer_tokens"] == len(losses)
    assert record["final_loss"] == pytest.approx(np.mean(losses), rel=1e-3)
    assert record["layout"]["shared_prefix"] == (draws > 1 and FAMILIES[family][3])


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_do_not_depend_on_the_batch(family):
    """Padding on the left, too, leaves a model's answers alone, or there is none."""
    teacher = Teacher(build(family), TOKENIZER, Placement("cpu", "float32", "test"))
    one, all_ = (
        generate(teacher, PROMPTS, temperature=0, batch_size=size, max_new_tokens=8)
        for size in (1, 3)
    )
    assert one == all_
