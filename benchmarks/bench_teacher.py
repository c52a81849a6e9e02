"""Batched decoding and shared prompts, beside one by one; the outputs are the same."""

from __future__ import annotations

import tempfile
import time

import numpy as np
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from eisv_lumen.expression.law import EXPRESSIONS, initial_laws
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.examples import answer_ids, draw_examples, prompt_ids
from eisv_lumen.teacher.data.plain_rows import padded_rows
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.evaluation.score import answer_log_probs, expression_pmf
from eisv_lumen.teacher.models.load import Teacher, load_base, load_teacher
from eisv_lumen.teacher.prompt.messages import render_windows
from eisv_lumen.teacher.recipe import Recipe
from eisv_lumen.teacher.training.export import conversations
from eisv_lumen.teacher.training.train import train
from eisv_lumen.trajectory.series import concatenate
from eisv_lumen.trajectory.simulate.synthetic import generate as windows_of

from .timing import Row, best

N = 512
_RECIPE = {
    "name": "bench",
    "base": "tiny",
    "data": {"source": "synthetic", "style": "compact"},
    "training": {"per_device_train_batch_size": 16, "learning_rate": 3e-3, "adam_beta2": 0.98},
}


def rows() -> list[Row]:
    windows = concatenate([windows_of(s, 100, seed=i) for i, s in enumerate(SHAPES)])
    prompts = render_windows(windows, "compact")
    examples = draw_examples(prompts, windows.shape, initial_laws(), 0)
    with tempfile.TemporaryDirectory() as folder:
        train(Recipe.model_validate(_RECIPE), examples, folder, device="cpu")
        teacher = load_teacher(folder, "cpu")
    asked = prompts[:: len(prompts) // N][:N]
    few = asked[:: N // 64]

    def greedy(batch_size: int) -> list[str]:
        some = few if batch_size == 1 else asked
        return generate(teacher, some, temperature=0, batch_size=batch_size)

    assert greedy(1) == greedy(128)[:: N // 64]
    alone = best(lambda: greedy(1), 2) / len(few)
    together = best(lambda: greedy(128), 3) / N
    drawn = np.random.default_rng(0).integers(len(EXPRESSIONS), size=(len(few), 16))
    shared = best(lambda: answer_log_probs(teacher, few, drawn), 2)
    apart = best(
        lambda: answer_log_probs(teacher, np.repeat(few, 16).tolist(), drawn.reshape(-1, 1)), 2
    )
    ratio = alone / together
    return [
        *law_rows(teacher, few[0]),
        *training_rows(),
        Row("decoding in batches of 128", 1 / together, "answers/s"),
        Row(
            "  decoding in batches of 128 / one by one, same answers",
            ratio,
            "×",
            "≥ 10",
            ratio >= 10,
        ),
        Row("scoring 16 answers a prompt", drawn.size / shared, "answers/s"),
        Row("  beside a row each", apart / shared, "×"),
    ]


def law_rows(teacher: Teacher, prompt: str) -> list[Row]:
    """Time a window's whole law behind one cache, beside a row for each expression."""
    law = lambda: expression_pmf(teacher, [prompt])  # noqa: E731
    [ids] = prompt_ids(teacher.tokenizer, [prompt])
    answers = answer_ids(teacher.tokenizer, EXPRESSIONS)
    lines = [answer[: len(e) + 2] for e, answer in zip(EXPRESSIONS, answers, strict=True)]

    def plain() -> np.ndarray:
        found = []
        with torch.inference_mode():
            for at in range(0, len(lines), 64):
                rows = padded_rows([(ids, line) for line in lines[at : at + 64]], 0)
                logits = teacher.model(
                    input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]
                ).logits.log_softmax(-1)[:, :-1]
                labels = rows["labels"][:, 1:]
                steps = logits.gather(2, labels.clamp(min=0)[..., None])[..., 0]
                steps[:, len(ids) - 1] = 0  # the head, which is given
                found.append(steps.where(labels >= 0, 0).sum(1).numpy())
        return np.exp(np.concatenate(found))

    np.testing.assert_allclose(law()[0], plain(), rtol=1e-3, atol=1e-9)
    ratio = best(plain, 1) / best(law, 3)
    return [
        Row(
            "a window's whole law / a row for each expression, same law",
            ratio,
            "×",
            "≥ 20",
            ratio >= 20,
        )
    ]


def training_rows() -> list[Row]:
    """Time `teacher train` beside TRL's trainer on the same rows: 16 draws a window, tiny."""
    draws, windows, batch = 16, 64, 8
    given = concatenate([windows_of(s, 8, seed=i) for i, s in enumerate(SHAPES)])
    prompts, shape = render_windows(given, "compact")[:windows], given.shape[:windows]
    examples = draw_examples(prompts, shape, initial_laws(), 0, draws)
    raw = _RECIPE | {
        "data": {**_RECIPE["data"], "draws": draws},
        "training": _RECIPE["training"]
        | {"per_device_train_batch_size": batch, "max_steps": windows // batch, "logging_steps": 1,
           "train_sampling_strategy": "sequential", "lr_scheduler_type": "constant",
           "save_strategy": "no"},
    }  # fmt: skip
    recipe = Recipe.model_validate(raw)
    with tempfile.TemporaryDirectory() as folder:
        record = train(recipe, examples, f"{folder}/ours", device="cpu")
        config = SFTConfig(
            **recipe.training | {"per_device_train_batch_size": batch * draws},
            output_dir=f"{folder}/trl", bf16=False, use_cpu=True, report_to="none", max_length=None,
            gradient_checkpointing=False, activation_checkpointing=False, disable_tqdm=True,
            dataloader_pin_memory=False, seed=recipe.seed,
        )  # fmt: skip
        model, tokenizer = load_base("tiny", "compact", recipe.seed)
        trainer = SFTTrainer(
            model,
            config,
            train_dataset=Dataset.from_list(list(conversations(examples))),
            processing_class=tokenizer,
        )
        start = time.perf_counter()
        trainer.train()
        plain = time.perf_counter() - start
        theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    # The same work: the same steps on the same rows, so the same losses.
    np.testing.assert_allclose([loss for _, loss in record["loss_curve"]], theirs, rtol=5e-3)
    ratio = plain / record["wall_s"]
    return [
        Row("training on 16 draws a window", windows * draws / record["wall_s"], "answers/s"),
        Row(
            "  beside TRL's SFTTrainer on the same rows, same losses", ratio, "×", "≥ 5", ratio >= 5
        ),
    ]
