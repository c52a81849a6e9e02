"""What the parts of a publish are made of, and what of it is nobody's business."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError

__all__ = ["Material", "check_root", "without_paths"]

_ABSOLUTE: Final = re.compile(
    r"""(?<![^\s'"=(,\[])          # where a word begins
    (?:~[^\s/\\]*|[A-Za-z]:|file:)? # a home, a drive
    [/\\]+(?:[^\s'",)\]]*[/\\])?   # all folders
    (?=[^\s/\\])                  # but not the last name""",
    re.VERBOSE,
)


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
        A folder as `eisv-lumen demo` leaves it, with `dataset/<config>/<split>.parquet`,
        `teacher/`, `report.json` and the windows that it was made on, `evaluation.parquet`; None
        where there is none.
    """

    root: Path
    namespace: str
    run: Path | None = None

    def of_run(self, part: str, name: str) -> Path:
        """Return a file or folder of the run.

        Raises
        ------
        InputError
            There is none.
        """
        if self.run is None or not (self.run / name).exists():
            where = "" if self.run is None else f"{self.run / name}: not there; "
            raise InputError(
                f"{part}: {where}give a folder that `eisv-lumen demo` has finished, with --run"
            )
        return self.run / name


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
