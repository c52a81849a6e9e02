"""A report through the real protocol, of a speaker that is the law itself."""

from __future__ import annotations

from functools import cache

import numpy as np

from eisv_lumen.evaluation.baselines import initial
from eisv_lumen.evaluation.gates import calibrated_gates
from eisv_lumen.evaluation.report import EvalReport, provenance
from eisv_lumen.evaluation.scoring import DECODINGS, INHERITED, Spoken, score
from eisv_lumen.expression.vocabulary import pattern_of


@cache
def law_report(seed: int = 0, n: int = 180, target: str = "initial") -> EvalReport:
    shapes = np.arange(n, dtype=np.int8) % 9
    rng = np.random.default_rng(seed)
    results = []
    for decoding in (*DECODINGS, INHERITED):
        top_k, top_p = decoding.top_k or 0, decoding.top_p or 1.0
        laws = [law.tempered(decoding.temperature, top_k=top_k, top_p=top_p) for law in initial()]
        said = [laws[code].sample(1, rng)[0] for code in shapes]
        spoken = Spoken(said, [pattern_of(e) for e in said])
        excess = 0.01 * rng.random(n) if decoding.temperature == 1 else None
        results.append(score(spoken, shapes, initial(), decoding, excess_nats=excess, seed=seed))
    found = EvalReport(
        kind="measured", name=f"law-{seed}", title=f"The law itself, seed {seed}",
        target=target, results=results, provenance=provenance("pytest", seed=seed),
    )  # fmt: skip
    return found.model_copy(update={"gates": calibrated_gates(found)})
