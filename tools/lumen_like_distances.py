"""State how far the Lumen-like process, and the idealised generators, are from the real windows.

    python tools/lumen_like_distances.py ../shared/data/lumen_real_windows.jsonl

Writes `results/lumen_like/distances.json`. The half that the constants were not fitted on
(ids not a multiple of 4) is what distances are taken to; the fitting half stands beside them, as
what a perfect process would reach with as few windows.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from fit_lumen_like import AGREEMENT, SETTLED_TO_CONVERGENCE
from sklearn.ensemble import RandomForestClassifier

from eisv_lumen import __version__
from eisv_lumen.core.files import write_json
from eisv_lumen.expression.vocabulary import REAL_MIX, SHAPES
from eisv_lumen.study.process_distances import energy_distance, ks_each, scaled, two_sample_auc
from eisv_lumen.trajectory.series import concatenate
from eisv_lumen.trajectory.simulate.lumen_like import lumen_like, round_as_real, summaries_like_real
from eisv_lumen.trajectory.simulate.synthetic import generate
from eisv_lumen.trajectory.sources.summaries import for_fitting, read_summaries
from eisv_lumen.trajectory.windows import SUMMARY_FIELDS, classify, label_each

N_WINDOWS = 20_000
N_STATES = 5_000_000
N_AUC = 20
Labelled = tuple[np.ndarray, np.ndarray]


def idealised(n: int, seed: int) -> Labelled:
    """Last four states of the idealised generators' windows, in the published mix of shapes."""
    rng = np.random.default_rng([seed, 5])
    mix = np.array([REAL_MIX[shape] for shape in SHAPES])
    counts = rng.multinomial(n, mix / mix.sum())
    parts = [
        generate(shape, int(count), v_max=0.3, seed=seed)
        for shape, count in zip(SHAPES, counts, strict=True)
    ]
    windows = concatenate(parts).take(rng.permutation(n))
    shape, summary = label_each(windows.t[:, -4:], windows.X[:, -4:])
    return shape, round_as_real(summary)


def distances(candidate: Labelled, real: Labelled, seed: int) -> dict[str, Any]:
    """Distances between the summaries of a candidate and of the real windows."""
    summary, target = candidate[1], real[1]
    size = len(target)
    ks = ks_each(summary, target)
    used = [name for name in SUMMARY_FIELDS if name != "n_states"]
    pieces = [summary[i * size : (i + 1) * size] for i in range(N_AUC)]
    auc = [two_sample_auc(p, target, seed + i) for i, p in enumerate(pieces) if len(p) == size]
    mix = np.bincount(candidate[0], minlength=len(SHAPES)) / len(summary)
    return {
        "n": len(summary),
        "ks": {name: float(d) for name, d in zip(SUMMARY_FIELDS, ks, strict=True) if name in used},
        "ks_mean": float(np.mean(ks[1:])),
        "energy_distance": energy_distance(scaled(target), scaled(summary[:4000])),
        "two_sample_auc": float(np.mean(auc)),
        "two_sample_auc_sd": float(np.std(auc)),
        "two_sample_auc_samples": len(auc),
        "shapes_4_states": {shape: float(p) for shape, p in zip(SHAPES, mix, strict=True)},
    }


def forest_accuracy(train: Labelled, real: Labelled, seed: int) -> float:
    """Share of real windows whose shape a random forest reads from the 14 numbers."""
    forest = RandomForestClassifier(200, random_state=seed, n_jobs=1)
    forest.fit(train[1], train[0])
    return float(np.mean(forest.predict(real[1]) == real[0]))


def process_at_20(seed: int) -> dict[str, Any]:
    """Mix of shapes over 20 states, and agreement of shorter windows with it, beside published."""
    series = lumen_like(N_STATES, seed)
    shape = classify(series.t, series.X)
    mix = np.bincount(shape, minlength=len(SHAPES)) / len(shape)
    agreement, lost = {}, 0.0
    for k in AGREEMENT:
        last = classify(series.t[20 - k :], series.X[20 - k :], window=k, stride=10)[: len(shape)]
        agreement[str(k)] = float(np.mean(last == shape))
        if k == 4:
            lost = float(np.mean((shape == 0) & (last == SHAPES.index("convergence"))))
    return {
        "n_windows": len(shape),
        "median_spacing_s": float(np.median(np.diff(series.t))),
        "mix": {name: float(p) for name, p in zip(SHAPES, mix, strict=True)},
        "mix_published": REAL_MIX,
        "agreement": agreement,
        "agreement_published": {str(k): v for k, v in AGREEMENT.items()},
        "settled_to_convergence_at_4": lost,
        "settled_to_convergence_at_4_published": SETTLED_TO_CONVERGENCE,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("results/lumen_like/distances.json"))
    parser.add_argument(
        "--to-fitting-half", action="store_true", help="rehearse: leave the other half unread"
    )
    args = parser.parse_args()
    real = read_summaries(args.real)
    halves = [real.take(chosen) for chosen in (for_fitting(real.id), ~for_fitting(real.id))]
    fitting, kept = ((half.shape, half.values) for half in halves)
    target = fitting if args.to_fitting_half else kept

    print("drawing", file=sys.stderr)
    candidates = {
        "lumen_like": summaries_like_real(N_WINDOWS, args.seed),
        "idealised": idealised(N_WINDOWS, args.seed),
        "fitting_half": fitting,
    }
    rows = {}
    for name, candidate in candidates.items():
        print(f"measuring {name}", file=sys.stderr)
        rows[name] = distances(candidate, target, args.seed)
        rows[name]["forest_accuracy"] = forest_accuracy(candidate, target, args.seed)
    common = int(np.bincount(target[0]).argmax())
    write_json(
        args.out,
        {
            "what": "window summaries of the last 4 of 20 states against real ones",
            "target": "fitting half" if args.to_fitting_half else "evaluation half",
            "target_n": len(target[0]),
            "target_shapes_4_states": {
                shape: float(np.mean(target[0] == code)) for code, shape in enumerate(SHAPES)
            },
            "constant_accuracy": float(np.mean(target[0] == common)),
            "candidates": rows,
            "process_at_20": process_at_20(args.seed),
            "provenance": {
                "command": "python tools/lumen_like_distances.py " + args.real.name,
                "seed": args.seed,
                "real_sha256": hashlib.sha256(args.real.read_bytes()).hexdigest(),
                "constants_sha256": _constants_hash(),
                "fitted_on": "ids that are a multiple of 4",
                "eisv_lumen": __version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        },
    )
    for name, row in rows.items():
        print(
            f"{name:14s} mean KS {row['ks_mean']:.3f}  energy {row['energy_distance']:.3f}  "
            f"AUC {row['two_sample_auc']:.3f}  forest {row['forest_accuracy']:.3f}"
        )


def _constants_hash() -> str:
    file = resources.files("eisv_lumen.trajectory").joinpath("lumen_like.json")
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
