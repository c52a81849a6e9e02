"""Files of weights, before anything reads them: whole, cut short, or a pointer in their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from .errors import InputError

__all__ = ["check_safetensors", "is_lfs_pointer"]

_POINTER: Final = b"version https://git-lfs"
_LONGEST_HEADER: Final = 100_000_000


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file is what Git leaves where Git LFS has not fetched the real one."""
    with path.open("rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER


def check_safetensors(path: Path) -> dict[str, Any]:
    """Refuse a file of safetensors that is not whole; read its header and nothing else.

    Returns
    -------
    dict
        The header: for each tensor `dtype`, `shape` and `data_offsets`.

    Raises
    ------
    InputError
        It is missing, a Git LFS pointer, cut short, or no such file.
    """
    try:
        if is_lfs_pointer(path):
            raise InputError(
                f"{path}: a Git LFS pointer in place of the file; fetch it with `git lfs pull`"
            )
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise InputError(f"{path}: not safetensors, or cut short; download it again")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        end = max((int(tensor["data_offsets"][1]) for tensor in header.values()), default=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not safetensors ({error}); download it again") from error
    if 8 + length + end != size:
        raise InputError(
            f"{path}: {size} bytes, where its header says {8 + length + end}: cut short; download "
            "it again"
        )
    return dict(header)
