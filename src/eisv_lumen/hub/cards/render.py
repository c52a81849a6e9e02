"""Text from results: every number in a card, the README or the post is rendered here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2

from ...core.errors import InputError
from ...core.files import json_bytes, read_json, write_bytes
from ...evaluation.report import SCHEMA, EvalReport, Metric, read_report
from ..figures.style import by_shape, progression, thermometer
from .wrap import wrapped

__all__ = ["HEADLINES", "environment", "listed", "load_results", "render", "render_readme"]

Results = dict[str, dict[str, Any]]

_NO_WIDTH: Final = 1e-5
"""Of an interval: reports round to six decimals."""
HEADLINES: Final = (
    "20/10 windows of 214,503 states",
    "the obvious loop over dicts / classify",
    "anima.db of 214,503 states -> Parquet of windows",
    "decoding in batches of 128 / one by one, same answers",
    "student reads a summary and speaks, T = 1",
    "alignment tests: the obvious loop (intervals left out) / arrays",
)
"""Benchmarks that the README shows; the others are in `benchmarks/README.md`."""


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
    `interval(digits)` of a `Metric`, `count` of an integer, `listed` of texts (a, b and c). Global:
    `sep(loop)`, what stands after an item of such a list within a loop.
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
    env.filters["listed"] = listed
    env.globals["sep"] = _sep
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
        `README.md`, `docs/results.md`, the figures they show, and `benchmarks/README.md`, relative
        to `root`.
    """
    base = Path(root)
    results = load_results(base / "results")
    if "law" not in results:
        raise InputError(
            f"{base / 'results'}: no results of the law; run `eisv-lumen evaluate law`"
        )
    bench = results.get("bench", {}).get("bench", {"benchmarks": {}})
    rows = [row for group in bench["benchmarks"].values() for row in group]
    headlines = [
        _bench_row({**row, "what": row["what"].strip()})
        for row in rows
        if row["what"].strip() in HEADLINES
    ]

    def page(folder: Path, name: str) -> bytes:
        text = render(name, folder, results=results, headlines=headlines, table=markdown_table)
        return wrapped(text).encode("utf-8")

    contents = {
        "README.md": page(base, "README.md.jinja"),
        "docs/results.md": page(base / "docs", "results.md.jinja"),
        **readme_figures(results),
    }
    if rows:
        tables = {
            name: [_bench_row(row) for row in group] for name, group in bench["benchmarks"].items()
        }
        check = results["bench"].get("gpu_check")
        text = render(
            "README.md.jinja", base / "benchmarks", bench=bench, tables=tables,
            table=markdown_table, gpu_check=check and json_bytes(check).decode().rstrip(),
        )  # fmt: skip
        contents["benchmarks/README.md"] = wrapped(text).encode("utf-8")
    return contents


def _bench_row(row: Mapping[str, Any]) -> list[str]:
    """Return a row of a benchmark as text; a number without a unit is a ratio."""
    what = row["what"].replace("->", "→")
    what = f"… {what.strip()}" if what.startswith(" ") else what
    goal = row["goal"].replace(">=", "≥").replace("<=", "≤")
    return [what, f"{row['value']:.4g} {row['unit'] or '×'}", goal or "–"]


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
    """Return a Markdown table; all columns but the first are aligned to the right.

    A hyphen before a number becomes a minus.
    """
    cells = [[re.sub(r"(?<![\w.`-])-(?=\d)", "−", cell) for cell in row] for row in rows]
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _value(number: float | Metric) -> float:
    return number.value if isinstance(number, Metric) else number


def _fixed(number: float | Metric, digits: int = 3) -> str:
    return _minus(f"{_value(number):.{digits}f}")


def _percent(number: float | Metric, digits: int = 0) -> str:
    return f"{100 * _value(number):.{digits}f} %"


def _interval(metric: Metric, digits: int = 3) -> str:
    if metric.low is None or metric.high is None:
        return _fixed(metric, digits)
    if metric.high - metric.low < _NO_WIDTH:  # nothing varied: that is no certainty
        return _fixed(metric, digits)
    low, high = _fixed(metric.low, digits), _fixed(metric.high, digits)
    return f"{_fixed(metric, digits)} [{low}, {high}]"


def _signed(number: float | Metric, digits: int = 1) -> str:
    return _minus(f"{_value(number):+.{digits}f}")


def _minus(number: str) -> str:
    """Write the sign as a minus, which is as wide as a plus; a hyphen may be broken at."""
    return number.replace("-", "−")


def _count(number: int) -> str:
    return f"{number:,}"


def listed(items: Sequence[str]) -> str:
    """Join texts as one says them: a; a and b; a, b and c."""
    *first, last = items or ("",)
    return f"{', '.join(first)} and {last}" if first else last


def _sep(loop: Any) -> str:
    """Return what stands after this item of a loop so that the items read as `listed` has them."""
    return {0: "", 1: " and "}.get(loop.revindex0, ", ")
