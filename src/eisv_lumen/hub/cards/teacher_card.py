"""Cards of what is published: pure functions from results to text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...evaluation.metrics import listed
from ...evaluation.report import DecodedResult, EvalReport, Metric
from ...evaluation.tables import explain, listed_cells
from ...expression.vocabulary import SHAPES
from .front_matter import check_front_matter, is_hub_id
from .gradio_version import gradio_version
from .render import markdown_table, render

__all__ = [
    "base_card",
    "metric_card",
    "model_index",
    "teacher_card",
]


def teacher_card(
    root: Path,
    namespace: str,
    name: str,
    reports: Sequence[EvalReport],
    recipe: Mapping[str, Any],
    *,
    example: tuple[str, str],
    adapter: bool = False,
    temperature: float = 1.0,
    dataset: str = "unitares-eisv-trajectories",
    metric: str = "eisv_coherence",
) -> str:
    """Render a model's card; its `model-index` is written from the reports.

    Parameters
    ----------
    root
        The repository, with `model_card/`.
    namespace, name
        The repo.
    reports
        What the model scored, the main report first.
    recipe
        As in its YAML file, under the name that `teacher train` knows: `name`, `base`, `data`,
        `training`, `lora`.
    example
        A user message in the recipe's style, and what window it is of.
    adapter
        A PEFT adapter rather than a whole model.
    temperature
        That of the published generation config; every report has a result at it.
    dataset, metric
        Names of the other repos, in the same namespace.

    Raises
    ------
    InputError
        There is no report, or one lacks a result at that temperature.
    """
    from huggingface_hub import ModelCardData

    from ...study.facts import published_facts
    from ...teacher.evaluation.generate import MAX_NEW_TOKENS
    from ...teacher.prompt.messages import SYSTEM

    if not reports:
        raise InputError(f"card of {name}: no report; evaluate the model first")
    for report in reports:
        try:
            report.at(temperature)
        except KeyError as error:
            raise InputError(f"card of {name}: {error.args[0]}; evaluate it there") from error
    base = recipe["base"]
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        base_model=base if is_hub_id(base) else None,
        datasets=[f"{namespace}/{dataset}"],
        metrics=[f"{namespace}/{metric}"],
        tags=["eisv", "imitation", "trl", "sft", *(["lora"] if adapter else [])],
        widget=[{"messages": [{"role": "user", "content": example[0]}]}],
        model_name=name,
        eval_results=model_index(reports, f"{namespace}/{dataset}"),
    )
    text = render(
        "teacher.md.jinja",
        root / "model_card",
        metadata=data.to_yaml(line_break="\n").rstrip("\n"),
        namespace=namespace,
        name=name,
        reports=list(reports),
        main=reports[0],
        recipe=dict(recipe),
        links=published_facts()["links"],
        base_is_hub=is_hub_id(base),
        adapter=adapter,
        system=SYSTEM,
        prompt=example[0],
        prompt_is=example[1],
        max_new_tokens=MAX_NEW_TOKENS,
        temperature=temperature,
        dataset=dataset,
        metric=metric,
        explain=explain,
        listed=listed(),
        listed_cells=listed_cells,
        table=markdown_table,
    )
    check_front_matter(text, "model")
    return text


def base_card(root: Path, namespace: str, name: str, teacher: str, license: str) -> str:
    """Render the card of a base that is published because a teacher's adapter needs it."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        license=license,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["eisv", "base"],
    )
    text = render(
        "base.md.jinja",
        root / "model_card",
        metadata=data.to_yaml(line_break="\n").rstrip("\n"),
        namespace=namespace,
        name=name,
        teacher=teacher,
    )
    check_front_matter(text, "base")
    return text


def metric_card(root: Path, namespace: str, imitator: EvalReport) -> str:
    """Render the card of the metric's Space, `spaces/eisv_coherence/README.md.jinja`."""
    text = render(
        "README.md.jinja",
        root / "spaces" / "eisv_coherence",
        namespace=namespace,
        shapes=SHAPES,
        imitator=imitator,
        gradio_version=gradio_version(),
    )
    check_front_matter(text, "space")
    return text


_SHOWN: Final = {
    "macro_coherence": "Coherence, mean over shapes",
    "coherence": "Coherence",
    "macro_excess_nats": "Excess nats, mean over shapes",
    "excess_nats": "Excess nats",
    "valid_rate": "Valid rate",
} | {name: title.capitalize() for name, title in listed().items()}


def model_index(reports: Sequence[EvalReport], dataset: str) -> list[Any]:
    """Return the `EvalResult`s of a card: each report's main metrics under each decoding.

    The report and its windows, the decoding, and what a perfect imitator gets under it, stand in
    `metric_args`. No report is of a configuration of the dataset, so none is named; without one,
    huggingface_hub gathers all under the first one's dataset, whose name must then suit them all.
    """
    from huggingface_hub import EvalResult

    found = []
    for report in reports:
        for result in report.results:
            for name, title in _SHOWN.items():
                if name in result.metrics:
                    metric = result.metrics[name]
                    found.append(
                        EvalResult(
                            task_type="text-generation",
                            task_name="imitation of the voice",
                            dataset_type=dataset,
                            dataset_name="Windows of states; each metric names its own",
                            metric_type=name,
                            metric_name=f"{title} ({result.decoding.label}): {report.title}",
                            metric_value=round(metric.value, 4),
                            metric_args={
                                "report": report.name, "n": result.n, **_metric_args(result, metric)
                            },
                        )
                    )  # fmt: skip
    return found


def _metric_args(result: DecodedResult, metric: Metric) -> dict[str, Any]:
    args: dict[str, Any] = result.decoding.model_dump()
    width = () if metric.low == metric.high else ("low", "high")  # none says nothing
    for name in (*width, "floor", "perfect"):
        value = getattr(metric, name)
        if value is not None:
            args[name] = round(value, 4)
    return args
