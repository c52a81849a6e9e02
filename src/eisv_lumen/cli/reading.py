"""Options for reading a source of states, the same on every command that takes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

__all__ = ["Reading", "reads_states"]

Reading = Any
"""Of a command's parameter `reading`: a `trajectory.sources.ReadOptions`."""
_OPTIONS = {
    "columns": (
        str,
        "",
        typer.Option(
            help="Which column is which, as in t=time,E=energy.", metavar="OURS=YOURS,..."
        ),
    ),
    "agent_column": (str | None, None, typer.Option(help="The column that says whose a row is.")),
    "agent": (str | None, None, typer.Option(help="Whose all states are.")),
    "tz": (
        str | None,
        None,
        typer.Option(help="Zone of times without an offset, as in Europe/Berlin; UTC."),
    ),
    "missing": (
        list[float] | None,
        None,
        typer.Option(help="A value that stands for a failed reading, as -999; may be repeated."),
    ),
    "scale": (
        float | None,
        None,
        typer.Option(help="Divides readings: 100 for percent."),
    ),
    "clamp": (
        bool,
        False,
        typer.Option("--clamp", help="Clamp values far outside [0, 1]."),
    ),
    "max_gap": (
        float | None,
        None,
        typer.Option(min=0, help="Leave out windows with a longer step between states [s]."),
    ),
}


def reads_states(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options for reading states; it takes them as its parameter `reading`."""
    given = inspect.signature(command)
    kept = [p for p in given.parameters.values() if p.name != "reading"]
    hints = get_type_hints(command, include_extras=True)
    extra = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, option],
        )
        for name, (kind, default, option) in _OPTIONS.items()
    ]
    own = [p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY) for p in kept]

    @wraps(command)
    def wrapped(**values: Any) -> None:
        from ..trajectory.sources.options import ReadOptions, parse_columns, parse_zone

        asked = {name: values.pop(name) for name in _OPTIONS}
        reading = ReadOptions(
            columns=parse_columns(asked["columns"], asked["agent_column"]),
            agent=asked["agent"],
            zone=None if asked["tz"] is None else parse_zone(asked["tz"]),
            missing=tuple(asked["missing"] or ()),
            scale=asked["scale"],
            clamp=asked["clamp"],
            max_gap=asked["max_gap"],
        )
        command(**values, reading=reading)

    wrapped.__signature__ = given.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in (*own, *extra)}
    del wrapped.__wrapped__
    return wrapped
