"""The dataset's card: what is published, by configuration, split and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...expression.vocabulary import SHAPES
from .front_matter import check_front_matter
from .render import markdown_table, render

__all__ = ["DatasetConfig", "dataset_card"]

MIN_DATASETS: Final = "4.0"
"""`List` features cannot be read by older versions."""


@dataclass(frozen=True)
class DatasetConfig:
    """One configuration of the dataset, as it is published.

    Attributes
    ----------
    name
        As in `load_dataset(repo, name)`.
    window, stride
        States in a window, and from one window's start to the next's; no stride where the windows
        do not lie on one grid, or do not say.
    files
        Path pattern of each split's Parquet files, by split (train/*.parquet …).
    counts
        Windows of each shape, by split; shapes that do not occur may be left out.
    default
        Whether `load_dataset(repo)` gives this one.
    seed
        Seed of the splits, where the windows say it.
    """

    name: str
    window: int
    stride: int | None
    files: Mapping[str, str]
    counts: Mapping[str, Mapping[str, int]]
    default: bool = False
    seed: int | None = None

    @property
    def n(self) -> int:
        """Windows in all splits."""
        return sum(sum(split.values()) for split in self.counts.values())

    def of_shape(self, shape: str) -> int:
        """Windows of one shape in all splits."""
        return sum(split.get(shape, 0) for split in self.counts.values())


def dataset_card(
    root: Path,
    namespace: str,
    configs: Sequence[DatasetConfig],
    results: Mapping[str, Mapping[str, Any]],
    *,
    name: str = "unitares-eisv-trajectories",
    source: str,
    from_anima: bool = True,
    agreement: Mapping[int, float] | None = None,
) -> str:
    """Render the dataset's card.

    Parameters
    ----------
    root
        The repository, with `dataset_card/`.
    namespace, name
        The repo.
    configs
        What is published; exactly one is the default.
    results
        As `load_results` gives them; needs `study/facts`.
    source
        A sentence: where the states come from.
    from_anima
        Whether they were read from Lumen's log, whose readings are mapped.
    agreement
        Share of the default config's labels that the last k states keep, by k, as counted on
        the data that are published.

    Raises
    ------
    InputError
        There is not exactly one default, a config has no windows, or a result is missing.
    """
    from huggingface_hub import DatasetCardData

    from ...trajectory.dataset.schema import features

    if sum(config.default for config in configs) != 1:
        raise InputError("dataset card: exactly one config must be the default")
    for config in configs:
        if config.n == 0 or set(config.files) != set(config.counts):
            raise InputError(
                f"dataset card, config {config.name}: give files and counts of the same splits, "
                "with at least one window"
            )
    typed = features()._to_yaml_list()
    data = DatasetCardData(
        license="apache-2.0",
        pretty_name="EISV trajectories",
        language="en",
        task_categories=["time-series-forecasting", "text-generation"],
        size_categories=[_size_category(sum(config.n for config in configs))],
        tags=["eisv", "trajectories", "time-series", "imitation-learning", "datasets"],
        configs=[_config_head(config) for config in configs],
        dataset_info=[  # copies, or YAML would write them as aliases of the first
            {"config_name": config.name, "features": deepcopy(typed)} for config in configs
        ],
    )
    text = render(
        "README.md.jinja",
        root / "dataset_card",
        metadata=data.to_yaml(line_break="\n").rstrip("\n"),
        namespace=namespace,
        name=name,
        configs=list(configs),
        main=next(config for config in configs if config.default),
        shapes=SHAPES,
        source=source,
        from_anima=from_anima,
        agreement=dict(agreement or {}),
        facts=results["study"]["facts"],
        results=results,
        table=markdown_table,
        min_datasets=MIN_DATASETS,
    )
    check_front_matter(text, "dataset")
    return text


def _config_head(config: DatasetConfig) -> dict[str, Any]:
    files = [{"split": split, "path": path} for split, path in config.files.items()]
    head: dict[str, Any] = {"config_name": config.name, "data_files": files}
    return head | ({"default": True} if config.default else {})


def _size_category(n: int) -> str:
    """Return the Hub's name for a number of rows, in steps of ten from a thousand to 10¹²."""
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    at = next((i for i in range(len(names)) if n < 10 ** (3 + i)), None)
    if at is None:
        return "n>1T"
    return f"{names[at - 1]}<n<{names[at]}" if at else "n<1K"
