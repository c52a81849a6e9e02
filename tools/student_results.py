"""`python -m tools.student_results`: students beside their teachers, the study's and the ceilings.

Teachers are looked for in runs/ (`feedback` of `make results`, `tiny-blind-summary`); a student
whose teacher is not there is left out. Nothing is drawn: every score is of whole laws.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from eisv_lumen.core.files import atomic_path, write_json
from eisv_lumen.evaluation.metrics import kl_rows
from eisv_lumen.evaluation.report import EvalReport, provenance, read_report, write_report
from eisv_lumen.expression.law import ExpressionLaw
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.student.distil import DistilRecipe, distil, distil_law
from eisv_lumen.student.evaluate import exact_report
from eisv_lumen.student.format import read_student, row_laws, summary_laws
from eisv_lumen.student.queries import READING, ask
from eisv_lumen.student.teacher_cache import answers_name
from eisv_lumen.study.forests import READERS, fit_study_forests, read_shapes
from eisv_lumen.teacher.data.windows import target_laws
from eisv_lumen.teacher.evaluation.score import expression_pmf
from eisv_lumen.teacher.models.load import load_teacher
from eisv_lumen.teacher.prompt.messages import render_summaries
from eisv_lumen.trajectory.dataset.schema import synthesize, windows_from_table
from eisv_lumen.trajectory.simulate.lumen_like import (
    balanced_windows,
    summaries_like_real,
    synthetic_summaries,
)
from eisv_lumen.trajectory.sources.summaries import for_fitting, read_summaries

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "lumen_real_windows.jsonl"
OUT = ROOT / "results" / "student"
COMMAND = "python -m tools.student_results"
LIKE, LIKE_SEED = 240, 128
"""Lumen-like summaries for evaluation, and their seed: the test part of the teachers' recipes."""
PER_SHAPE, SYNTHETIC_SEED = 12, 9_000
VALIDATION, VALIDATION_SEED = 3_600, 127

Floats = np.ndarray
Set = tuple[np.ndarray, Floats, dict[str, Any]]  # shapes, summaries, facts


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="some of sighted, blind, law, study, series, readers"
    )
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where models are kept")
    args = parser.parse_args()
    sets = evaluation_sets()
    makers = {
        "sighted": lambda: distilled("sighted", args.runs, "feedback", sets),
        "blind": lambda: distilled("blind", args.runs, "tiny-blind-summary", sets, like=REAL),
        "law": lambda: taught_by_the_law(args.runs, sets),
        "study": lambda: study(sets),
        "series": lambda: series(args.runs),
        "readers": lambda: readers(args.runs),
    }
    for name in args.names or makers:
        makers[name]()


def evaluation_sets() -> dict[str, Set]:
    """Return summaries of windows of four states: synthetic, Lumen-like, and the real half."""
    sets: dict[str, Set] = {
        "synthetic": (
            *synthetic_summaries(PER_SHAPE * len(SHAPES), SYNTHETIC_SEED),
            {"windows": "synthetic, 4 states", "per_shape": PER_SHAPE, "seed": SYNTHETIC_SEED},
        ),
        "lumen-like": (
            *summaries_like_real(LIKE, LIKE_SEED),
            {"windows": "Lumen-like summaries", "n": LIKE, "seed": LIKE_SEED},
        ),
    }
    if REAL.is_file():
        kept = read_summaries(REAL)
        kept = kept.take(~for_fitting(kept.id))
        half = "kept for evaluation (ids that are no multiples of 4)"
        sets["real"] = (kept.shape, kept.values, {"windows": REAL.name, "half": half})
    return sets


_TITLES = {"synthetic": "on synthetic windows", "lumen-like": "on Lumen-like windows",
           "real": "on real windows"}  # fmt: skip


def distilled(
    name: str, runs: Path, teacher_name: str, sets: dict[str, Set], like: Path | None = None
) -> None:
    """Distil a teacher and score the student, against the law and against the teacher.

    It is asked near the windows of `like` that are for fitting, too, where there are such.
    """
    folder, out = runs / teacher_name, runs / f"student-{name}"
    if not (folder / "training.json").is_file():
        say(f"{folder}: no teacher there; {name} is left out")
        return
    record = distil(folder, out, like=like if like and like.is_file() else None, say=say)
    student = read_student(out / "student.json")
    teacher = None
    for kind, (shape, summary, facts) in sets.items():
        prompts = render_summaries(summary, record["style"], shape)
        kept = out / "asked" / answers_name(kind, record["teacher"]["sha256"], prompts)
        if not kept.is_file():
            teacher = teacher or load_teacher(folder)
            say(f"{name}: asking the teacher of {len(shape)} windows, {kind}")
            laws = expression_pmf(teacher, prompts)
            with atomic_path(kept) as aside, aside.open("wb") as stream:
                np.save(stream, laws)
        blind = record["style"] == "blind"
        spoken = summary_laws(student, summary) if blind else by_shape(row_laws(student), shape)
        write(
            exact_report(
                spoken, shape, record["target"],
                teacher=np.load(kept, allow_pickle=False),
                name=f"{name}-{kind}",
                title=f"student, {name}, {_TITLES[kind]}",
                command=f"{COMMAND} {name}",
                data=facts,
                model=facts_of(out, record),
                note="The student reads the summary, no label." if blind
                else "The student is told the shape.",
            )
        )  # fmt: skip


def taught_by_the_law(runs: Path, sets: dict[str, Set]) -> None:
    """Score the student of a perfect teacher: what is left is reading the summary."""
    out = runs / "student-law"
    record = distil_law("initial", out, LAW_RECIPE, blind=True)
    student = read_student(out / "student.json")
    for kind, (shape, summary, facts) in sets.items():
        write(
            exact_report(
                summary_laws(student, summary), shape, "initial",
                name=f"law-{kind}",
                title=f"student of the law itself, blind, {_TITLES[kind]}",
                command=f"{COMMAND} law",
                data=facts,
                model=facts_of(out, record),
                note="It was handed the law's rows, and learned to read summaries.",
            )
        )  # fmt: skip


def study(sets: dict[str, Set]) -> None:
    """Score the study's forests: by their votes, as published, and by their own probabilities.

    They are taught what a perfect teacher says at T = 0.3, as the study's were taught what its
    teacher said at that temperature, on Lumen-like windows in the published mix of shapes, and on
    a quarter more of synthetic ones.
    """
    made = summaries_like_real(4000, LIKE_SEED + 1), synthetic_summaries(1000, LIKE_SEED + 1)
    shape, summary = (np.concatenate(column) for column in zip(*made, strict=True))
    taught = [law.tempered(0.3) for law in target_laws("initial")]
    forests = fit_study_forests(summary, shape, taught)
    for kind, (codes, rows, facts) in sets.items():
        said = np.array([taught[c].sample_index(1, [7, i])[0] for i, c in enumerate(codes)])
        hits = forests.hits(rows, codes, said)
        for way in ("vote", "drawn"):
            laws = forests.laws(rows, codes, vote=way == "vote")
            spoken = "their votes" if way == "vote" else "their own probabilities"
            write(
                exact_report(
                    laws, codes, "initial",
                    name=f"forests-{way}-{kind}",
                    title=f"the study's forests, {spoken}, {_TITLES[kind]}",
                    command=f"{COMMAND} study",
                    data=facts,
                    model={"trees": 20, "token_1_accuracy": hits[0], "pattern_accuracy": hits[1]},
                    note="Told the shape. They have no third token, so the law's triples cannot be "
                    "said, and excess nats are infinite. They were taught at T = 0.3.",
                )
            )  # fmt: skip


def series(runs: Path) -> None:
    """Score nine rules followed by the law, on windows of 20 states, drift included."""
    out = runs / "student-series"
    record = distil_law("initial", out)
    student = read_student(out / "student.json")
    rows = by_shape(row_laws(student), np.arange(len(SHAPES)))
    for kind, windows in (
        (
            "synthetic",
            windows_from_table(synthesize(dict.fromkeys(SHAPES, 50), seed=SYNTHETIC_SEED)),
        ),
        ("lumen-like", balanced_windows(50, window=20, seed=LIKE_SEED)),
    ):
        states = np.concatenate(
            [windows.t[..., None], windows.X, windows.ethical_drift[..., None]], axis=2
        )
        read = np.array([SHAPES.index(student.shape_of(w)) for w in states.tolist()])
        write(
            exact_report(
                rows[read], windows.shape, "initial",
                name=f"series-{kind}",
                title=f"nine rules, then the law, {_TITLES[kind]}",
                command=f"{COMMAND} series",
                data={"windows": f"{kind}, 20 states, balanced", "per_shape": 50},
                model=facts_of(out, record),
                note="The ceiling of a student that reads the states: perfection.",
            )
        )  # fmt: skip


def readers(runs: Path) -> None:
    """Compare readers of summaries, on windows for validation and on the fitting half."""
    recipe = LAW_RECIPE
    asked = ask(READING, recipe.windows, recipe.seed)
    sets = {
        "synthetic": synthetic_summaries(VALIDATION // 10, VALIDATION_SEED),
        "validation": summaries_like_real(VALIDATION, VALIDATION_SEED),
    }
    if REAL.is_file():
        real = read_summaries(REAL)
        real = real.take(for_fitting(real.id))
        sets["fitting half"] = (real.shape, real.values)
    law = np.stack([law.pmf for law in target_laws("initial")])
    found: dict[str, dict[str, float]] = {}
    ours = "the student's network"
    for name in READERS:
        read = read_shapes(name, asked.summary, asked.shape)
        found[name] = {
            k: float(kl_rows(law[s], read(x) @ law).mean()) for k, (s, x) in sets.items()
        }
        say(f"{name}: {found[name]}")
    distil_law("initial", runs / "student-law", recipe, blind=True)
    student = read_student(runs / "student-law" / "student.json")
    found[ours] = {
        k: float(kl_rows(law[s], summary_laws(student, x)).mean()) for k, (s, x) in sets.items()
    }
    say(f"{ours}: {found[ours]}")
    write_json(
        OUT / "readers.json",
        {
            "schema": "eisv-lumen-readers/1",
            "title": "Excess nats at T = 1 of readers of summaries that speak with the exact laws",
            "readers": {k: {s: round(v, 6) for s, v in row.items()} for k, row in found.items()},
            "provenance": provenance(
                f"{COMMAND} readers", seed=0, data={"windows": recipe.windows, "seed": recipe.seed}
            ).model_dump(),
        },
    )


LAW_RECIPE = DistilRecipe(windows=60_000)


def facts_of(out: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return what a report says of a student."""
    kept = {k: record[k] for k in ("teacher", "style", "recipe", "like") if k in record}
    return kept | {"bytes": (out / "student.json").stat().st_size}


def by_shape(laws: list[ExpressionLaw], shape: np.ndarray) -> Floats:
    return np.stack([law.pmf for law in laws])[shape]


def write(report: EvalReport) -> None:
    """Write a report and say its main figures."""
    write_report(report, OUT / f"{report.name}.json")
    report = read_report(OUT / f"{report.name}.json")
    warm, cold = report.at(1.0).metrics, report.at(0.3).metrics
    told = {
        name: warm[name].value
        for name in ("coherence", "excess_nats", "teacher_excess_nats", "teacher_overlap")
        if name in warm
    }
    figures = "  ".join(f"{k} {v:.4f}" for k, v in told.items())
    say(f"{report.name:<22} {figures}  at T = 0.3: {cold['coherence'].value:.4f}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
