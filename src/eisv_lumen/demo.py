"""The demo: a Lumen-like log is made, and the main job is run on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .core.errors import InputError
from .core.files import read_json, write_json
from .evaluation.report import EvalReport
from .pipeline import Job, RunSize, Say, run
from .trajectory.simulate.anima_log import write_anima_db

__all__ = ["QUICK", "DemoSize", "run_demo"]

_MARK: Final = "demo.json"


@dataclass(frozen=True)
class DemoSize(RunSize):
    """How much the demo does; the defaults take a minute or two on two cores."""

    n_states: int = 60_000


QUICK = DemoSize(24, 12, 8, 4, n_states=12_000)
"""What `--quick` does."""


def run_demo(
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    size: DemoSize | None = None,
    root: Path | None = None,
    say: Say = print,
) -> EvalReport:
    """Make a log, and run the main job on it: dataset, teacher, report, student, publication.

    What is already done is not done again, so a run that was killed goes on.

    Parameters
    ----------
    out
        Folder for everything: `anima.db`, and what `pipeline.run` makes.
    seed
        Seed of all draws.
    size
        How much of each; see `DemoSize`.
    root
        Folder with the templates and Spaces that are published to `out/hub`; None: no publication.
    say
        Called with each line of progress.

    Returns
    -------
    EvalReport
        The teacher's evaluation on windows that it was not trained on.

    Raises
    ------
    InputError
        The disk is full, or `out` holds another run.
    """
    folder, amount = Path(out), size or DemoSize()
    quick = " --quick" * (amount == QUICK)
    _claim(folder, {"seed": seed, "size": vars(amount) | {}})
    log = folder / "anima.db"
    say("\nA log: Lumen-like states in a real anima.db")
    if not log.is_file():
        write_anima_db(log, amount.n_states, seed=seed)
    return run(
        Job(
            sources=(log,),
            out=folder,
            recipe="demo",
            seed=seed,
            size=amount,
            name="demo",
            title="tiny teacher of the demo",
            note="Windows of a Lumen-like log kept from training, filled up to balance with "
            "synthetic ones. The prompt names the shape, so this is imitation, not reading.",
            command=f"eisv-lumen demo --seed {seed}{quick}",
            root=root,
            say=say,
        )
    )


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder that holds a demo with other settings, or something else."""
    mark = folder / _MARK
    if mark.is_file():
        if read_json(mark) != settings:
            raise InputError(f"{folder}: holds a demo with other settings; choose another --out")
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty and holds no demo; choose another --out")
    else:
        write_json(mark, settings)
