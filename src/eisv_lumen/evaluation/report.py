"""The one schema of a result, written and read here alone.

Every number that a card, the post, the README or the Space shows comes from such a file.
"""

from __future__ import annotations

import html
import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.errors import InputError
from ..core.extras import require
from ..core.files import read_json, write_json

__all__ = [
    "DecodedResult",
    "Decoding",
    "EvalReport",
    "Gate",
    "Metric",
    "Provenance",
    "gather_reports",
    "installed_versions",
    "provenance",
    "read_report",
    "read_reports",
    "write_report",
]

SCHEMA: Literal["eisv-lumen-report/1"] = "eisv-lumen-report/1"
_OTHERS = {
    "eisv-lumen-alignment/1": "a report of causal alignment; use eisv-lumen lvm compare",
}
"""Schemas that are read elsewhere, and how."""
_LIBRARIES = (
    "eisv-lumen", "numpy", "numba", "torch", "transformers", "trl", "peft", "datasets",
    "scikit-learn",
)  # fmt: skip


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Decoding(_Model):
    """How expressions were decoded. All three settings are always stated.

    `temperature` 0 is greedy; `top_k` 0 and `top_p` 1 are off. None, in published reports alone:
    not recorded.
    """

    temperature: float
    top_k: int | None
    top_p: float | None

    @property
    def label(self) -> str:
        """A short name, as in tables."""
        base = "greedy" if self.temperature == 0 else f"T = {self.temperature:g}"
        if self.top_k is None or self.top_p is None:
            return f"{base}, nucleus not recorded"
        if self.top_k == 0 and self.top_p == 1:
            return base
        return f"{base}, top-k {self.top_k}, top-p {self.top_p:g}"


class Metric(_Model):
    """One number, and what it can mean.

    Attributes
    ----------
    value
        The estimate; `low` and `high` are its 95 % bootstrap interval over windows.
    floor
        What a speaker that picks tokens at random gets; for excess nats, what the best speaker
        that reads nothing gets.
    perfect
        What a perfect imitator of the law gets under the same decoding.
    ceiling
        The best value that any speaker can get, imitator or not.
    """

    value: float
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    perfect: float | None = None
    ceiling: float | None = None


class DecodedResult(_Model):
    """All metrics under one decoding; each overall, and for each shape where that is defined."""

    decoding: Decoding
    n: int
    metrics: dict[str, Metric]
    per_shape: dict[str, dict[str, Metric]] = {}


class Gate(_Model):
    """A decision: what it asks, what was found, whether it passed."""

    name: str
    asks: str
    found: float
    threshold: float
    passed: bool


class Provenance(_Model):
    """Where a result comes from, as far as it takes to make it again."""

    command: str
    seed: int | None = None
    data: dict[str, Any] = {}
    model: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    versions: dict[str, str] = {}
    platform: str = ""


class EvalReport(_Model):
    """A result with its provenance. `kind` tells ours from what others published."""

    schema_: Literal["eisv-lumen-report/1"] = SCHEMA
    kind: Literal["measured", "published", "exact"]
    name: str
    title: str
    target: str
    note: str = ""
    results: list[DecodedResult]
    gates: list[Gate] = []
    provenance: Provenance

    def at(self, temperature: float, *, top_k: int = 0, top_p: float = 1.0) -> DecodedResult:
        """Return the result under one decoding.

        Raises
        ------
        KeyError
            There is none.
        """
        wanted = Decoding(temperature=temperature, top_k=top_k, top_p=top_p)
        for result in self.results:
            if result.decoding == wanted:
                return result
        raise KeyError(f"{self.name}: no result at {wanted.label}")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EvalReport:
        """Read a report; errors as for `read_report`."""
        return read_report(path)

    def to_pandas(self) -> Any:
        """Return a data frame, one row per decoding and metric, and per shape where there are some.

        Columns: report, decoding, temperature, top_k, top_p, metric, shape ("" for all), value,
        low, high, floor, ceiling.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        require("datasets", "to_pandas")
        import pandas

        return pandas.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of `to_pandas` as plain dictionaries."""
        return [
            {"report": self.name, "decoding": result.decoding.label,
             **result.decoding.model_dump(), "metric": name, "shape": shape, **metric.model_dump()}
            for result in self.results
            for shape, metrics in [("", result.metrics), *result.per_shape.items()]
            for name, metric in metrics.items()
        ]  # fmt: skip

    def __repr__(self) -> str:
        decodings = ", ".join(result.decoding.label for result in self.results[:3])
        more = f" and {len(self.results) - 3} more" if len(self.results) > 3 else ""
        return f"EvalReport({self.title!r}, {self.kind}, {self.target} law; {decodings}{more})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Show a table in a notebook: the metrics of all shapes, one row per decoding."""
        names = list(dict.fromkeys(name for r in self.results for name in r.metrics))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("decoding", *names))
        body = "".join(
            f"<tr><td>{html.escape(r.decoding.label)}</td>"
            + "".join(
                f"<td>{r.metrics[n].value:.3f}</td>" if n in r.metrics else "<td></td>"
                for n in names
            )
            + "</tr>"
            for r in self.results
        )
        title = html.escape(f"{self.title} ({self.kind}; target: {self.target} law)")
        return f"<table><caption>{title}</caption><tr>{head}</tr>{body}</table>"


def installed_versions() -> dict[str, str]:
    """Return the versions of the libraries that a result depends on, without importing them."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def provenance(
    command: str,
    *,
    seed: int | None = None,
    data: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Provenance:
    """Return a provenance with this machine's versions filled in."""
    return Provenance(
        command=command,
        seed=seed,
        data=dict(data or {}),
        model=dict(model or {}),
        recipe=dict(recipe or {}),
        versions=installed_versions(),
        platform=f"{platform.system()} {platform.machine()}",
    )


def write_report(report: EvalReport, path: str | os.PathLike[str]) -> None:
    """Write a report as JSON; floats are rounded to 6 decimals, below any interval's width."""
    write_json(path, _rounded(report.model_dump(by_alias=True)))


def read_report(path: str | os.PathLike[str]) -> EvalReport:
    """Read a report.

    Raises
    ------
    InputError
        The file is missing, is not JSON, or does not fit the schema; the message names the field.
    """
    raw = read_json(path)
    schema = raw.get("schema_") if isinstance(raw, Mapping) else None
    if schema is None:
        raise InputError(f"{path}: not a report of an evaluation (it has no schema_)")
    if isinstance(schema, str) and schema in _OTHERS:
        raise InputError(f"{path}: {_OTHERS[schema]}")
    try:
        return EvalReport.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the report"
        raise InputError(f"{path}: {place}: {first['msg']}") from error


def read_reports(folder: str | os.PathLike[str]) -> dict[str, EvalReport]:
    """Read all reports of a folder, by file name without its ending, in order of name."""
    return {path.stem: read_report(path) for path in sorted(Path(folder).glob("*.json"))}


def gather_reports(paths: Sequence[Path]) -> tuple[list[EvalReport], list[Path]]:
    """Read reports, and all those of folders, in the order given and of name.

    Returns
    -------
    reports : list of EvalReport
    skipped : list of Path
        Files of the folders that hold something else.

    Raises
    ------
    InputError
        There is no report, a file that is named is none, or one cannot be read.
    """
    reports, skipped = [], []
    for path in paths:
        if not path.is_dir():
            reports.append(read_report(path))
            continue
        for file in sorted(path.glob("*.json")):
            raw = read_json(file)
            if isinstance(raw, Mapping) and raw.get("schema_") == SCHEMA:
                reports.append(read_report(file))
            else:
                skipped.append(file)
    if not reports:
        raise InputError(f"{', '.join(map(str, paths))}: no reports of evaluation there")
    return reports, skipped


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(item) for item in value]
    return value
