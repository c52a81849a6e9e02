"""The main job, offline, from nothing: a log is read, a teacher trained, scored and distilled."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .core.errors import InputError
from .core.files import write_bytes, write_json
from .evaluation.report import EvalReport, write_report
from .expression.vocabulary import SHAPES
from .trajectory.series import Windows
from .trajectory.windows import WINDOW

__all__ = ["QUICK", "DemoSize", "run_demo"]

Say = Callable[[str], None]
RECIPE = "demo"


@dataclass(frozen=True)
class DemoSize:
    """How much the demo does; the defaults take about three minutes on two cores."""

    n_states: int = 60_000
    train_per_shape: int = 250
    real_per_shape: int = 125
    test_per_shape: int = 40
    draws: int = 16
    laws_per_shape: int = 4


QUICK = DemoSize(12_000, 24, 12, 8, 4)
"""What `--quick` does."""


def _command(size: DemoSize, seed: int) -> str:
    return f"eisv-lumen demo --seed {seed}{' --quick' * (size == QUICK)}"


def run_demo(
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    size: DemoSize | None = None,
    root: str | os.PathLike[str] = "",
    say: Say = print,
) -> EvalReport:
    """Run the main job: a Lumen-like log, its dataset, a teacher, its report, a student.

    What is already done is not done again, so a run that was killed goes on.

    Parameters
    ----------
    out
        Folder for everything: log, dataset, teacher, report, figures, student, and `hub/`.
    seed
        Seed of all draws.
    size
        How much of each; see `DemoSize`.
    root
        The repository, whose templates and Spaces are published to `out/hub`; where they are not
        there, that step is left out.
    say
        Told of progress.

    Returns
    -------
    EvalReport
        The teacher's evaluation on windows that it was not trained on.

    Raises
    ------
    InputError
        The disk is full, or `out` holds another run.
    """
    from .teacher.data.examples import draw_examples
    from .teacher.data.windows import target_laws
    from .teacher.evaluation.evaluate import teacher_report
    from .teacher.prompt.messages import render_windows
    from .teacher.recipe import load_recipe
    from .teacher.training.train import train

    folder, amount = Path(out), size or DemoSize()
    clock = _Clock(say)
    _claim(folder, {"seed": seed, "size": vars(amount) | {}})
    clock.step("1  A log: Lumen-like states in a real anima.db")
    log = _log(folder / "anima.db", amount.n_states, seed)
    clock.step("2  A typed dataset: windows, shapes, splits that share no state")
    train_windows, test_windows, facts = _dataset(log, folder / "dataset", amount, seed, say)
    clock.step("3  A teacher: cross-entropy on the voice's expressions, by TRL's SFTTrainer")
    recipe = load_recipe(RECIPE)
    laws = target_laws(recipe.data.target)
    prompts = render_windows(train_windows, recipe.data.style)
    examples = draw_examples(prompts, train_windows.shape, laws, seed, recipe.data.draws)
    train(recipe, examples, folder / "teacher")
    clock.step("4  Its evaluation, between floor and ceiling, at several temperatures")
    report = teacher_report(
        folder / "teacher",
        render_windows(test_windows, recipe.data.style),
        test_windows.shape,
        name="demo",
        title="tiny teacher of the demo",
        command=_command(amount, seed),
        data=facts,
        note="Windows of a Lumen-like log kept from training, filled up to balance with synthetic "
        "ones. The prompt names the shape, so this is imitation, not reading.",
        draws=amount.draws,
        seed=seed,
        say=say,
    )
    write_report(report, folder / "report.json")
    _draw(report, folder / "figures")
    clock.step("5  A student: the teacher's laws as data that the standard library speaks")
    _student(folder, test_windows, recipe.data.target, amount, seed, facts, say)
    if (Path(root) / "spaces").is_dir():
        clock.step("6  Everything as it would stand on the Hub, in a folder")
        _publish(folder, Path(root), say)
    clock.done()
    return report


def _claim(folder: Path, run: dict[str, Any]) -> None:
    """Refuse a folder that holds a demo with other settings, or something else."""
    from .core.files import read_json

    mark = folder / "demo.json"
    if mark.is_file():
        if read_json(mark) != run:
            raise InputError(f"{folder}: holds a demo with other settings; choose another --out")
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty and holds no demo; choose another --out")
    else:
        write_json(mark, run)


def _log(path: Path, n_states: int, seed: int) -> Path:
    from .trajectory.simulate.anima_log import write_anima_db

    if not path.is_file():
        write_anima_db(path, n_states, seed=seed)
    return path


def _dataset(
    log: Path, folder: Path, size: DemoSize, seed: int, say: Say
) -> tuple[Windows, Windows, dict[str, Any]]:
    """Read the log, write the dataset; return balanced windows to train and to test on."""
    from .trajectory.dataset.blend import blend
    from .trajectory.dataset.configs import config_name, split_lengths
    from .trajectory.dataset.schema import synthesize, windows_from_table, write_together
    from .trajectory.sources.anima import read_anima

    source = read_anima(log)
    for line in source.report.lines():
        say(f"   {line}")
    tables, dropped = split_lengths(source, seed=seed)
    write_together(
        {
            folder / config_name(length) / f"{name}.parquet": part
            for length, splits in tables.items()
            for name, part in splits.items()
        }
    )
    parts = tables[WINDOW]
    counts = _count(pa.concat_tables(parts.values()))
    say(f"   windows of {', '.join(map(str, tables))} states; of {WINDOW}, by shape:")
    for shape, n in sorted(counts.items(), key=lambda item: -item[1]):
        say(f"   {n:>6,}  {shape}")
    say(f"   {dropped} more, at borders between splits, are in none")
    chosen: dict[str, pa.Table] = {}
    facts: dict[str, Any] = {"states": sum(map(len, source.series)), "windows": counts}
    for k, (name, per_shape) in enumerate(
        (("train", size.train_per_shape), ("test", size.test_per_shape))
    ):
        wanted = dict.fromkeys(SHAPES, per_shape)
        chosen[name] = blend(
            parts[name],
            synthesize(wanted, seed=2 * seed + k),
            wanted,
            real_at_most=size.real_per_shape,
            seed=seed,
        )
        real = chosen[name].filter(pc.field("source") != "synthetic")
        facts[name] = {"windows": chosen[name].num_rows, "from_the_log": _count(real)}
    evaluated = folder.with_name("evaluation.parquet")
    write_together({evaluated: chosen["test"]})
    facts["sha256"] = hashlib.sha256(evaluated.read_bytes()).hexdigest()
    return windows_from_table(chosen["train"]), windows_from_table(chosen["test"]), facts


def _count(table: pa.Table) -> dict[str, int]:
    counts = np.bincount(table["shape"].to_numpy(), minlength=len(SHAPES))
    return dict(zip(SHAPES, counts.tolist(), strict=True))


def _student(
    folder: Path,
    windows: Windows,
    target: str,
    size: DemoSize,
    seed: int,
    facts: dict[str, Any],
    say: Say,
) -> None:
    """Distil the teacher, and score the student exactly on the windows kept from both."""
    from .student.distil import DistilRecipe, distil
    from .student.evaluate import exact_report
    from .student.format import read_student, row_laws

    out = folder / "student"
    asked = DistilRecipe(per_shape=size.laws_per_shape, windows=9 * size.laws_per_shape)
    distil(folder / "teacher", out, asked)
    report = exact_report(
        np.stack([law.pmf for law in row_laws(read_student(out / "student.json"))])[windows.shape],
        windows.shape,
        target,
        name="demo-student",
        title="student of the demo",
        command=_command(size, seed),
        data=facts,
    )
    write_report(report, out / "reports" / "demo.json")
    warm = report.results[0].metrics
    say(
        f"   {(out / 'student.json').stat().st_size:,} bytes and one file; coherence at T = 1 "
        f"{warm['coherence'].value:.3f}, {warm['excess_nats'].value:.3f} excess nats"
    )


def _draw(report: EvalReport, folder: Path) -> None:
    from .hub.figures.style import by_shape, by_temperature

    write_bytes(folder / "by_temperature.svg", by_temperature(report))
    write_bytes(folder / "by_shape.svg", by_shape(report))


def _publish(folder: Path, root: Path, say: Say) -> None:
    from . import __version__
    from .hub.contents.build import build_contents
    from .hub.contents.context import Material
    from .hub.publishing.plan import make_plan
    from .hub.publishing.publish import to_folder

    contents = build_contents(Material(root, "eisv-lumen", folder))
    plan = make_plan(contents, version=__version__, tag=None)
    for outcome in to_folder(plan, folder / "hub"):
        if outcome.status == "stopped":
            raise InputError(outcome.reason)
        say(f"   {outcome.where}")
    app = folder / "hub" / "spaces" / "explorer" / "app.py"
    if app.is_file():
        say(f"   open the Space: python {app}")


class _Clock:
    """Says what begins, and how long the last thing took."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._start = self._last = time.perf_counter()

    def step(self, text: str) -> None:
        self._last = time.perf_counter()
        self._say(f"\n{text}")

    def done(self) -> None:
        self._say(f"\ndone in {time.perf_counter() - self._start:.0f} s")
