"""The main job on any log: dataset, teacher, report, student, publication in a folder.

Each step leaves files that the next one reads, and is skipped where they are whole. A folder
belongs to one log, recipe and seed; `pipeline.json` says which.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .core.errors import InputError
from .core.files import read_json, write_bytes, write_json
from .evaluation.report import EvalReport, read_report, write_report
from .expression.vocabulary import SHAPES
from .trajectory.dataset.blend import blend
from .trajectory.dataset.configs import ByLength, config_name, split_lengths, split_table
from .trajectory.dataset.schema import (
    SCHEMA,
    read_table,
    synthesize,
    windows_from_table,
    write_together,
)
from .trajectory.load import read_any
from .trajectory.series import Series, Windows
from .trajectory.sources import ReadOptions, Source
from .trajectory.sources.options import DEFAULT

__all__ = ["Job", "RunSize", "measured_rates", "plan", "run"]

Say = Callable[[str], None]
_MARK: Final = "pipeline.json"
_DATASET: Final = "dataset.json"
_SECONDS: Final = "seconds.json"
_EVALUATION: Final = "evaluation.parquet"
_OURS: Final = ("demo.json", "anima.db", "anima.db-wal", "anima.db-shm", "run.log")
"""What may lie in a folder before a run begins there."""


@dataclass(frozen=True)
class RunSize:
    """How many windows the teacher sees, and how much it and its student are asked.

    Attributes
    ----------
    train_per_shape, test_per_shape
        Windows of each shape to train and to test on.
    real_per_shape
        Of those, windows of the log at most; synthetic ones fill up.
    draws
        Expressions drawn from the law for each window, for excess nats.
    laws_per_shape
        Windows of each shape whose whole law the student's fit asks the teacher for.
    """

    train_per_shape: int = 250
    real_per_shape: int = 125
    test_per_shape: int = 40
    draws: int = 16
    laws_per_shape: int = 4


@dataclass(frozen=True)
class Job:
    """One run of the main job.

    Attributes
    ----------
    sources
        Files, folders or addresses of one log; see `trajectory.sources`.
    out
        Folder for everything that is made.
    reading
        How the log is to be read.
    recipe
        Name of a packaged teacher's recipe, or a YAML file.
    seed
        Seed of every draw.
    size
        How much of each; see `RunSize`.
    name, title, note
        Of the reports.
    command
        What was typed, for the provenance.
    namespace
        Whom the publication in `out/hub` names.
    dataset
        Name of the dataset's repo there.
    root
        Folder with `spaces/` and the cards' templates; None: no publication.
    say
        Called with each line of progress.
    """

    sources: tuple[str | os.PathLike[str], ...]
    out: Path
    reading: ReadOptions = DEFAULT
    recipe: str = "demo"
    seed: int = 0
    size: RunSize = RunSize()
    name: str = "run"
    title: str = "teacher of this log"
    note: str = (
        "Windows of the log that were kept from training, filled up to balance with synthetic ones."
    )
    command: str = "eisv-lumen run"
    namespace: str = "eisv-lumen"
    dataset: str = "unitares-eisv-trajectories"
    root: Path | None = None
    say: Say = print


@dataclass(frozen=True)
class Step:
    """A step of the job: what it makes, whether that is there, and how it is made."""

    name: str
    makes: str
    done: Callable[[], bool]
    do: Callable[[], None]


def run(job: Job) -> EvalReport:
    """Do what is not done yet.

    Returns
    -------
    EvalReport
        The teacher's evaluation on windows that it was not trained on.

    Raises
    ------
    InputError
        The log cannot be used, the disk is full, or `out` holds another run.
    """
    _claim(job)
    start = time.perf_counter()
    steps = _steps(job)
    for number, step in enumerate(steps, 1):
        job.say(f"\n{number}/{len(steps)}  {step.makes}")
        if step.done():
            job.say("   done already")
            continue
        begun = time.perf_counter()
        step.do()
        took = time.perf_counter() - begun
        _note_seconds(job.out / _SECONDS, step.name, took)
        job.say(f"   {took:.0f} s")
    job.say(f"\ndone in {time.perf_counter() - start:.0f} s")
    return read_report(job.out / "report.json")


def plan(job: Job, rates: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Say what `run` would do, and for how long; nothing is written.

    Parameters
    ----------
    job
        As for `run`.
    rates
        Measured seconds: per training token (`teacher`), per evaluated window (`report`), per law
        asked for (`student`), per state (`dataset`), and of the publication (`publication`).

    Returns
    -------
    dict
        `states`, `agents`, `windows` by configuration and split, and `steps`: name, what it makes,
        whether it is done, and seconds (None where unknown).

    Raises
    ------
    InputError
        The log cannot be used, or `out` holds another run.
    """
    source = read_any(list(job.sources), every=True, options=job.reading)
    tables, dropped = _tables(job, source)
    _check_claim(job, _identity(job, source))
    amounts = _amounts(job, sum(table.num_rows for table in _of_longest(tables).values()))
    steps = [
        {
            "step": step.name,
            "makes": step.makes,
            "done": step.done(),
            "seconds": None
            if rates is None or step.name not in rates or not _is_tiny(job)
            else 0.0
            if step.done()
            else round(rates[step.name] * amounts[step.name], 1),
        }
        for step in _steps(job)
    ]
    series = source.series if isinstance(source, Source) else []
    return {
        "states": sum(map(len, series)),
        "agents": len({one.agent for one in series}),
        "windows": {
            config_name(length): {name: part.num_rows for name, part in splits.items()}
            for length, splits in tables.items()
        },
        "dropped_at_borders": dropped,
        "steps": steps,
    }


def _note_seconds(path: Path, step: str, seconds: float) -> None:
    known = read_json(path) if path.is_file() else {}
    write_json(path, known | {step: round(seconds, 2)})


def measured_rates(job: Job) -> dict[str, float]:
    """Return the rates of a run that has been done, for `plan`: seconds for one unit of each step.

    Raises
    ------
    InputError
        The run has not been done.
    """
    seconds = read_json(job.out / _SECONDS)
    facts = read_json(job.out / _DATASET)
    amounts = _amounts(job, sum(facts["windows"].values()))
    return {name: seconds[name] / amounts[name] for name in amounts if name in seconds}


def _steps(job: Job) -> list[Step]:
    out = job.out
    steps = [
        Step(
            "dataset",
            "A typed dataset: windows, shapes, splits that share no state",
            (out / _DATASET).is_file,
            lambda: _make_dataset(job),
        ),
        Step(
            "teacher",
            f"A teacher by recipe {job.recipe}: cross-entropy on the voice's expressions, by TRL",
            (out / "teacher" / "training.json").is_file,
            lambda: _make_teacher(job),
        ),
        Step(
            "report",
            "Its evaluation between floor and ceiling, at several temperatures",
            (out / "report.json").is_file,
            lambda: _make_report(job),
        ),
        Step(
            "student",
            "A student: the teacher's laws as data that the standard library speaks",
            (out / "student" / "reports" / f"{job.name}.json").is_file,
            lambda: _make_student(job),
        ),
    ]
    if job.root is not None:
        steps.append(
            Step(
                "publication",
                "Everything as it would stand on the Hub, in a folder",
                lambda: False,  # what is there already is left as it is, file by file
                lambda: _publish(job),
            )
        )
    return steps


def _claim(job: Job) -> None:
    """Make the folder this run's, or refuse it."""
    identity = _identity(job, read_any(list(job.sources), every=True, options=job.reading))
    _check_claim(job, identity)
    write_json(job.out / _MARK, identity)


def _check_claim(job: Job, identity: Mapping[str, Any]) -> None:
    mark = job.out / _MARK
    if mark.is_file():
        there = read_json(mark)
        differs = [key for key in identity if there.get(key) != identity[key]]
        if differs:
            words = {"states_sha256": "other states", "size": "other sizes"}
            which = ", ".join(words.get(key, f"another {key}") for key in differs)
            raise InputError(f"{job.out}: holds a run of {which}; choose another --out")
    elif job.out.is_dir() and any(path.name not in _OURS for path in job.out.iterdir()):
        raise InputError(f"{job.out}: is not empty and holds no run; choose another --out")


def _identity(job: Job, source: Source | pa.Table) -> dict[str, Any]:
    sha = hashlib.sha256()
    if isinstance(source, Source):
        for one in sorted(source.series, key=lambda one: one.agent):
            _update(sha, one)
    else:
        for name in SCHEMA.names:
            for chunk in source[name].cast(SCHEMA.field(name).type).combine_chunks().buffers():
                sha.update(b"" if chunk is None else memoryview(chunk))
    return {
        "recipe": job.recipe,
        "seed": job.seed,
        "size": asdict(job.size),
        "states_sha256": sha.hexdigest(),
    }


def _update(sha: Any, series: Series) -> None:
    """Add an agent's states to a digest; a file's name and kind are no part of it."""
    sha.update(series.agent.encode() + b"\0")
    drift = series.ethical_drift
    for column in (series.t, series.X, np.zeros(len(series)) if drift is None else drift):
        sha.update(np.ascontiguousarray(column, np.float64))


def _tables(job: Job, source: Source | pa.Table) -> tuple[ByLength, int]:
    """Cut and split a source, whether it holds states or windows."""
    try:
        if isinstance(source, Source):
            return split_lengths(source, seed=job.seed)
        return split_table(source, seed=job.seed)
    except InputError as error:
        raise InputError(f"{', '.join(map(str, job.sources))}: {error}") from error


def _of_longest(tables: ByLength) -> dict[str, pa.Table]:
    return tables[max(tables)]


def _make_dataset(job: Job) -> None:
    source = read_any(list(job.sources), every=True, options=job.reading)
    if isinstance(source, Source):
        for line in source.report.lines():
            job.say(f"   {line}")
    tables, dropped = _tables(job, source)
    write_together(
        {
            job.out / "dataset" / config_name(length) / f"{name}.parquet": part
            for length, splits in tables.items()
            for name, part in splits.items()
        }
    )
    parts = _of_longest(tables)
    counts = _count(pa.concat_tables(parts.values()))
    lengths = ", ".join(map(str, tables))
    job.say(f"   windows of {lengths} states; of {max(tables)}, by shape:")
    for shape, n in sorted(counts.items(), key=lambda item: -item[1]):
        job.say(f"   {n:>6,}  {shape}")
    job.say(f"   {dropped} more, at borders between splits, are in none")
    chosen = {name: _choose(job, name, parts.get(name)) for name in ("train", "test")}
    facts: dict[str, Any] = {"windows": counts}
    if isinstance(source, Source):
        facts = {"states": sum(map(len, source.series)), **facts}
    for name, table in chosen.items():
        real = table.filter(pc.field("source") != "synthetic")
        facts[name] = {"windows": table.num_rows, "from_the_log": _count(real)}
    write_together({job.out / _EVALUATION: chosen["test"]})
    facts["sha256"] = hashlib.sha256((job.out / _EVALUATION).read_bytes()).hexdigest()
    write_json(job.out / _DATASET, facts)


def _choose(job: Job, name: str, part: pa.Table | None) -> pa.Table:
    """Return balanced windows of a split, real ones first."""
    per_shape = job.size.train_per_shape if name == "train" else job.size.test_per_shape
    wanted = dict.fromkeys(SHAPES, per_shape)
    synthetic = synthesize(wanted, seed=2 * job.seed + (name == "test"))
    return blend(
        SCHEMA.empty_table() if part is None else part,
        synthetic,
        wanted,
        real_at_most=job.size.real_per_shape,
        seed=job.seed,
    )


def _count(table: pa.Table) -> dict[str, int]:
    counts = np.bincount(table["shape"].to_numpy(), minlength=len(SHAPES))
    return dict(zip(SHAPES, counts.tolist(), strict=True))


def _train_windows(job: Job) -> Windows:
    configs = sorted((job.out / "dataset").glob("window_*"), key=lambda p: int(p.name[7:]))
    part = configs[-1] / "train.parquet"
    return windows_from_table(_choose(job, "train", read_table(part) if part.is_file() else None))


def _test_windows(job: Job) -> Windows:
    return windows_from_table(read_table(job.out / _EVALUATION))


def _make_teacher(job: Job) -> None:
    from .teacher.data.windows import corpus_of_windows, recipe_examples
    from .teacher.training.train import train

    recipe = _recipe(job)
    corpus = corpus_of_windows([_train_windows(job)], recipe.data)
    facts = None if job.name == "demo" else {"data": {"windows": f"{job.name}: its training split"}}
    train(recipe, recipe_examples(recipe.data, corpus), job.out / "teacher", facts=facts)


def _recipe(job: Job) -> Any:
    from .teacher.recipe import load_recipe

    recipe = load_recipe(job.recipe)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"seed": job.seed})})


def _make_report(job: Job) -> None:
    from .hub.figures.style import by_shape, by_temperature
    from .teacher.evaluation.evaluate import teacher_report
    from .teacher.prompt.messages import render_windows

    windows = _test_windows(job)
    report = teacher_report(
        job.out / "teacher",
        render_windows(windows, _recipe(job).data.style),
        windows.shape,
        name=job.name,
        title=job.title,
        command=job.command,
        data=read_json(job.out / _DATASET),
        note=job.note,
        draws=job.size.draws,
        seed=job.seed,
        say=job.say,
    )
    write_bytes(job.out / "figures" / "by_temperature.svg", by_temperature(report))
    write_bytes(job.out / "figures" / "by_shape.svg", by_shape(report))
    write_report(report, job.out / "report.json")


def _make_student(job: Job) -> None:
    """Distil the teacher, and score the student exactly on the windows kept from both."""
    from .student.distil import DistilRecipe, distil
    from .student.evaluate import exact_report
    from .student.format import read_student, row_laws, summary_laws

    out, windows, recipe = job.out / "student", _test_windows(job), _recipe(job)
    per_shape = job.size.laws_per_shape
    asked = DistilRecipe(per_shape=per_shape, windows=len(SHAPES) * per_shape)
    if recipe.data.style == "blind":  # a reader of summaries needs many of them
        asked = DistilRecipe()
    distil(job.out / "teacher", out, asked, say=job.say)
    student = read_student(out / "student.json")
    if recipe.data.style == "blind":
        laws = summary_laws(student, windows.summary, lambda i: f"{_EVALUATION}, row {i}")
    else:
        laws = np.stack([law.pmf for law in row_laws(student)])[windows.shape]
    report = exact_report(
        laws,
        windows.shape,
        recipe.data.target,
        name=f"{job.name}-student",
        title=f"student of the {job.name}",
        command=job.command,
        data=read_json(job.out / _DATASET),
    )
    write_report(report, out / "reports" / f"{job.name}.json")
    warm = report.results[0].metrics
    job.say(
        f"   {(out / 'student.json').stat().st_size:,} bytes and one file; coherence at T = 1 "
        f"{warm['coherence'].value:.3f}, {warm['excess_nats'].value:.3f} excess nats"
    )


def _publish(job: Job) -> None:
    from . import __version__
    from .hub.contents.build import build_contents
    from .hub.contents.context import Material
    from .hub.publishing.plan import make_plan
    from .hub.publishing.publish import to_folder

    assert job.root is not None
    contents = build_contents(Material(job.root, job.namespace, job.out, job.dataset))
    for outcome in to_folder(make_plan(contents, version=__version__, tag=None), job.out / "hub"):
        if outcome.status == "stopped":
            raise InputError(outcome.reason)
        job.say(f"   {outcome.where}")
    app = job.out / "hub" / "spaces" / "explorer" / "app.py"
    if app.is_file():
        job.say(f"   open the Space: python {app}")


def _is_tiny(job: Job) -> bool:
    return bool(_recipe(job).base == "tiny")


def _amounts(job: Job, windows: int) -> dict[str, float]:
    """Return how much each step has to do, in the units of the rates."""
    recipe, shapes = _recipe(job), len(SHAPES)
    epochs = float(recipe.training.get("num_train_epochs", 3))
    rows = shapes * job.size.train_per_shape
    asked = shapes * job.size.laws_per_shape if recipe.data.style != "blind" else 80_000
    return {
        "dataset": float(windows),
        "teacher": epochs * rows * recipe.data.draws,
        "report": float(shapes * job.size.test_per_shape * job.size.draws),
        "student": float(asked),
        "publication": 1.0,
    }
