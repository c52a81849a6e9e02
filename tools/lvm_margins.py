"""What the published numbers say of predictors whose worth is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from eisv_lumen.core.files import read_json
from eisv_lumen.evaluation.report import provenance
from eisv_lumen.lvm.alignment.five_cat import published_tests
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask
from eisv_lumen.lvm.data.diagnostics import narrative_delta, next_token_delta
from eisv_lumen.lvm.data.known_processes import Process
from eisv_lumen.lvm.data.sequences import SequenceSet
from eisv_lumen.lvm.data.splits import take_corpus
from eisv_lumen.lvm.predictors.baselines import baseline, oracle
from eisv_lumen.lvm.predictors.load import predictor

from .lvm_claim import CORPORA

TRAINED = ("p1",)
UNTRAINED = ("copy-last", "context-mean", "minus-last", "ridge")


def margins(
    models: Path, sets: Mapping[str, SequenceSet], processes: Mapping[str, Process]
) -> dict[str, Any]:
    """Read the published margin of an oracle, of −c_4 and of models, in three forms.

    Returns
    -------
    dict
        For each corpus, of each predictor: `direction`, mean cos(ŷ, y) − cos(ŷ, c_4); `sweep`,
        cos(+1) less the best other offset; `sweep_as_published` and `recall_1_as_published`, with
        the slips. Beside them the readings that cannot decide. For each process, the optimum's
        `direction`, measured and exact.
    """
    corpora = {}
    for corpus in CORPORA:
        fresh = take_corpus(sets["fresh"], corpus)
        given = {"train": sets["train"], "validation": sets["validation"]}
        asked = [oracle(fresh), _late_oracle(fresh)]
        asked += [baseline(name, **given) for name in UNTRAINED]
        asked += [predictor(str(models / name), name) for name in TRAINED]
        first, second = fresh.at_offset(-1), fresh.at_offset(-2)
        corpora[corpus] = {
            "r_1": float(np.einsum("nd,nd->n", fresh.targets(), first.vectors).mean()),
            "r_2": float(np.einsum("nd,nd->n", fresh.targets(), second.vectors).mean()),
            "predictors": {model.name: _margins(model, fresh) for model in asked},
            "narrative": vars(narrative_delta(fresh)),
            "next_token": vars(next_token_delta(fresh)),
        }
    exact = {}
    for name, process in processes.items():
        drawn = process.sample(40, 60, 2)
        model = Predictor("exact optimum", process.predict)
        exact[name] = {
            "direction": _margins(model, drawn)["direction"],
            "expected": process.resultant - float(np.cos(np.radians(process.angle))),
            "resultant": process.resultant,
            "angle": process.angle,
        }
    return {
        "schema": "eisv-lumen-margins/1",
        "corpora": corpora,
        "processes": exact,
        "provenance": provenance("python -m tools.lvm_results margins", seed=0).model_dump(),
    }


def orders(out: Path) -> dict[str, Any]:
    """Correlate, over predictors of the next vector, the order by cosine with the order by bits.

    Returns
    -------
    dict
        For each corpus, Spearman's coefficient over all `models` of one seed, and over those with
        at least the cosine of copy-last; None with fewer than three.
    """
    corpora = {}
    for corpus in CORPORA:
        found = {}
        for path in sorted((out / f"lvm-{corpus}").glob("*.json")):
            report = read_json(path)
            gates = {gate["name"]: gate for gate in report["gates"]}
            extreme = path.stem in ("oracle", "minus-last", "random") or "-seed" in path.stem
            if "G2" in gates and not report["ahead"] and not extreme:
                found[path.stem] = gates["G2"]["also"]["cosine"], gates["G1"]["value"]
        better = [pair for pair in found.values() if pair[0] >= found["copy-last"][0]]
        corpora[corpus] = {
            "models": len(found),
            "better": len(better),
            "spearman": _spearman(list(found.values())),
            "spearman_of_better": _spearman(better),
        }
    return {
        "schema": "eisv-lumen-orders/1",
        "corpora": corpora,
        "provenance": provenance("python -m tools.lvm_results orders").model_dump(),
    }


def _spearman(pairs: list[tuple[float, float]]) -> float | None:
    if len(pairs) < 3:
        return None
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def _late_oracle(sequences: SequenceSet) -> Predictor:
    """Know the chunk after the next one; at an article's end, the next one."""
    after = sequences.at_offset(1)
    vectors = np.where(after.present[:, None], after.vectors, sequences.targets())
    known = {c.tobytes(): v for c, v in zip(sequences.contexts(), vectors, strict=True)}
    return Predictor(
        "late oracle", lambda contexts: np.stack([known.get(c.tobytes(), c[-1]) for c in contexts])
    )


def _margins(model: Predictor, sequences: SequenceSet) -> dict[str, float]:
    articles = articles_of(sequences)
    mended, slipped = ask(model, articles), ask(model, articles, restore=True)
    said = np.asarray(mended.vectors)
    unit = said / np.maximum(np.linalg.norm(said, axis=1, keepdims=True), 1e-12)
    newest = sequences.contexts()[:, -1]
    found = {"direction": float(np.einsum("nd,nd->n", unit, sequences.targets() - newest).mean())}
    tests = {
        "": published_tests(articles, said, ablated=mended.ablated),
        "_as_published": published_tests(
            articles, said, ablated=slipped.ablated, as_published=True
        ),
    }
    for suffix, each in tests.items():
        checks = {check.name: check.found for test in each for check in test.checks}
        found |= {
            f"sweep{suffix}": checks["margin"],
            f"recall_1{suffix}": checks["recall_1"],
            f"leave_one_out{suffix}": checks["leave_one_out"],
        }
    return found
