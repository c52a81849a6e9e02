"""Passwords and tokens stay out of everything that is shown, written or recorded.

An address is masked where it is read: `Address` *is* the masked text, so a message, a record or a
report that quotes it cannot leak, and only the reader that connects asks for `.full`.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import unquote

__all__ = ["Address", "MaskedStream", "hide_arguments", "mask", "print_masked_traceback"]

HIDDEN: Final = "***"
_NAMES: Final = (
    r"(?:ssl|db|pg)?pass(?:word|wd|phrase)?|pwd|(?:access_?|auth_?|api_?|hf_?)?token|api_?key|"
    r"(?:client_?|aws_?)?secret(?:_?access)?(?:_?key)?|access_?key|(?:x-amz-)?signature|sig"
)
_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
# A password runs up to the last @ of its word, should one in it not be escaped; `:8080/` is a port.
# One slash is enough: a path that a URL was taken for has lost the other.
_USERINFO: Final = re.compile(r"([a-z][\w+.-]*:/{1,3}[^\s:@/?'\"]*):(?!\d*/)\S*@", re.I)
_BARE_TOKEN: Final = re.compile(r"(https?://)[^\s:@/?'\"]+@", re.IGNORECASE)
_QUERY: Final = re.compile(r"(?<=[?&])([^=&?\s]+)=([^&\s'\"]*)")
_PAIR: Final = re.compile(
    rf"(?<![\w-])({_NAMES})(\s*=\s*)('(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s&;,'\"]+)", re.IGNORECASE
)
_HF_TOKEN: Final = re.compile(r"\bhf_[A-Za-z0-9]{10,}\b")
_SHORTEST: Final = 6
"""A shorter secret is masked where it stands in an address, and not wherever its letters are."""
_known: set[str] = set()


def mask(text: str) -> str:
    """Return a text without the passwords and tokens in it.

    A URL loses its password. `***` stands for secrets among its parameters (names may be
    percent-encoded), for `password=…` of a key=value connection string, for Hub tokens, and for
    the secrets of every `Address` read so far, wherever they stand.

    Examples
    --------
    >>> mask("postgresql+psycopg2://ada:s3cret@db/gov: no such file")
    'postgresql+psycopg2://ada@db/gov: no such file'
    >>> mask("host=db user=ada password='s 3' dbname=gov")
    'host=db user=ada password=*** dbname=gov'
    """
    shown = _USERINFO.sub(r"\1@", text)
    shown = _BARE_TOKEN.sub(rf"\1{HIDDEN}@", shown)
    shown = _QUERY.sub(_masked_parameter, shown)
    shown = _PAIR.sub(rf"\1\2{HIDDEN}", shown)
    shown = _HF_TOKEN.sub(f"hf_{HIDDEN}", shown)
    for secret in _known:
        shown = shown.replace(secret, HIDDEN)
    return shown


def _masked_parameter(found: re.Match[str]) -> str:
    secret = _NAME.fullmatch(unquote(found[1]))
    return f"{found[1]}={HIDDEN}" if secret else found[0]


class Address(str):
    """A source by path, address or id, as it may be shown; `full` is what it was given as.

    Examples
    --------
    >>> address = Address("postgresql://ada:s3cret@db/gov")
    >>> print(address)
    postgresql://ada@db/gov
    >>> address.full
    'postgresql://ada:s3cret@db/gov'
    """

    __slots__ = ("full",)
    full: str

    def __new__(cls, text: str) -> Address:
        """Mask a text; an `Address` is handed back as it is."""
        if isinstance(text, Address):
            return text
        # As one word: a space that is not escaped does not end its password.
        shown = mask(_WHOLE.sub(r"\1@", text))
        address = super().__new__(cls, shown)
        address.full = text
        for found in (_WHOLE.search(text), *_QUERY.finditer(text), *_PAIR.finditer(text)):
            if found is not None:
                _remember(found[found.lastindex or 0].strip("'\""), shown)
        return address

    def __getnewargs__(self) -> tuple[str]:
        """Travel to another process whole."""
        return (self.full,)


_WHOLE: Final = re.compile(r"^([a-z][\w+.-]*:/{1,3}[^\s:@/?]*):(?!\d*/)(.*)@", re.I | re.S)


def _remember(secret: str, shown: str) -> None:
    """Hide a secret from now on, unless a user, host or database is called by it."""
    for form in {secret, unquote(secret)}:
        if len(form) >= _SHORTEST and form not in shown:
            _known.add(form)


class MaskedStream:
    """A text stream that masks what is written to it; all else is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the masked text; report the whole of it as written."""
        self._stream.write(mask(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each line, masked."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def hide_arguments() -> tuple[list[str], bool]:
    """Take the secrets out of this process's arguments.

    `sys.argv` is masked, which records quote; on Linux the title that `ps` shows is, too; and if
    there was a secret, both streams mask what is written to them.

    Returns
    -------
    arguments : list of str
        As they were given, without the program's name.
    hidden : bool
        Whether a secret stood in them.
    """
    given = sys.argv[1:]
    shown = [str(Address(argument)) for argument in given]
    if shown == given:
        return given, False
    sys.argv[1:] = shown
    _hide_title(given)
    sys.stdout, sys.stderr = MaskedStream(sys.stdout), MaskedStream(sys.stderr)
    return given, True


def _hide_title(given: list[str]) -> None:
    """Overwrite arguments with secrets in this process's own memory, which `ps` reads."""
    try:
        line = Path("/proc/self/cmdline").read_bytes()
        start = int(Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()[45])
    except (OSError, ValueError, IndexError):
        return  # no such place on this system
    hidden = line
    for argument in given:
        raw, shown = os.fsencode(argument), os.fsencode(str(Address(argument)))
        if raw != shown:
            hidden = hidden.replace(raw, shown[: len(raw)].ljust(len(raw), b" "))
    if start and hidden != line:
        ctypes.memmove(start, hidden, len(hidden))


def print_masked_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print a traceback without secrets; for `sys.excepthook`."""
    import traceback

    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))
