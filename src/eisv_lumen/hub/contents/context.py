"""What the parts of a publish are made of, and what of it is nobody's business."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.files import read_json
from ..publishing.repos import DATASET

__all__ = ["Material", "check_root", "default_root", "without_paths"]

_ABSOLUTE: Final = re.compile(
    r"""(?<![^\s'"=(,\[])          # where a word begins
    (?:~[^\s/\\]*|[A-Za-z]:|file:)? # a home, a drive
    [/\\]+(?:[^\s'",)\]]*[/\\])?   # all folders
    (?=[^\s/\\])                  # but not the last name""",
    re.VERBOSE,
)


def default_root() -> Path:
    """Return where templates, Spaces and results are: the checkout, else the installed package."""
    package = Path(__file__).parents[2]
    checkout = package.parents[1]
    return checkout if (checkout / "spaces").is_dir() else package / "_templates"


def check_root(root: Path) -> None:
    """Refuse a folder that is not our repository.

    Raises
    ------
    InputError
        It has no `spaces/`.
    """
    if not (root / "spaces").is_dir():
        raise InputError(f"{root}: not the repository of eisv-lumen; give it with --root")


@dataclass(frozen=True, slots=True)
class Material:
    """What the parts are made of.

    Attributes
    ----------
    root
        The repository, with `results/`, `spaces/` and the cards' templates.
    namespace
        Where it will be published: cards name it.
    run
        A folder as `eisv-lumen run` or `demo` leaves it, with `dataset/<config>/<split>.parquet`,
        `teacher/`, `student/`, `report.json` and the windows that it was made on,
        `evaluation.parquet`; or one that `data build --split`, `teacher train`, `student distil`
        or `lvm train` wrote. None where there is none.
    dataset
        Name of the dataset's repo.
    """

    root: Path
    namespace: str
    run: Path | None = None
    dataset: str = DATASET.name

    def folder_of(self, part: str) -> Path | None:
        """Return the folder of a part of the run, None where the run has none.

        It is the folder that the part's own command wrote, given as the run or lying in it.
        """
        if self.run is None:
            return None
        inside = self.run / part
        if inside.is_dir():
            return inside
        return self.run if _is_part(part, self.run) else None

    def of_run(self, part: str, name: str = "") -> Path:
        """Return the folder of a part of the run, or a file or folder in it.

        Raises
        ------
        InputError
            There is none; the message names the command that makes it.
        """
        folder = self.folder_of(part)
        if folder is None or not (folder / name).exists():
            where = "" if self.run is None else f"{(folder or self.run / part) / name}: not there; "
            raise InputError(f"{part}: {where}{MADE_BY[part]}, and give its folder with --run")
        return folder / name

    def report_of(self, part: str) -> Path:
        """Return the evaluation report of a part: beside its model, or at the run's top.

        Raises
        ------
        InputError
            There is none; the message says how to make it.
        """
        folder = self.of_run(part)
        assert self.run is not None
        for path in (folder / "report.json", self.run / "report.json"):
            if path.is_file():
                return path
        path = self.run / "report.json"
        raise InputError(
            f"{path}: not there; score the {part} first: `eisv-lumen {part} evaluate {folder} "
            f"--out {path}`"
        )


MADE_BY: Final = {
    "dataset": "make it with `eisv-lumen data build LOG --split --out RUN/dataset`",
    "teacher": "make it with `eisv-lumen teacher train RECIPE --out RUN`",
    "student": "make it with `eisv-lumen student distil --teacher TEACHER --out RUN`",
    "lvm": "make it with `eisv-lumen lvm train RECIPE --out RUN`",
}
"""The command that makes each part of a run."""


def _is_part(part: str, folder: Path) -> bool:
    """Whether a folder is itself what a part's command wrote."""
    if part == "dataset":
        return any(folder.glob("window_*/*.parquet"))
    if part == "student":
        return (folder / "student.json").is_file()
    record = folder / "training.json"
    if not (record.is_file() and (folder / "model").is_dir()):
        return False
    recipe = read_json(record).get("recipe")
    is_teacher = isinstance(recipe, dict) and "base" in recipe  # a latent vector model has none
    return is_teacher == (part == "teacher")


def without_paths(value: Any) -> Any:
    """Cut the absolute paths in all texts of a JSON value to their last names.

    Examples
    --------
    >>> without_paths({"command": "lvm align /home/ada/p1 --test=~/seq/test --seed 0"})
    {'command': 'lvm align p1 --test=test --seed 0'}
    """
    if isinstance(value, str):
        return _ABSOLUTE.sub("", value)
    if isinstance(value, dict):
        return {name: without_paths(item) for name, item in value.items()}
    return [without_paths(item) for item in value] if isinstance(value, list) else value
