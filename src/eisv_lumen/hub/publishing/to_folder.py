"""The same repos, in a local folder that the client libraries read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...core.files import check_folder_place, plain_disk_errors
from .plan import MANIFEST, PlannedRepo, Stamp, read_manifest, reconcile, stamp

__all__ = ["Placed", "place_repo"]


Placed = tuple[str, tuple[str, ...]]
"""`published`, `unchanged` or `conflict`, and the paths in conflict."""


def place_repo(repo: PlannedRepo, target: Path, *, dry_run: bool = False) -> Placed:
    """Make a folder equal to a planned repo, all at once.

    Files that somebody else put there stay. Where nothing differs, nothing is touched.

    Parameters
    ----------
    target
        The folder; it may be missing, empty, or what an earlier publish left.
    dry_run
        Only say what would become of it.

    Raises
    ------
    InputError
        The disk is full or not writable; the folder is then as it was.
    """
    if not dry_run:
        _recover(target)
    found = _listing(target)
    manifest = target / MANIFEST
    recorded: Mapping[str, Stamp] = {}
    if manifest.is_file():
        recorded = read_manifest(manifest.read_bytes(), str(target))
    elif found:
        return "conflict", tuple(sorted(found))
    changes = reconcile(repo.stamps, found, recorded)
    if changes.conflicts:
        return "conflict", changes.conflicts
    if not changes:
        return "unchanged", ()
    if dry_run:
        return "published", ()
    theirs = [path for path in found if path not in repo.stamps and path not in changes.delete]
    with _swapped(target) as aside:
        for path, source in repo.files.items():
            place = aside / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                place.write_bytes(source)
            else:
                shutil.copyfile(source, place)
        for path in theirs:
            place = aside / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(target / path, place)
    return "published", ()


def _listing(folder: Path) -> dict[str, str]:
    check_folder_place(folder)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): stamp(path).sha256 for path in files}


@contextmanager
def _swapped(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place on success."""
    new, old = _beside(target)
    try:
        with plain_disk_errors(target):
            new.mkdir(parents=True)
            yield new
            if target.exists():
                target.replace(old)
            new.replace(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        _recover(target)


def _beside(target: Path) -> tuple[Path, Path]:
    return target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")


def _recover(target: Path) -> None:
    """Put right what a run that was killed between its two renames left."""
    new, old = _beside(target)
    if old.exists() and not target.exists():
        old.replace(target)
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
