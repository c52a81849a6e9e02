"""From a teacher to a student: ask it for its laws of windows, and fit a student to them.

A teacher that is told the shape becomes nine rows: its mean law of each shape's windows. A teacher
that reads summaries becomes rows and a network that mixes them. One that reads the states becomes
nine rows, too: for states the student has the nine rules.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.files import check_folder_place, make_folder, write_bytes, write_json
from ..evaluation.report import installed_versions
from ..teacher.data.windows import target_laws, training_record
from ..trajectory.simulate.lumen_like import summaries_like_real
from . import reader
from .first_tokens import BEGINNINGS
from .fit import NetRecipe, fit_mixed_rows, fit_net, fit_rows, rows_of_laws
from .format import Net, Rows, make_student, write_student
from .inputs import to_be_like
from .queries import READING, ask
from .reader import Student
from .teacher_cache import Say, Teacher

__all__ = ["DistilRecipe", "distil", "distil_law"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DistilRecipe:
    """How much a teacher is asked, and how the student is fitted.

    Attributes
    ----------
    per_shape
        Windows of each shape whose whole law is asked for, as far as there are so many; and as many
        synthetic ones, where the teacher was taught some.
    whole
        Windows in the teacher's own mix of shapes whose whole law is asked for (blind teachers);
        together they count twice as much as those of each shape.
    windows
        Windows in that mix of which the first two tokens are asked for; of as many, `per_shape`
        are picked.
    seed
        Of the windows; no recipe of a teacher makes windows from it.
    row_steps
        Most steps of L-BFGS in which mixed rows are fitted.
    net
        How the network is fitted.
    """

    per_shape: int = 24
    whole: int = 240
    windows: int = 80_000
    seed: int = 1_000_003
    row_steps: int = 400
    net: NetRecipe = field(default_factory=NetRecipe)


def distil(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    recipe: DistilRecipe | None = None,
    *,
    like: str | os.PathLike[str] | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Distil the teacher that `teacher.train` wrote to a folder.

    Parameters
    ----------
    folder
        The model and its `training.json`.
    out
        Folder for `student.json`, `reader.py` and `distilled.json`. What the teacher said is kept
        in `asked/` there: a run that was killed goes on, and ends with the same bytes.
    recipe
        How.
    like
        Windows that a blind student is to read, in any form that `inputs.to_be_like` reads: of
        others near them the teacher is asked, too. No label is used.
    say
        Told of progress.

    Returns
    -------
    dict
        What `distilled.json` holds: teacher, recipe, what was found, versions.

    Raises
    ------
    InputError
        There is no trained teacher, its tokenizer splits EISV tokens, `out` cannot be written, or
        `like` holds no windows such as the teacher reads.
    """
    chosen, source, target_dir = recipe or DistilRecipe(), Path(folder), Path(out)
    check_folder_place(target_dir)
    training, data = training_record(source)
    teacher = Teacher(source, target_dir / "asked", say)
    near, told = None, {}
    if like is not None:
        length = int(summaries_like_real(1, 0)[1][0, 0])
        near, facts = to_be_like(like, length)
        told = {"like": facts}
    make_folder(target_dir)
    try:
        asked = ask(data, chosen.windows, chosen.seed, near)
    except InputError as error:
        raise InputError(f"{like or source}: {error}") from error
    law = rows_of_laws(target_laws(data.target))
    balanced = asked.first_of_each(chosen.per_shape)
    net = None
    if data.style == "blind":
        natural = np.arange(min(chosen.whole, len(asked.prompts)))
        parts = [(2.0, natural), *((1.0, part) for part in balanced)]
        weight = np.concatenate([np.full(part.size, share / part.size) for share, part in parts])
        laws = teacher.laws("whole", asked.prompts_at(np.concatenate([p for _, p in parts])))
        say("fitting the rows")
        rows = law
        mixed = fit_mixed_rows(laws, weight / weight.sum(), law, steps=chosen.row_steps)
        begins = teacher.beginnings("begins", asked.prompts)
        say("fitting the network")
        net = fit_net(asked.summary, begins, mixed, BEGINNINGS, chosen.net, say=say)
    else:
        shown = np.concatenate(balanced)
        laws = teacher.laws("whole", asked.prompts_at(shown))
        rows = _mean_rows(laws, asked.shape[shown], law)
    student = make_student(rows, net)
    record = {
        "teacher": {"recipe": training["recipe"]["name"], "sha256": teacher.sha256},
        "style": data.style,
        "target": data.target,
        "recipe": asdict(chosen),
        **told,
        "mass_outside_the_support": float(1 - laws.sum(1).mean()),
        "versions": installed_versions(),
    }
    _write(student, record, target_dir)
    return record


def distil_law(
    target: str,
    out: str | os.PathLike[str],
    recipe: DistilRecipe | None = None,
    *,
    blind: bool = False,
) -> dict[str, Any]:
    """Write the student of a teacher that imitates perfectly: the law's own rows.

    Parameters
    ----------
    target
        `initial` or `learned`, as for recipes.
    out, recipe
        As for `distil`.
    blind
        Whether it is to read summaries: a network then learns the true shapes of Lumen-like ones,
        and of a quarter more each of abrupt and of synthetic ones.
    """
    chosen = recipe or DistilRecipe()
    laws = target_laws(target)
    make_folder(out)
    rows = rows_of_laws(laws)
    net: Net | None = None
    if blind:
        asked = ask(READING, chosen.windows, chosen.seed)
        # No matrix product: the last bits of one depend on the number of threads.
        begins = np.einsum("ij,jk->ik", np.stack([law.pmf for law in laws]), BEGINNINGS)
        net = fit_net(asked.summary, begins[asked.shape], rows, BEGINNINGS, chosen.net)
    record = {
        "teacher": {"law": target},
        "style": "blind" if blind else "compact",
        "target": target,
        "recipe": asdict(chosen),
        "versions": installed_versions(),
    }
    _write(make_student(rows, net), record, Path(out))
    return record


def _mean_rows(laws: Floats, shape: npt.NDArray[np.int8], law: Rows) -> Rows:
    """Return a row for the mean law of each shape; a shape without windows keeps the law's own."""
    present = np.unique(shape)
    means = np.stack([laws[shape == code].mean(0) for code in present])
    found = fit_rows(means)
    patterns, weights = law.patterns.copy(), law.weights.copy()
    patterns[present], weights[present] = found.patterns, found.weights
    return Rows(patterns, weights)


def _write(student: Student, record: dict[str, Any], out: Path) -> None:
    write_student(student, out / "student.json")
    write_bytes(out / "reader.py", Path(reader.__file__).read_bytes())
    write_json(out / "distilled.json", record)
