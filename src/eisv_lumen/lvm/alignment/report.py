"""The one schema of an alignment result, written and read here alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ...core.errors import InputError
from ...core.files import read_json, write_json
from ...evaluation.report import Provenance
from .calibrated_gates import Gate
from .five_cat import PublishedTest

__all__ = [
    "SCHEMA",
    "AlignmentReport",
    "Published",
    "SetFacts",
    "by_question",
    "read_alignment",
    "read_alignments",
    "write_alignment",
]

SCHEMA: Literal["eisv-lumen-alignment/1"] = "eisv-lumen-alignment/1"
_TESTS = 5


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SetFacts(_Model):
    """A set of windows that was read."""

    name: str
    articles: int
    windows: int
    encoder: str
    dim: int


class Published(_Model):
    """The published test: on the set that was read, and on another corpus where there is one.

    `three_of_five` is what the study's documents ask; `all_on_both` what its program asked, None
    without another corpus.
    """

    as_published: bool
    inside: list[PublishedTest]
    outside: list[PublishedTest] = []
    three_of_five: bool
    all_on_both: bool | None = None


class AlignmentReport(_Model):
    """What the tests say of one model, with provenance.

    `sets`: `validation`, on which temperatures and floors were fitted, `test`, which was read, and
    perhaps `ood`. `ahead`: chunks between context and target (1: the chunk after next).
    """

    schema_: Literal["eisv-lumen-alignment/1"] = SCHEMA
    name: str
    kind: Literal["predictor", "ranker"]
    ahead: int = 0
    note: str = ""
    sets: dict[str, SetFacts]
    gates: list[Gate]
    published: Published | None = None
    provenance: Provenance

    def gate(self, name: str) -> Gate | None:
        """Return a gate by its name, G1 to G6; None where it was not measured."""
        return next((gate for gate in self.gates if gate.name == name), None)

    @property
    def passed(self) -> bool:
        """Whether every gate that decides was passed."""
        return all(gate.passed is not False for gate in self.gates)


def published(
    inside: Sequence[PublishedTest], outside: Sequence[PublishedTest], as_published: bool
) -> Published:
    """Sum the published test up."""
    both = [*inside, *outside]
    return Published(
        as_published=as_published,
        inside=list(inside),
        outside=list(outside),
        three_of_five=sum(test.passed for test in inside) >= 3,
        all_on_both=all(t.passed for t in both) and len(inside) == len(outside) == _TESTS
        if outside
        else None,
    )


def write_alignment(report: AlignmentReport, path: str | os.PathLike[str]) -> None:
    """Write a report as JSON; floats are rounded to 6 decimals."""
    write_json(path, rounded(report.model_dump(by_alias=True)))


def read_alignment(path: str | os.PathLike[str]) -> AlignmentReport:
    """Read a report.

    Raises
    ------
    InputError
        The file is missing, is not JSON, or does not fit the schema; the message names the field.
    """
    try:
        return AlignmentReport.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the report"
        raise InputError(f"{path}: {place}: {first['msg']}") from error


def read_alignments(paths: Sequence[Path]) -> tuple[list[AlignmentReport], list[Path]]:
    """Read reports, and all those of folders, in the order given and of name.

    Returns
    -------
    reports
        In that order.
    skipped
        JSON files of those folders that have another schema; `results/` holds several side by side.

    Raises
    ------
    InputError
        There is no report, one cannot be read, or a file that is named by itself is none.
    """
    files = [
        (f, p.is_dir()) for p in paths for f in (sorted(p.glob("*.json")) if p.is_dir() else [p])
    ]
    reports: list[AlignmentReport] = []
    skipped: list[Path] = []
    for file, found in files:
        if found and not _is_alignment(file):
            skipped.append(file)
        else:
            reports.append(read_alignment(file))
    if not reports:
        others = f"; of another schema: {', '.join(f.name for f in skipped)}" if skipped else ""
        named = ", ".join(map(str, paths))
        raise InputError(f"{named}: no alignment reports (*.json) there{others}")
    return reports, skipped


def by_question(reports: Sequence[AlignmentReport]) -> list[list[AlignmentReport]]:
    """Part reports into those that were asked the same: one set of windows, one chunk ahead.

    Only they can be compared. The parts are in the order in which they first occur.
    """
    parts: dict[tuple[SetFacts, int], list[AlignmentReport]] = {}
    for report in reports:
        parts.setdefault((report.sets["test"], report.ahead), []).append(report)
    return list(parts.values())


def _is_alignment(file: Path) -> bool:
    value = read_json(file)
    return isinstance(value, Mapping) and value.get("schema_") == SCHEMA


def rounded(value: Any) -> Any:
    """Round all floats of a JSON value to 6 decimals."""
    if isinstance(value, float):
        return round(value, 6) + 0.0
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value
