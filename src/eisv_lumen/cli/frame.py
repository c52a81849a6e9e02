"""Around every command: streams in UTF-8 without secrets, verbosity, and errors in one line."""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import typer

from ..core.errors import InputError
from ..core.extras import extra_of, lacking
from ..core.log import LOGGER
from ..core.secrets import hide_arguments, mask, print_masked_traceback

__all__ = [
    "is_verbose",
    "print_csv",
    "print_json",
    "print_markdown",
    "print_table",
    "run_app",
    "say",
]

_FLAGS = {"-q": "quiet", "--quiet": "quiet", "--verbose": "verbose"}


def run_app(app: typer.Typer) -> int:
    """Run the command line on this process's arguments; return its exit code."""
    arguments, hidden = hide_arguments()
    _speak_utf8()
    sys.excepthook = print_masked_traceback
    _show_notices()
    stderr = sys.stderr
    arguments, asked = _hoisted(arguments)
    _log_to_stderr(logging.DEBUG if "verbose" in asked else logging.INFO)
    if "quiet" in asked:
        sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8")
    elif hidden:
        typer.echo(
            "note: others on this machine may have seen the password in the command line; "
            "PGPASSWORD, ~/.pgpass or `?service=` keep it out of there",
            err=True,
        )

    def fail(text: object, code: int = 2) -> int:
        stderr.write(f"eisv-lumen: {mask(str(text))}\n")
        return code

    try:
        code = app(arguments, prog_name="eisv-lumen", standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        return _told(error, stderr, fail)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    finally:
        sys.stderr = stderr
    if code == _INTERRUPTED:
        fail(_STOPPED)
    return code if isinstance(code, int) else 0


def _show_notices() -> None:
    """Print what is noticed in data as one line on stderr, each time."""
    import warnings

    from ..core.notices import Notice

    as_before = warnings.showwarning

    def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
        if issubclass(category, Notice):
            typer.echo(f"eisv-lumen: {message}", err=True)
        else:
            as_before(message, category, *where, **more)

    warnings.showwarning = show
    warnings.simplefilter("always", Notice)


def _told(error: Exception, stderr: Any, fail: Any) -> int:
    """Say in one line what a user can mend, and return the exit code; a defect of ours goes on."""
    from ..expression.vocabulary import UnknownNameError

    if isinstance(error, InputError | UnknownNameError):
        return int(fail(error))
    if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name or "")):
        return int(fail(lacking("this command", str(error.name), extra)))
    if isinstance(error, OSError):
        return _of_system(error, fail)
    return _of_usage(error, stderr, fail)


_INTERRUPTED = 130
_STOPPED = "stopped; the same command goes on where it can"


def _of_system(error: OSError, fail: Any) -> int:
    """Say what the system refused; a reader of stdout that has left is no error."""
    if error.errno == errno.EPIPE:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return 1
    what = os.strerror(error.errno) if error.errno else (str(error) or type(error).__name__)
    place = f"{error.filename}: " if error.filename else ""
    return int(fail(f"{place}{what}"))


def _of_usage(error: Exception, stderr: Any, fail: Any) -> int:
    """Show a wrong command line with its usage; what is no such error is ours, and goes on."""
    show = getattr(error, "show", None)
    if show is None:
        if type(error).__name__ != "Abort":  # of Typer: Ctrl-C or Ctrl-D at a prompt
            raise error
        return int(fail(_STOPPED, _INTERRUPTED))
    message = mask(str(error.message))  # type: ignore[attr-defined]
    error.message = message.replace("Value error, ", "")  # type: ignore[attr-defined]
    show(file=stderr)
    return int(getattr(error, "exit_code", 2))


def _hoisted(arguments: list[str]) -> tuple[list[str], set[str]]:
    """Bring the flags of verbosity to the front, wherever they stand before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = [a for a in arguments[:end] if a in _FLAGS]
    rest = [a for a in arguments[:end] if a not in _FLAGS]
    return [*flags, *rest, *arguments[end:]], {_FLAGS[flag] for flag in flags}


def _speak_utf8() -> None:
    """Write UTF-8 to files and pipes; what a console cannot show is replaced, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if (stream.encoding or "").lower().replace("-", "") != "utf8":
            if stream.isatty():
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
            else:
                stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]


class _Stderr(logging.Handler):
    """Print records on whatever stderr is then."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(mask(record.getMessage()), err=True)


def _log_to_stderr(level: int) -> None:
    if not any(isinstance(handler, _Stderr) for handler in LOGGER.handlers):
        LOGGER.addHandler(_Stderr())
    LOGGER.setLevel(level)
    LOGGER.propagate = False


def is_verbose() -> bool:
    """Return whether --verbose was given."""
    return LOGGER.level <= logging.DEBUG and LOGGER.level != logging.NOTSET


def say(text: str) -> None:
    """Print a line of chatter."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print one JSON object on stdout, in the form of our files."""
    from ..core.files import json_bytes

    sys.stdout.write(json_bytes(value).decode())


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 2
) -> None:
    """Print a table that fits the terminal: what is too wide goes on in the next line.

    A file or pipe has 80 columns unless $COLUMNS says otherwise; CSV and JSON are for programs.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = shutil.get_terminal_size().columns
    Console(width=max(width, 60), highlight=False, markup=False).print(table)


def print_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as CSV."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


def print_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for cells in (header, ["---"] * len(header), *rows):
        typer.echo("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
