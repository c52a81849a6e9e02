"""Parts of a large file on the Hub: a Parquet footer costs some kilobytes, whatever its size."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["TAIL", "RangeFile", "cached_tail"]

TAIL: Final = 1 << 15
"""Bytes of a file's end that one request fetches: the footer, and all of a small file."""

Fetch = Callable[[int, int], bytes]
"""Bytes from the first position up to the second."""


class RangeFile(io.RawIOBase):
    """A file that is fetched as it is read; its end is at hand.

    Parameters
    ----------
    size
        Of the file [bytes].
    tail
        Its last bytes.
    fetch
        Gets any others.
    """

    def __init__(self, size: int, tail: bytes, fetch: Fetch) -> None:
        self._size, self._tail, self._fetch, self._at = size, tail, fetch, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; nothing is fetched."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read from the position on, in one request at most."""
        stop = self._size if size < 0 else min(self._size, self._at + size)
        start, self._at = self._at, max(self._at, stop)
        known = self._size - len(self._tail)
        if start >= stop:
            return b""
        if start >= known:
            return self._tail[start - known : stop - known]
        head = self._fetch(start, min(stop, known))
        return head + self._tail[: max(0, stop - known)]


def cached_tail(oid: str, size: int, fetch: Fetch) -> bytes:
    """Return the end of a Parquet file with all its footer, from the cache where it is there.

    Parameters
    ----------
    oid
        The file's content address: what was fetched once is never fetched again.
    """
    from huggingface_hub import cached_assets_path, constants

    folder = cached_assets_path(
        "eisv-lumen", "tails", oid[:2], assets_dir=constants.HF_ASSETS_CACHE
    )
    place = folder / oid
    if place.is_file() and place.stat().st_size >= min(size, TAIL):
        known = place.read_bytes()
        if known.endswith(b"PAR1"):  # and was not cut off with the power
            return known
    tail = fetch(max(0, size - TAIL), size) if size else b""
    if tail.endswith(b"PAR1"):  # a Parquet footer says before its mark how long it is
        long = min(size, int.from_bytes(tail[-8:-4], "little") + 8)
        if long > len(tail):
            tail = fetch(size - long, size - len(tail)) + tail
    with suppress(OSError):  # without a cache it works as well; nothing waits for the disk
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(tail)
        Path(name).replace(place)
    return tail
