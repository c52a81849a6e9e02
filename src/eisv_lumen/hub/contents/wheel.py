"""The package's own wheel, from a checkout or from an installed package: the same bytes."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ...core.errors import InputError
from ...core.extras import require

__all__ = ["build_wheel"]

_DATE: Final = (2020, 2, 2, 0, 0, 0)
_METADATA: Final = ("METADATA", "WHEEL", "entry_points.txt")
"""What stays the same when a wheel is installed; licenses do, too."""


def build_wheel(root: Path) -> tuple[str, bytes]:
    """Build the package's wheel; equal sources give equal bytes.

    Parameters
    ----------
    root
        The repository; where it has no `pyproject.toml`, the files of the installed package are
        packed again.

    Returns
    -------
    name : str
        File name, as pip expects it.
    data : bytes

    Raises
    ------
    InputError
        hatchling is not installed, or neither a repository nor an installed package is there.
    """
    if (root / "pyproject.toml").is_file():
        return _from_repository(root)
    return _from_installed(root)


def _from_repository(root: Path) -> tuple[str, bytes]:
    require("space", "Building the wheel from a repository")
    from hatchling.builders.wheel import WheelBuilder

    with TemporaryDirectory() as out:
        built = Path(next(WheelBuilder(str(root)).build(directory=out, versions=["standard"])))
        with zipfile.ZipFile(built) as wheel:
            files = [(name, wheel.read(name)) for name in wheel.namelist()]
        return built.name, _packed(files)


def _from_installed(root: Path) -> tuple[str, bytes]:
    try:
        found = distribution("eisv-lumen")
    except PackageNotFoundError as error:
        raise InputError(f"{root}: no repository, and eisv-lumen is not installed") from error
    files = [
        (path.as_posix(), path.read_binary())
        for path in found.files or ()
        if _belongs(path.as_posix())
    ]
    if not any(name == "eisv_lumen/__init__.py" for name, _ in files):
        raise InputError(f"{root}: no pyproject.toml; give the repository of eisv-lumen by --root")
    return f"eisv_lumen-{found.version}-py3-none-any.whl", _packed(files)


def _belongs(name: str) -> bool:
    folder, _, rest = name.partition("/")
    if folder == "eisv_lumen":
        return "__pycache__/" not in rest
    return folder.endswith(".dist-info") and (rest in _METADATA or rest.startswith("licenses/"))


def _packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Zip files by name, with fixed dates and modes and a RECORD of their hashes."""
    kept = sorted((name, data) for name, data in files if not name.endswith(".dist-info/RECORD"))
    folder = next(name for name, _ in kept if ".dist-info/" in name).partition("/")[0]
    rows = []
    for name, data in kept:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}\n")
    record = f"{folder}/RECORD"
    rows.append(f"{record},,\n")
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in [*kept, (record, "".join(rows).encode("utf-8"))]:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            wheel.writestr(entry, data)
    return out.getvalue()
