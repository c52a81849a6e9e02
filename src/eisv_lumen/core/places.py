"""What a user's text names: a path on this machine, or a repo of the Hub at a revision.

Nothing that looks like a path is asked of the Hub; a typing error costs no request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from .errors import InputError

__all__ = ["HubPlace", "as_hub_place", "no_such_place"]

_ID: Final = re.compile(
    r"(?:hf://)?(?:datasets/|models/|spaces/)?"
    r"(?P<id>(?=[^/]{1,96}/)[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>\S+))?"
)
_FILES: Final = frozenset(
    ".db .sqlite .sqlite3 .csv .tsv .txt .gz .parquet .json .jsonl .ndjson .feather .arrow .npz "
    ".yaml .yml .svg .png .safetensors .zip .md".split()
)


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A repo of the Hub, `owner/name`, and a branch, tag or commit of it (None is main)."""

    id: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.id if self.revision is None else f"{self.id}@{self.revision}"


def as_hub_place(text: str) -> HubPlace | None:
    """Return the repo that a text names, None where it is or looks like a path.

    Parameters
    ----------
    text
        `owner/name` or `owner/name@revision`, perhaps after `hf://` or `hf://datasets/`. What is
        there as a file or folder, what lies in a folder that is there, and what ends as files of
        data do, is a path.

    Examples
    --------
    >>> as_hub_place("ada/lumen@v0.1.0")
    HubPlace(id='ada/lumen', revision='v0.1.0')
    >>> as_hub_place("./ada/lumen"), as_hub_place("ada/lumen.csv"), as_hub_place("lumen")
    (None, None, None)
    """
    found = _ID.fullmatch(text)
    if found is None:
        return None
    if not text.startswith("hf://"):
        local = Path(found["id"])
        if Path(text).exists() or local.parent.is_dir() or local.suffix.lower() in _FILES:
            return None
    return HubPlace(found["id"], found["revision"])


def no_such_place(text: str, what: str = "file") -> InputError:
    """Say that there is no such file or folder, and name the one that was perhaps meant."""
    path = Path(text)
    message = f"{text}: no such {what}"
    try:
        names = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    except OSError:
        names = []
    meant = [name for name in names if Path(name).stem == path.name and name != path.name]
    meant = meant or get_close_matches(path.name, names, n=1, cutoff=0.75)
    if meant:
        message += f"; did you mean {path.parent / meant[0]}?"
    return InputError(message)
