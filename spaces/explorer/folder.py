"""What travels in this Space's own folder: results, examples, models and the post."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from speakers import Speaker, VoiceSpeaker, find_students, find_teachers
from uploads import read_series

from eisv_lumen.evaluation.report import EvalReport
from eisv_lumen.hub.cards.render import load_results
from eisv_lumen.trajectory.series import Series

__all__ = ["HERE", "Report", "example_names", "load_example", "reports", "speakers"]

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Report:
    """A report with the run (folder) that it belongs to, and the file's name there."""

    run: str
    file: str
    report: EvalReport

    @property
    def key(self) -> str:
        """Its path below `results/`, without the ending; a report may call itself otherwise."""
        return f"{self.run}/{self.file}"


@cache
def reports() -> dict[str, Report]:
    """Return every report that travels here, by key. Files of other schemas are left out."""
    found = [
        Report(run, file, report)
        for run, files in load_results(HERE / "results").items()
        for file, report in files.items()
        if isinstance(report, EvalReport)
    ]
    return {report.key: report for report in found}


def example_names() -> list[str]:
    """Return the names of the examples: the long run first, then the shapes."""
    names = [path.stem for path in sorted((HERE / "examples").glob("*.csv"))]
    return sorted(names, key=lambda name: name != LONG_RUN)


LONG_RUN = "an_hour_like_lumens"
"""The example that is open at first: a run of the Lumen-like process."""


@cache
def load_example(name: str) -> Series:
    """Read an example."""
    return read_series(HERE / "examples" / f"{name}.csv")[0]


@cache
def speakers() -> tuple[list[Speaker], str]:
    """Return the voice and every model that travels here, and a sentence on what is missing."""
    teachers, missing = find_teachers(HERE / "models")
    students, unread = find_students(HERE / "students")
    return [VoiceSpeaker(), *teachers, *students], " ".join(filter(None, [missing, unread]))
