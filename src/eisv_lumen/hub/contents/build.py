"""What each part of a publish puts into its repo: the builders, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...core.errors import InputError
from ...core.places import no_such_place
from ..publishing.plan import CARD, Contents, RepoName, Source
from ..publishing.repos import METRIC, TEACHER
from .context import MADE_BY, Material, check_root
from .lvm import causal_alignment, lvm
from .student import STUDENT, student
from .teacher import teacher

if TYPE_CHECKING:
    import pyarrow as pa

    from ..cards.dataset_card import DatasetConfig

__all__ = ["PARTS", "build_contents", "left_out"]

_METRIC_MODULES: Final = (
    "shapes.py", "vocabulary.py", "law.py", "answer.py", "coherence.py", "intervals.py",
)  # fmt: skip
_METRIC_FILES: Final = ("eisv_coherence.py", "app.py", "requirements.txt")
_SPLITS: Final = ("train", "validation", "test")


def metric(given: Material) -> Contents:
    """Return the metric Space: its own files, and the mathematics copied beside them.

    `evaluate` fetches the metric's module and the files that it imports from its own folder.
    """
    from ... import expression
    from ..cards.render import load_results
    from ..cards.teacher_card import metric_card

    here, room = given.root / "spaces" / METRIC.name, Path(expression.__file__).parent
    files: dict[str, Source] = {name: here / name for name in _METRIC_FILES}
    files |= {name: room / name for name in _METRIC_MODULES}
    files["family.py"] = given.root / "spaces" / "family.py"
    results = load_results(given.root / "results")
    if "imitator" not in results.get("law", {}):
        raise InputError(f"{given.root / 'results'}: no results of the law; run `make results`")
    card = metric_card(given.root, given.namespace, results["law"]["imitator"])
    return {METRIC: {**files, CARD: card.encode("utf-8")}}


def dataset(given: Material) -> Contents:
    """Return the dataset: a folder a config, a Parquet shard a split, and the card."""
    from ...trajectory.dataset.schema import read_table
    from ..cards.dataset_card import dataset_card
    from ..cards.dataset_checks import check_disjoint, check_range
    from ..cards.render import load_results

    folder = given.of_run("dataset")
    tables: dict[str, dict[str, pa.Table]] = {}
    files: dict[str, Source] = {}
    for config in sorted(path for path in folder.iterdir() if path.is_dir()):
        for split in _SPLITS:
            path = config / f"{split}.parquet"
            if path.is_file():
                table = read_table(path)
                tables.setdefault(config.name, {})[split] = table
                files[f"{config.name}/{split}-00000.parquet"] = _shard(path, table)
    if not tables:
        raise InputError(f"{folder}: no <config>/<split>.parquet there")
    check_disjoint(tables, str(folder))
    check_range(tables, str(folder))
    configs = [_config(name, splits) for name, splits in tables.items()]
    main = max(configs, key=lambda config: config.window)
    card = dataset_card(
        given.root,
        given.namespace,
        [_as_default(config) if config is main else config for config in configs],
        load_results(given.root / "results"),
        name=given.dataset,
        source=_origin(given, tables),
        from_anima="anima" in _sources(tables),
        agreement=_agreement(tables[main.name]),
    )
    return {RepoName("dataset", given.dataset): {**files, CARD: card.encode("utf-8")}}


def _shard(path: Path, table: pa.Table) -> Source:
    """Return a file as it is where it is in the typed schema, else what was read of it, in that."""
    import pyarrow as pa
    from pyarrow import parquet

    from ...trajectory.dataset.labels import class_names
    from ...trajectory.dataset.schema import SCHEMA, write_to

    schema = parquet.read_schema(path)
    if schema.equals(SCHEMA) and class_names(schema) == class_names(SCHEMA):
        return path
    sink = pa.BufferOutputStream()
    write_to(sink, table)
    return bytes(sink.getvalue().to_pybytes())


def _config(name: str, splits: dict[str, pa.Table]) -> DatasetConfig:
    import numpy as np

    from ...expression.vocabulary import SHAPES
    from ...trajectory.dataset.metadata import agreed
    from ..cards.dataset_card import DatasetConfig

    counts = {}
    for split, table in splits.items():
        n = np.bincount(table["shape"].to_numpy(), minlength=len(SHAPES)).tolist()
        counts[split] = dict(zip(SHAPES, n, strict=True))
    window = len(next(iter(splits.values()))["t"][0])
    patterns = {split: f"{name}/{split}-*.parquet" for split in splits}
    said = agreed(splits.values())
    return DatasetConfig(name, window, said.get("stride"), patterns, counts, seed=said.get("seed"))


def _as_default(config: DatasetConfig) -> DatasetConfig:
    from dataclasses import replace

    return replace(config, default=True)


def _origin(given: Material, tables: dict[str, dict[str, pa.Table]]) -> str:
    """Say where the states come from."""
    if given.run is not None and (given.run / "demo.json").is_file():
        return (
            "These states are not Lumen's: `eisv-lumen demo` drew them from a process fitted to "
            "Lumen's log, and wrote them in the form of that log."
        )
    agents = len(
        {name for table in _tables(tables) for name in table["agent"].unique().to_pylist()}
    )
    log = f"a log of {agents} agents" if agents > 1 else "the log of one agent"
    return f"The states are {log} (`source`: {', '.join(sorted(_sources(tables)))})."


def _tables(tables: dict[str, dict[str, pa.Table]]) -> Iterator[pa.Table]:
    return (table for splits in tables.values() for table in splits.values())


def _sources(tables: dict[str, dict[str, pa.Table]]) -> set[str]:
    return {name for table in _tables(tables) for name in table["source"].unique().to_pylist()}


def _agreement(splits: dict[str, pa.Table]) -> dict[int, float]:
    """Share of labels that the last k states alone would get, by k."""
    import pyarrow as pa

    from ...trajectory.dataset.agreement import LENGTHS
    from ...trajectory.dataset.schema import windows_from_table
    from ...trajectory.windows import label_each

    whole = windows_from_table(pa.concat_tables(splits.values()))
    width = whole.t.shape[1]
    return {
        k: float(
            (
                label_each(whole.t[:, -k:], whole.X[:, -k:], whole.ethical_drift[:, -k:])[0]
                == whole.shape
            ).mean()
        )
        for k in LENGTHS
        if k <= width
    }


def explorer(given: Material) -> Contents:
    """Return the explorer Space: its app, the wheel, results, post, the run's models."""
    from .explorer import EXPLORER, explorer_contents

    models = {}  # a whole model alone: the base of an adapter would not travel along
    taught = given.folder_of("teacher")
    if taught is not None and (taught / "model" / "config.json").is_file():
        models[TEACHER.name] = taught
    students = {}
    if (distilled := given.folder_of("student")) is not None:
        students[STUDENT.name] = distilled
    files = explorer_contents(given.root, given.namespace, models=models, students=students)
    return {RepoName("space", EXPLORER): files}


_BUILDERS: Final[dict[str, Callable[[Material], Contents]]] = {
    "dataset": dataset,
    "metric": metric,
    "teacher": teacher,
    "explorer": explorer,
    "causal_alignment": causal_alignment,
    "lvm": lvm,
    "student": student,
}
_OF_A_RUN: Final = ("dataset", "teacher", "lvm", "student")
PARTS: Final = tuple(_BUILDERS)
"""What can be published."""


def build_contents(given: Material, only: Sequence[str] = ()) -> dict[RepoName, dict[str, Source]]:
    """Collect the files of what is to be published.

    Parameters
    ----------
    given
        What it is made of.
    only
        Some of `PARTS`; by default all, those of a run where a run is given.

    Raises
    ------
    InputError
        There is no such part, or something that it is made of is missing.
    """
    for part in only:
        if part not in _BUILDERS:
            raise InputError(f"--only {part}: use one of {', '.join(PARTS)}")
    check_root(given.root)
    if given.run is not None and not given.run.is_dir():
        raise no_such_place(str(given.run), "folder")
    missing = {} if only else left_out(given)
    if given.run is not None and missing.keys() >= set(_OF_A_RUN):
        there = [part for part in _OF_A_RUN if given.folder_of(part) is not None]
        nothing = f"{given.run}: nothing to publish there; {MADE_BY['dataset']}"
        raise InputError(missing[there[0]] if there else nothing)
    parts = only or [part for part in PARTS if part not in missing]
    contents: dict[RepoName, dict[str, Source]] = {}
    for part in parts:
        contents |= {name: dict(files) for name, files in _BUILDERS[part](given).items()}
    return contents


def left_out(given: Material) -> dict[str, str]:
    """Return which of `PARTS` are not published unless they are asked for, and why."""
    found = {}
    for part in PARTS:
        if part in _OF_A_RUN and given.run is None:
            found[part] = "it is made of a run; give one with --run, as in --run demo-out"
        elif part in _OF_A_RUN and given.folder_of(part) is None:
            found[part] = f"{given.run} holds none; {MADE_BY[part]}"
        elif part == "teacher" and given.run is not None:
            try:
                given.report_of(part)
            except InputError as error:
                found[part] = str(error)
    return found
