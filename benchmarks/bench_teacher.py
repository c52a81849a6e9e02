"""Batched decoding and shared prompts, beside one by one; the outputs are the same."""

from __future__ import annotations

import tempfile

import numpy as np

from eisv_lumen.expression.law import EXPRESSIONS, initial_laws
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.examples import draw_examples
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.evaluation.score import answer_log_probs
from eisv_lumen.teacher.models.load import load_teacher
from eisv_lumen.teacher.prompt.messages import render_windows
from eisv_lumen.teacher.recipe import Recipe
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
