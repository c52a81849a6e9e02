"""Law, sampling and scoring, beside the obvious way; and how soon `--help` answers."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np

from eisv_lumen.expression.coherence import coherence
from eisv_lumen.expression.law import ExpressionLaw, initial_laws
from eisv_lumen.expression.vocabulary import AFFINE_TOKENS, PATTERN_PMF, SHAPES, TOKENS

from .timing import Row, best

N = 1_000_000
_SHAPE = "rising_entropy"


def obvious(n: int) -> list[float]:
    """Draw and score one expression after the other, as §4 reads."""
    rng = random.Random(0)
    probabilities = PATTERN_PMF[SHAPES.index(_SHAPE)].tolist()
    affine = set(AFFINE_TOKENS[_SHAPE])
    scores = []
    for _ in range(n):
        weights = {token: 3.0 if token in affine else 1.0 for token in TOKENS}
        pattern = rng.choices(range(5), probabilities)[0]
        tokens = []
        for _ in range({0: 1, 1: 2, 2: 3, 3: 1, 4: 1}[pattern]):
            token = rng.choices(list(weights), list(weights.values()))[0]
            tokens.append(token)
            del weights[token]
        if pattern == 3:
            tokens *= 2
        elif pattern == 4:
            tokens.append(rng.choice(["questioning", "curiosity"]))
        scores.append(sum(token in affine for token in tokens) / len(tokens))
    return scores


def rows() -> list[Row]:
    law = ExpressionLaw.initial(_SHAPE)

    def sample_and_score() -> None:
        coherence(law.sample(N, 0), _SHAPE)

    slow = best(lambda: obvious(20_000), 3) / 20_000
    fast = best(sample_and_score, 5) / N
    nine = best(initial_laws)
    tempered = best(lambda: [law.tempered(0.3) for law in initial_laws()])
    start_up = best(
        lambda: subprocess.run(
            [sys.executable, "-m", "eisv_lumen.cli", "--help"], check=True, capture_output=True
        )
    )
    rate = 1 / fast / 1e6
    assert abs(np.mean(obvious(4000)) - law.coherence()) < 0.05
    return [
        Row("sample and score, lists of tokens", rate, "M expressions/s", "≥ 3", rate >= 3),
        Row("  beside the obvious loop", slow / fast, "×"),
        Row("exact law of nine shapes", nine, "s", "≤ 0.2", nine <= 0.2),
        Row("  and all of them at T = 0.3", tempered, "s"),
        Row("eisv-lumen --help", start_up, "s", "≤ 0.4", start_up <= 0.4),
    ]
