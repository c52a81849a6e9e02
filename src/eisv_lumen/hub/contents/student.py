"""What is published of a student: its data, the one file that reads them, its reports, its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.files import json_bytes, read_json
from ...evaluation.metrics import listed
from ...evaluation.report import EvalReport, read_reports
from ...evaluation.tables import explain, listed_cells
from ...study.facts import published_facts
from ..cards.front_matter import check_front_matter
from ..cards.render import markdown_table, render
from ..cards.teacher_card import model_index
from ..publishing.plan import CARD, Contents, RepoName
from ..publishing.repos import DATASET, METRIC, TEACHER
from .context import Material, without_paths

__all__ = ["STUDENT", "student", "student_card"]

STUDENT: Final = RepoName("model", "eisv-lumen-student")

_FILES: Final = ("student.json", "reader.py", "distilled.json")


def student(given: Material) -> Contents:
    """Return the student of the run: `student/`, as `eisv-lumen student distil` leaves it.

    Its reports lie in `student/reports/`, by `eisv-lumen student evaluate`. They lose the folders
    of this machine that they name.
    """
    folder = given.of_run("student")
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder}: lacks {', '.join(missing)}; make it with `student distil`")
    reports = {
        name: EvalReport.model_validate(without_paths(report.model_dump(by_alias=True)))
        for name, report in read_reports(folder / "reports").items()
    }
    if not reports:
        raise InputError(f"{folder / 'reports'}: no report; make one with `student evaluate`")
    size = (folder / "student.json").stat().st_size
    card = student_card(
        given.root,
        given.namespace,
        STUDENT.name,
        list(reports.values()),
        read_json(folder / "distilled.json"),
        size=size,
        dataset=given.dataset,
    )
    return {
        STUDENT: {name: folder / name for name in _FILES}
        | {"config.json": json_bytes(_config(folder))}
        | {
            f"reports/{name}.json": json_bytes(report.model_dump(by_alias=True))
            for name, report in reports.items()
        }
        | {CARD: card.encode("utf-8")}
    }


def _config(folder: Path) -> dict[str, Any]:
    """Say what the student is, in the file by which the Hub counts a model's downloads."""
    written = read_json(folder / "student.json")
    try:
        body = written["student"]
        return {
            "model_type": "eisv-lumen-student",
            "format": written["format"],
            "sha256": written["sha256"],
            "shapes": body["shapes"],
            "tokens": body["tokens"],
            "n_states": (body.get("net") or {}).get("n_states", []),
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{folder / 'student.json'}: no student; distil it again") from error


def student_card(
    root: Path,
    namespace: str,
    name: str,
    reports: list[EvalReport],
    record: dict[str, Any],
    *,
    size: int,
    dataset: str = DATASET.name,
) -> str:
    """Render a student's card from its reports.

    Parameters
    ----------
    root
        The repository, with `model_card/`.
    namespace, name
        The repo.
    reports
        What it scored; each has a result at T = 1 and at T = 0.3.
    record
        Its `distilled.json`.
    size
        Bytes of `student.json`.
    dataset
        Name of the dataset's repo.

    Raises
    ------
    InputError
        The record or a report lacks what the card says.
    """
    from huggingface_hub import ModelCardData

    _check_record(record, name)
    for report in reports:
        for temperature in (1.0, 0.3):
            try:
                report.at(temperature)
            except KeyError as error:
                raise InputError(f"card of {name}: {error.args[0]}; evaluate it there") from error
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="eisv-lumen",
        datasets=[f"{namespace}/{dataset}"],
        metrics=[f"{namespace}/{METRIC.name}"],
        tags=["eisv", "imitation", "distillation", "standard-library", "raspberry-pi"],
        model_name=name,
        eval_results=model_index(reports, f"{namespace}/{dataset}"),
    )
    text = render(
        "student.md.jinja",
        root / "model_card",
        metadata=data.to_yaml(line_break="\n").rstrip("\n"),
        namespace=namespace,
        name=name,
        reports=reports,
        record=record,
        size=size,
        links=published_facts()["links"],
        teacher=TEACHER.name,
        dataset=dataset,
        metric=METRIC.name,
        explain=explain,
        listed=listed(),
        listed_cells=listed_cells,
        table=markdown_table,
    )
    check_front_matter(text, "model")
    return text


def _check_record(record: Any, name: str) -> None:
    """Refuse a record that lacks what the card says."""

    def wanted(table: Any, key: str, kind: type, where: str = "") -> Any:
        found = table.get(key) if isinstance(table, dict) else None
        if not isinstance(found, kind):
            what = "object" if kind is dict else "text"
            raise InputError(
                f"card of {name}: distilled.json has no {what} {where}{key}; distil it again"
            )
        return found

    teacher, recipe = (wanted(record, key, dict) for key in ("teacher", "recipe"))
    for key in ("style", "target"):
        wanted(record, key, str)
    for key in ("law",) if "law" in teacher else ("recipe", "sha256"):
        wanted(teacher, key, str, "teacher.")
    if record["style"] == "blind":
        wanted(recipe, "net", dict, "recipe.")
