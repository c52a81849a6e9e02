"""Text from results: every number in a card, the README or the post is rendered here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from ..errors import InputError
from ..evaluation.report import SCHEMA, EvalReport, Metric, read_report
from ..files import read_json, write_bytes
from .figures import by_shape, progression, thermometer

__all__ = ["environment", "load_results", "render", "render_readme"]

Results = dict[str, dict[str, Any]]


def load_results(folder: str | os.PathLike[str]) -> Results:
    """Read `results/<run>/*.json`: reports as `EvalReport`, other files as plain JSON.

    Returns
    -------
    dict
        Run to file name (without its ending) to content, in order of name.

    Raises
    ------
    InputError
        A file is not JSON, or claims to be a report and is none.
    """
    results: Results = {}
    for path in sorted(Path(folder).glob("*/*.json")):
        raw = read_json(path)
        is_report = isinstance(raw, Mapping) and raw.get("schema_") == SCHEMA
        results.setdefault(path.parent.name, {})[path.stem] = (
            read_report(path) if is_report else raw
        )
    return results


def environment(folder: str | os.PathLike[str]) -> jinja2.Environment:
    """Return the Jinja environment of our templates: an undefined name is an error.

    Filters: `fixed(digits)`, `signed(digits)` and `percent(digits)` of a number or `Metric`,
    `interval(digits)` of a `Metric`, `count` of an integer.
    """
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(folder)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    env.filters["fixed"] = _fixed
    env.filters["percent"] = _percent
    env.filters["interval"] = _interval
    env.filters["signed"] = _signed
    env.filters["count"] = _count
    return env


def render(template: str, folder: str | os.PathLike[str], **names: Any) -> str:
    """Render one template.

    Raises
    ------
    InputError
        The template asks for a result that is not there; the message names both.
    """
    try:
        return environment(folder).get_template(template).render(**names)
    except jinja2.TemplateNotFound as error:
        raise InputError(f"{folder}: no template {error.name}") from error
    except (jinja2.UndefinedError, KeyError) as error:
        raise InputError(
            f"{Path(folder) / template}: {error}; make that result first (make results)"
        ) from error


def render_readme(root: str | os.PathLike[str]) -> dict[str, bytes]:
    """Render what the repository itself shows: path to bytes, nothing written.

    Returns
    -------
    dict
        `README.md` and the figures it shows, relative to `root`.
    """
    base = Path(root)
    results = load_results(base / "results")
    if "law" not in results:
        raise InputError(
            f"{base / 'results'}: no results of the law; run `eisv-lumen evaluate law`"
        )
    text = render("README.md.jinja", base, results=results, table=markdown_table)
    return {"README.md": text.encode("utf-8"), **readme_figures(results)}


def readme_figures(results: Results) -> dict[str, bytes]:
    """Draw the figures of the README from results that are there."""
    published: dict[str, EvalReport] = results["published"]
    tiny: dict[str, EvalReport] = results.get("tiny", {})
    imitator: EvalReport = results["law"]["imitator"]
    shown = {name: report for name, report in tiny.items() if name in _PROGRESSION}
    figures = {"thermometer": thermometer(imitator, published, list(shown.values())[-1:])}
    if shown:
        figures["progression"] = progression(published, shown, imitator)
    if "series" in results.get("blind", {}):
        figures["blind"] = by_shape(results["blind"]["series"], 1.0, "excess_nats")
    return {f"figures/{name}.svg": svg for name, svg in figures.items()}


_PROGRESSION = ("v1", "v3", "v4", "v5", "v6", "v7")


def write_all(contents: Mapping[str, bytes], root: str | os.PathLike[str]) -> list[str]:
    """Write rendered files below `root` where they changed; return the paths that did."""
    changed = []
    for name, data in contents.items():
        path = Path(root) / name
        if not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data)
            changed.append(name)
    return changed


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _value(number: float | Metric) -> float:
    return number.value if isinstance(number, Metric) else number


def _fixed(number: float | Metric, digits: int = 3) -> str:
    return f"{_value(number):.{digits}f}"


def _percent(number: float | Metric, digits: int = 0) -> str:
    return f"{100 * _value(number):.{digits}f} %"


def _interval(metric: Metric, digits: int = 3) -> str:
    if metric.low is None or metric.high is None:
        return _fixed(metric, digits)
    return f"{metric.value:.{digits}f} [{metric.low:.{digits}f}, {metric.high:.{digits}f}]"


def _signed(number: float | Metric, digits: int = 1) -> str:
    return f"{_value(number):+.{digits}f}".replace("-", "−")


def _count(number: int) -> str:
    return f"{number:,}"
