"""A published teacher measured again, on the windows and with the seed of its own reports."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ...core.errors import InputError
from ...evaluation.report import DecodedResult, EvalReport, read_reports
from ..data.windows import Corpus, read_corpus, target_laws
from ..models.load import load_teacher
from .evaluate import DRAWS, evaluate_teacher

__all__ = ["measure_again"]


def measure_again(
    folder: str | os.PathLike[str],
    *,
    base: str | None = None,
    device: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[tuple[EvalReport, list[DecodedResult]]]:
    """Measure a published teacher again, once for each report that its repo carries.

    Parameters
    ----------
    folder
        A copy of the repo: weights, `training.json`, `reports/<name>.json` and, unless a report is
        of the test part of the teacher's own recipe, its windows in `reports/<name>.parquet`.
    base, device
        As for `load_teacher`.
    say
        Told of progress.

    Returns
    -------
    list of (EvalReport, list of DecodedResult)
        Each report, and what was found under its decodings, in their order.

    Raises
    ------
    InputError
        There is no report, or one whose windows do not travel with it or are not those it was
        made on, or there is no model.
    """
    path = Path(folder)
    reports = read_reports(path / "reports")
    if not reports:
        raise InputError(
            f"{path}: no reports/*.json; give a teacher as `eisv-lumen publish` lays it out"
        )
    corpora = {name: _corpus(path, name, report) for name, report in reports.items()}
    teacher = load_teacher(path, device, base)
    measured = []
    for name, report in reports.items():
        say(f"{report.title}: {len(corpora[name])} windows")
        found = evaluate_teacher(
            teacher,
            corpora[name].prompts,
            corpora[name].shape,
            target_laws(report.target),
            decodings=[result.decoding for result in report.results],
            draws=report.provenance.data.get("draws", DRAWS),
            seed=report.provenance.seed or 0,
            say=say,
        )
        measured.append((report, found))
    return measured


def _corpus(folder: Path, name: str, report: EvalReport) -> Corpus:
    """Return the windows of a report, as they travel with it or as its recipe makes them."""
    windows, data = folder / "reports" / f"{name}.parquet", report.provenance.data
    if windows.is_file():
        corpus, facts = read_corpus(folder, windows)
        if data.get("sha256") not in (None, facts["sha256"]):
            raise InputError(f"{windows}: not the windows that the report was made on")
        return corpus
    corpus, facts = read_corpus(folder)
    if data.get("windows") != facts["windows"]:
        raise InputError(f"{windows}: not there, so report {name} cannot be measured again")
    return corpus
