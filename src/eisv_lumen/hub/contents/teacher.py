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
    from ...evaluation.report import EvalReport
    from ...teacher.prompt.messages import Style

__all__ = ["needs_base", "teacher", "teacher_files"]

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
    from ...evaluation.report import read_report

    model = given.of_run("teacher", "model")
    record = read_json(given.of_run("teacher", "training.json"))
    reported = given.report_of("teacher")
    measured = read_report(reported)
    base, names = str(record["recipe"]["base"]), {}
    contents: dict[Any, dict[str, Source]] = {}
    if needs_base(model.parent):
        contents[BASE] = _base(given, base)
        names[base] = f"{given.namespace}/{BASE.name}"
    files = teacher_files(
        given.root,
        given.namespace,
        TEACHER.name,
        model.parent,
        measured,
        windows=reported.with_name("evaluation.parquet"),
        names=names,
        dataset=given.dataset,
    )
    return contents | {TEACHER: files}


def needs_base(folder: Path) -> bool:
    """Say whether a trained teacher is an adapter whose base is not on the Hub."""
    base = str(read_json(folder / "training.json")["recipe"]["base"])
    adapter = (folder / "model" / _ADAPTER).is_file()
    return adapter and (not is_hub_id(base) or Path(base).is_dir())


def teacher_files(
    root: Path,
    namespace: str,
    name: str,
    folder: Path,
    measured: EvalReport | None,
    *,
    windows: Path | None = None,
    names: Mapping[str, str] | None = None,
    dataset: str = DATASET.name,
) -> dict[str, Source]:
    """Return the files of a teacher's repo, which `from_pretrained` loads.

    Parameters
    ----------
    root
        Where `model_card/` is.
    namespace, name
        The repo.
    folder
        What `teacher train` wrote.
    measured
        Its report; None where it is not evaluated yet, and the card says so.
    windows
        What the report was made on, if that is to travel with it and is there.
    names
        Public names of bases that lie elsewhere.
    dataset
        Name of the dataset's repo.

    Raises
    ------
    InputError
        A file may hold a pickle.
    """
    import yaml

    model, names = folder / "model", names or {}
    record = read_json(folder / "training.json")
    base = str(record["recipe"]["base"])
    files: dict[str, Source] = {}
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        if path.suffix in _PICKLES:
            raise InputError(f"{path}: may hold a pickle; save the model in safetensors")
        files[path.relative_to(model).as_posix()] = path
    adapter = _ADAPTER in files
    if base in names:
        config = json.loads((model / _ADAPTER).read_bytes())
        files[_ADAPTER] = json_bytes(config | {"base_model_name_or_path": names[base]})
    record = _public(record, names)
    recipe = yaml.safe_dump(record["recipe"], sort_keys=False, allow_unicode=True)
    files |= {
        "generation_config.json": _generation_config(files.get("generation_config.json")),
        "recipe.yaml": recipe.encode("utf-8"),
        "training.json": json_bytes(record),
    }
    if measured is None:
        return files | {CARD: _pending_card(name, record["recipe"], adapter).encode("utf-8")}
    there = windows if windows is not None and windows.is_file() else None
    return files | _measured(
        root, namespace, name, _public(measured.model_dump(by_alias=True), names), record["recipe"],
        there, adapter, dataset,
    )  # fmt: skip


def _measured(
    root: Path,
    namespace: str,
    name: str,
    measured: dict[str, Any],
    recipe: Mapping[str, Any],
    windows: Path | None,
    adapter: bool,
    dataset: str,
) -> dict[str, Source]:
    """Return the card and the report of a teacher, and the windows that it was made on."""
    from ...evaluation.report import EvalReport
    from ..cards.teacher_card import teacher_card

    report = EvalReport.model_validate(measured)
    card = teacher_card(
        root,
        namespace,
        name,
        [report],
        recipe,
        example=_example(windows, recipe["data"]["style"]),
        adapter=adapter,
        temperature=_DECODING["temperature"],
        dataset=dataset,
        metric=METRIC.name,
    )
    files: dict[str, Source] = {
        CARD: card.encode("utf-8"),
        f"reports/{report.name}.json": json_bytes(report.model_dump(by_alias=True)),
    }
    return files if windows is None else files | {f"reports/{report.name}.parquet": windows}


def _pending_card(name: str, recipe: Mapping[str, Any], adapter: bool) -> str:
    """Return the card of a teacher between its training and its evaluation."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        license="apache-2.0",
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        base_model=recipe["base"] if is_hub_id(str(recipe["base"])) else None,
        tags=["eisv", "imitation", "trl", "sft"],
    )
    head = data.to_yaml(line_break="\n").rstrip("\n")
    return (
        f"---\n{head}\n---\n\n# {name}\n\nTrained by recipe `{recipe['name']}` "
        "(`recipe.yaml`, `training.json`). It is not evaluated yet: its report follows.\n"
    )


def _example(windows: Path | None, style: Style) -> tuple[str, str]:
    """Return the message of a window, and which one: the report's first, or a synthetic one."""
    from ...expression.vocabulary import SHAPES
    from ...teacher.prompt.messages import render_windows
    from ...trajectory.dataset.schema import read_table, synthesize, windows_from_table

    if windows is not None:
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
