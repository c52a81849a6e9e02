"""What the teacher's repo holds; and its base's, where that is not on the Hub already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...core.errors import InputError
from ...core.files import json_bytes, read_json
from ..cards.front_matter import is_hub_id
from ..publishing.plan import CARD, Contents, Source, card_head
from ..publishing.repos import BASE, DATASET, METRIC, TEACHER
from .context import Material, without_paths

if TYPE_CHECKING:
    from ...teacher.prompt.messages import Style

__all__ = ["teacher"]

_PICKLES: Final = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_MODEL: Final = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
_ADAPTER: Final = "adapter_config.json"
_DECODING: Final = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
"""The teacher's generation config: the law itself, without a nucleus that nobody asked for."""


def teacher(given: Material) -> Contents:
    """Return the teacher: weights in safetensors, tokenizer, recipe, report, and the card.

    The windows that the report was made on travel with it, so that anybody can measure it again.
    An adapter names its base by an id of the Hub; a base from elsewhere becomes a repo beside it.
    No path of this machine is in any of it.
    """
    import yaml

    from ...evaluation.report import EvalReport, read_report
    from ..cards.teacher_card import teacher_card

    model = given.of_run("teacher", "model")
    record = read_json(given.of_run("teacher", "training.json"))
    reported = given.report_of("teacher")
    measured = read_report(reported)
    windows = reported.with_name("evaluation.parquet")
    files: dict[str, Source] = {}
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        if path.suffix in _PICKLES:
            raise InputError(f"{path}: may hold a pickle; save the model in safetensors")
        files[path.relative_to(model).as_posix()] = path
    contents: dict[Any, dict[str, Source]] = {}
    base, names = str(record["recipe"]["base"]), {}
    if _ADAPTER in files and (not is_hub_id(base) or Path(base).is_dir()):
        contents[BASE] = _base(given, base)
        names[base] = f"{given.namespace}/{BASE.name}"
        config = json.loads((model / _ADAPTER).read_bytes())
        files[_ADAPTER] = json_bytes(config | {"base_model_name_or_path": names[base]})
    record = _public(record, names)
    report = EvalReport.model_validate(_public(measured.model_dump(by_alias=True), names))
    card = teacher_card(
        given.root,
        given.namespace,
        TEACHER.name,
        [report],
        record["recipe"],
        example=_example(windows, record["recipe"]["data"]["style"]),
        adapter=_ADAPTER in files,
        temperature=_DECODING["temperature"],
        dataset=DATASET.name,
        metric=METRIC.name,
    )
    recipe = yaml.safe_dump(record["recipe"], sort_keys=False, allow_unicode=True)
    files |= {
        CARD: card.encode("utf-8"),
        "generation_config.json": _generation_config(files.get("generation_config.json")),
        "recipe.yaml": recipe.encode("utf-8"),
        "training.json": json_bytes(record),
        f"reports/{report.name}.json": json_bytes(report.model_dump(by_alias=True)),
    }
    if windows.is_file():
        files[f"reports/{report.name}.parquet"] = windows
    return contents | {TEACHER: files}


def _example(windows: Path, style: Style) -> tuple[str, str]:
    """Return the message of a window, and which one: the report's first, or a synthetic one."""
    from ...expression.vocabulary import SHAPES
    from ...teacher.prompt.messages import render_windows
    from ...trajectory.dataset.schema import read_table, synthesize, windows_from_table

    if windows.is_file():
        table, which = read_table(windows), f"of the first window of `reports/*{windows.suffix}`"
    else:
        table, which = synthesize({SHAPES[0]: 1}, seed=0), "of a synthetic window"
    return render_windows(windows_from_table(table.slice(0, 1)), style)[0], which


def _base(given: Material, base: str) -> dict[str, Source]:
    """Return the files of an adapter's base: weights, configuration and tokenizer, and a card."""
    from ...teacher.models.load import base_place
    from ..cards.teacher_card import base_card

    folder = Path(base_place(base))
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise InputError(
            f"teacher: its base {base!r} is no id of the Hub and no folder with config.json and "
            "*.safetensors, so nobody else could load the adapter"
        )
    files: dict[str, Source] = {
        path.name: path for form in _MODEL for path in sorted(folder.glob(form))
    }
    own = folder / CARD
    head = card_head(own.read_bytes()) if own.is_file() else {}
    license = str(head.get("license", "other"))
    card = base_card(given.root, given.namespace, BASE.name, TEACHER.name, license)
    return {**files, CARD: card.encode("utf-8")}


def _public(value: Any, names: Mapping[str, str]) -> Any:
    """Return a record with bases by their public names, and without paths of this machine."""
    if isinstance(value, dict):
        return {key: _public(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_public(item, names) for item in value]
    if isinstance(value, str):
        return without_paths(names.get(value, value))
    return value


def _generation_config(saved: Source | None) -> bytes:
    config: dict[str, Any] = json.loads(saved.read_bytes()) if isinstance(saved, Path) else {}
    config.pop("_from_model_config", None)  # else transformers may derive it anew
    return json_bytes(config | _DECODING)
