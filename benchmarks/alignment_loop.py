"""The alignment tests one window and one candidate at a time, as they read.

Slow and obvious: the tests hold the arrays of `lvm.alignment` to it, the benchmark times it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from eisv_lumen.lvm.alignment.records import Answers, Calibration
from eisv_lumen.lvm.data.sequences import SequenceSet


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.dot(a, b) / length) if length > 0 else 0.0


def rows_of_article(s: SequenceSet, window: int) -> list[int]:
    code = s.article[s.starts[window]]
    return np.flatnonzero(s.article == code).tolist()


def candidates_of(s: SequenceSet, window: int, hidden: Sequence[int]) -> list[int]:
    """Rows that can be next: none that is hidden, and of equal ones the target or the first."""
    target, kept = chunk_at(s, window, 0), []
    for row in sorted(rows_of_article(s, window), key=lambda row: (row != target, row)):
        known = any(np.array_equal(s.vectors[row], s.vectors[other]) for other in kept)
        if row not in hidden and not known:
            kept.append(row)
    return kept


def context_of(s: SequenceSet, window: int) -> list[int]:
    return [int(s.starts[window]) + i for i in range(s.context_length)]


def chunk_at(s: SequenceSet, window: int, offset: int) -> int | None:
    """Row `offset` after the target, None outside the article."""
    row = int(s.starts[window]) + s.context_length + offset
    inside = 0 <= row < len(s.vectors) and s.article[row] == s.article[s.starts[window]]
    return row if inside else None


def tied_rank(own: float, others: Sequence[float]) -> dict[str, float]:
    above = sum(o > own + 1e-6 for o in others)
    tied = sum(abs(o - own) <= 1e-6 for o in others)
    ranks = [above + 1 + i for i in range(tied + 1)]
    return {
        "recall_1": sum(r <= 1 for r in ranks) / len(ranks),
        "recall_5": sum(r <= 5 for r in ranks) / len(ranks),
        "reciprocal": sum(1 / r for r in ranks) / len(ranks),
    }


def told(scores: dict[int, float], target: int, beta: float) -> dict[str, float]:
    """Bits of the target, and its rank, among scored candidates."""
    top = max(beta * s for s in scores.values())
    total = sum(math.exp(beta * s - top) for s in scores.values())
    nats = beta * scores[target] - top - math.log(total)
    others = [s for row, s in scores.items() if row != target]
    uniform = math.log2(len(scores))
    return {
        "bits": nats / math.log(2) + uniform,
        "uniform": uniform,
        **tied_rank(scores[target], others),
    }


def score_article(
    s: SequenceSet, window: int, said: np.ndarray, centred: bool, hidden: Sequence[int]
) -> dict[int, float]:
    rows = rows_of_article(s, window)
    middle = sum(s.vectors[row] for row in rows) / len(rows) if centred else 0.0
    length = np.linalg.norm(said)
    direction = said / length if length > 0 else said
    return {
        row: cosine(direction - middle, s.vectors[row] - middle)
        for row in candidates_of(s, window, hidden)
    }


def lag_article(
    s: SequenceSet, window: int, weights: np.ndarray, centred: bool
) -> dict[int, float]:
    rows, context = rows_of_article(s, window), context_of(s, window)
    middle = sum(s.vectors[row] for row in rows) / len(rows) if centred else 0.0
    return {
        row: sum(
            w * cosine(s.vectors[c] - middle, s.vectors[row] - middle)
            for w, c in zip(weights, context, strict=True)
        )
        for row in candidates_of(s, window, context)
    }


def read_window(
    s: SequenceSet, window: int, answers: Answers, fitted: Calibration
) -> dict[str, float]:
    """Everything that the calibrated gates and the published tests read of one window."""
    context, target = context_of(s, window), chunk_at(s, window, 0)
    assert target is not None
    y, last = s.vectors[target], s.vectors[context[-1]]
    mine = fitted.readouts[""]
    vector = np.asarray(answers.vectors)[window]

    def bits(said: np.ndarray, name: str) -> float:
        own = fitted.shuffled if name == "shuffled" else fitted.readouts[name]
        assert own is not None
        return told(score_article(s, window, said, own.centred, context), target, own.beta)["bits"]

    out = told(score_article(s, window, vector, mine.centred, context), target, mine.beta)
    out["copy-last"] = bits(last, "copy-last")
    out["lag"] = told(lag_article(s, window, fitted.floors.lag, False), target, 1.0)["bits"]
    out["centred"] = told(lag_article(s, window, fitted.floors.centred, True), target, 1.0)["bits"]
    out["lost"] = out["bits"] - bits(np.asarray(answers.shuffled)[window], "shuffled")
    after = [chunk_at(s, window, offset) for offset in range(1, s.context_length + 1)]
    out["forward"] = math.nan
    if None not in after:
        hidden = [*context, *(row for row in after if row is not None)]
        ahead, behind = (
            told(score_article(s, window, said, mine.centred, hidden), target, mine.beta)["bits"]
            for said in (vector, np.asarray(answers.backward)[window])
        )
        out["forward"] = 0.5 if abs(ahead - behind) <= 1e-6 else float(ahead > behind)
    scaled = fitted.scales[""] * vector
    mixed = sum(w * s.vectors[c] for w, c in zip(fitted.floors.scalars, context, strict=True))
    out["cosine"] = cosine(vector, y)
    out["error"] = float(((scaled - y) ** 2).sum())
    out["scalars"] = float(((mixed - y) ** 2).sum())
    out["copied"] = float(((fitted.scales["copy-last"] * last - y) ** 2).sum())
    out["with_last"], out["r_1"] = float(np.dot(scaled, last)), float(np.dot(y, last))
    others = [s.vectors[row] for row in rows_of_article(s, window)]
    for h in range(np.asarray(answers.rollout).shape[1]):
        row = chunk_at(s, window, h)
        out[f"step {h}"] = out[f"repeat {h}"] = out[f"mean {h}"] = math.nan
        if row is not None:
            truth = s.vectors[row]
            out[f"step {h}"] = cosine(np.asarray(answers.rollout)[window, h], truth)
            out[f"repeat {h}"] = cosine(last, truth)
            out[f"mean {h}"] = cosine(sum(others) - truth, truth)
    return out | published_window(s, window, answers)


def published_window(s: SequenceSet, window: int, answers: Answers) -> dict[str, float]:
    """What the five published tests read of one window, slips mended."""
    vector, target = np.asarray(answers.vectors)[window], chunk_at(s, window, 0)
    assert target is not None
    out = {}
    for offset in range(-3, 4):
        row = chunk_at(s, window, offset - 1)
        out[f"at {offset}"] = math.nan if row is None else cosine(vector, s.vectors[row])
    # As published: among all chunks of the article, each copy by itself.
    scores = {row: cosine(vector, s.vectors[row]) for row in rows_of_article(s, window)}
    others = [score for row, score in scores.items() if row != target]
    out |= {f"B {name}": x for name, x in tied_rank(scores[target], others).items()}
    assert answers.ablated is not None
    for name, those in answers.ablated.items():
        changed = [cosine(one[window], s.vectors[target]) for one in those]
        out[name] = sum(changed) / len(changed) - cosine(vector, s.vectors[target])
    return out
