"""What is published of the latent vector models: the metric of alignment, and a trained model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...core.errors import InputError
from ...core.files import json_bytes, read_json
from ..cards.front_matter import check_front_matter
from ..cards.gradio_version import gradio_version
from ..cards.render import markdown_table, render
from ..publishing.plan import CARD, Contents, RepoName, Source
from .context import Material, without_paths

if TYPE_CHECKING:
    from ...lvm.alignment.report import AlignmentReport

__all__ = ["CAUSAL_ALIGNMENT", "LVM", "causal_alignment", "lvm", "lvm_card"]

CAUSAL_ALIGNMENT: Final = RepoName("space", "causal_alignment")
LVM: Final = RepoName("model", "eisv-lumen-lvm")

_SPACE_FILES: Final = ("causal_alignment.py", "app.py", "processes.py", "requirements.txt")
_MODULES: Final = (
    "ablations", "articles", "bootstrap", "calibrated_gates", "cross_fit", "fit_and_read",
    "five_cat", "floors", "identification", "records",
)  # fmt: skip
"""Of `lvm.alignment`; they need NumPy and each other alone."""
_MODEL_FILES: Final = ("config.json", "model.safetensors")


def causal_alignment(given: Material) -> Contents:
    """Return the metric Space: its own files, and the mathematics copied beside them."""
    from ...expression import intervals
    from ...lvm import alignment

    here, room = given.root / "spaces" / CAUSAL_ALIGNMENT.name, Path(alignment.__file__).parent
    files: dict[str, Source] = {name: here / name for name in _SPACE_FILES}
    files |= {f"{name}.py": room / f"{name}.py" for name in _MODULES}
    own = (room / "bootstrap.py").read_text(encoding="utf-8")
    files["bootstrap.py"] = own.replace("from ...expression.", "from .").encode("utf-8")
    files["intervals.py"] = Path(intervals.__file__)
    files["family.py"] = given.root / "spaces" / "family.py"
    card = render(
        "README.md.jinja", here, namespace=given.namespace, gradio_version=gradio_version()
    )
    check_front_matter(card, "space")
    return {CAUSAL_ALIGNMENT: {**files, CARD: card.encode("utf-8")}}


def lvm(given: Material) -> Contents:
    """Return a trained model of the run: weights, training record, alignment report, and card.

    The run is a folder as `eisv-lumen lvm train` leaves it, or holds one as `lvm/`; in it is
    `report.json` of `eisv-lumen lvm align`. Both JSON files lose the absolute paths that they hold:
    the command as it was typed, and where sets and encoders lie.

    Raises
    ------
    InputError
        A file is missing; the message says which command writes it.
    """
    from ...lvm.alignment.report import AlignmentReport, read_alignment

    if given.run is None:
        raise InputError("lvm: give a folder that `eisv-lumen lvm train` has finished, with --run")
    trained = given.run / "lvm" if (given.run / "lvm").is_dir() else given.run
    model = trained / "model"
    record_path, report_path = trained / "training.json", trained / "report.json"
    for path in (*(model / name for name in _MODEL_FILES), record_path):
        if not path.is_file():
            raise InputError(f"lvm: {path}: not there; train it: `eisv-lumen lvm train --out`")
    if not report_path.is_file():
        raise InputError(
            f"lvm: {report_path}: not there; test the model: `eisv-lumen lvm align {trained} "
            f"--validation … --test … --out {report_path}`"
        )
    read_alignment(report_path)  # names the file and field where it does not fit
    report, record = (without_paths(read_json(path)) for path in (report_path, record_path))
    shown = AlignmentReport.model_validate(report)
    card = lvm_card(given.root, given.namespace, LVM.name, shown, record)
    files: dict[str, Source] = {name: model / name for name in _MODEL_FILES}
    files |= {
        CARD: card.encode("utf-8"),
        "training.json": json_bytes(record),
        "report.json": json_bytes(report),
    }
    return {LVM: files}


def lvm_card(
    root: Path,
    namespace: str,
    name: str,
    report: AlignmentReport,
    record: dict[str, Any],
) -> str:
    """Render the card of a latent vector model from its alignment report.

    Parameters
    ----------
    root
        The repository, with `model_card/`.
    namespace, name
        The repo.
    report
        By `lvm align`.
    record
        Its `training.json`: recipe, seed, data.

    Raises
    ------
    InputError
        The record lacks its recipe, or the template asks for something that is not there.
    """
    from huggingface_hub import ModelCardData

    from ...lvm.alignment.table import GATES, PUBLISHED, gate_rows, published_rows

    if "recipe" not in record:
        raise InputError(f"card of {name}: the training record has no recipe; train it again")
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="eisv-lumen",
        tags=["latent-vector-model", "sentence-embeddings", "next-chunk", report.kind],
        model_name=name,
        eval_results=_model_index(report),
    )
    text = render(
        "lvm.md.jinja",
        root / "model_card",
        metadata=data.to_yaml(line_break="\n").rstrip("\n"),
        namespace=namespace,
        name=name,
        report=report,
        recipe=record["recipe"],
        record=record,
        gates=(list(GATES), [list(row) for row in gate_rows(report)]),
        published=(
            list(PUBLISHED),
            [list(row) for row in published_rows(report.published.inside)],
        )
        if report.published
        else None,
        table=markdown_table,
    )
    check_front_matter(text, "vectors")
    return text


def _model_index(report: AlignmentReport) -> list[Any]:
    """Return the card's `EvalResult`s: each gate, with its floor, ceiling and interval."""
    from huggingface_hub import EvalResult

    facts = report.sets["test"]
    return [
        EvalResult(
            task_type="feature-extraction",
            task_name="the next chunk's vector",
            dataset_type=re.sub(r"[^\w.-]+", "-", Path(facts.name).name),
            dataset_name=f"{Path(facts.name).name}: {facts.windows} windows of "
            f"{facts.articles} articles",
            metric_type=f"{gate.name.lower()}_{gate.title.replace(' ', '_')}",
            metric_name=f"{gate.name} {gate.title} [{gate.unit}]",
            metric_value=round(gate.value, 4),
            metric_args={
                key: round(float(getattr(gate, key)), 4)
                for key in ("low", "high", "floor", "ceiling", "margin", "margin_low",
                            "margin_high")
            },
        )
        for gate in report.gates
    ]  # fmt: skip
