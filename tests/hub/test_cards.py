"""Cards: valid heads, tables from the files that they claim to show, and nothing typed in."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub.repocard_data import (
    eval_results_to_model_index,
    model_index_to_eval_results,
)
from law_report import law_report

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import EvalReport
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.cards.dataset_card import DatasetConfig, dataset_card
from eisv_lumen.hub.cards.front_matter import check_front_matter, is_hub_id
from eisv_lumen.hub.cards.render import load_results
from eisv_lumen.hub.cards.teacher_card import metric_card, model_index, teacher_card
from eisv_lumen.hub.contents.wheel import build_wheel

ROOT = Path(__file__).parents[2]
RESULTS = load_results(ROOT / "results")
COUNTS = {shape: 10 * (i + 1) for i, shape in enumerate(SHAPES)}
CONFIGS = [
    DatasetConfig(
        "w20", 20, 10, {"train": "w20/train/*.parquet", "test": "w20/test/*.parquet"},
        {"train": COUNTS, "test": {"convergence": 1234}}, default=True,
    ),
    DatasetConfig("w15", 15, 10, {"train": "w15/train/*.parquet"}, {"train": COUNTS}),
]  # fmt: skip
RECIPE: dict[str, Any] = {
    "name": "tiny-v4", "base": "tiny",
    "data": {"source": "synthetic", "window": 20, "style": "compact", "target": "initial"},
    "training": {"num_train_epochs": 7, "learning_rate": 3e-3}, "lora": None,
}  # fmt: skip


REPORT = law_report()
EXAMPLE: dict[str, Any] = {"example": ("SHAPE: convergence\nWINDOW: n=20 T=40", "of a test")}


def cards() -> dict[str, str]:
    agreement = {4: 0.6789, 8: 0.75, 10: 0.8, 15: 0.9, 20: 1.0}
    return {
        "dataset": dataset_card(
            ROOT, "ada", CONFIGS, RESULTS, source="States of a test.", agreement=agreement
        ),
        "model": teacher_card(
            ROOT, "ada", "eisv-teacher-tiny", [REPORT, law_report(1)], RECIPE, **EXAMPLE
        ),
        "space": metric_card(ROOT, "ada", RESULTS["law"]["imitator"]),
    }


CARDS = cards()


def test_the_same_input_gives_the_same_card() -> None:
    assert cards() == CARDS


@pytest.mark.parametrize("kind", ["dataset", "model", "space"])
def test_a_card_has_a_valid_head_and_no_hole(kind: Any) -> None:
    text = CARDS[kind]
    assert check_front_matter(text, kind)["license"] == "apache-2.0"
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"TODO|PLACEHOLDER|\{\{|\{%|Undefined|nan\b", text)
    assert not re.search(r"None\b", prose)


def test_the_dataset_card_counts_what_is_published() -> None:
    text = CARDS["dataset"]
    head = check_front_matter(text, "dataset")
    assert head["size_categories"] == ["1K<n<10K"] and "*id" not in text
    assert [c["config_name"] for c in head["configs"]] == ["w20", "w15"]
    assert [c.get("default") for c in head["configs"]] == [True, None]
    assert "| w20 | test | 20 | 10 | 1,234 |" in text
    row = next(line for line in text.splitlines() if line.startswith("| `convergence`"))
    n = sum(COUNTS.values())
    cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
    assert cells[:2] == [
        f"1,324 ({100 * 1324 / (n + 1234):.1f} %)",
        f"{COUNTS['convergence']} ({100 * 90 / n:.1f} %)",
    ]
    assert cells[-1] == "41.45 %"
    assert "| 4 | 65 % | 67.9 % |" in text
    assert "datasets >= 4.0" in text


def test_datasets_reads_the_features_that_the_card_states(tmp_path: Path) -> None:
    from datasets import Features, load_dataset

    from eisv_lumen.trajectory.dataset.schema import features, synthesize, write_parquet

    table = synthesize(dict.fromkeys(SHAPES, 2), seed=3)
    config = DatasetConfig(
        "w20", 20, 10, {"train": "w20/train/*.parquet"},
        {"train": dict.fromkeys(SHAPES, 2)}, default=True,
    )  # fmt: skip
    write_parquet(tmp_path / "w20" / "train" / "0.parquet", table)
    card = dataset_card(ROOT, "ada", [config], RESULTS, source="Synthetic.")
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    head = check_front_matter(card, "dataset")
    assert Features._from_yaml_list(head["dataset_info"][0]["features"]) == features()
    loaded = load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].features == features()
    assert loaded["train"].num_rows == 18


@pytest.mark.parametrize("kind", ["lvm", "student", "teacher"])
def test_a_card_that_uses_the_package_says_where_it_comes_from(kind: str) -> None:
    template = (ROOT / "model_card" / f"{kind}.md.jinja").read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", template, re.DOTALL)
    assert any('{% include "install.md.jinja" %}' in block for block in blocks)


def test_the_package_comes_from_the_space_that_carries_it() -> None:
    lines = CARDS["model"].splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("pip install "))
    fetch, install = lines[at - 1 : at + 1]
    assert fetch.startswith("hf download ada/explorer --repo-type space --include ")
    pattern = install.removeprefix("pip install ")
    assert f'"{pattern}"' in fetch and fnmatch(build_wheel(ROOT)[0], pattern)


def test_the_model_index_is_the_reports() -> None:
    head = check_front_matter(CARDS["model"], "model")
    (entry,) = head["model-index"]
    assert entry["name"] == "eisv-teacher-tiny"
    (result,) = entry["results"]
    reports = {report.name: report for report in (REPORT, law_report(1))}
    for shown in result["metrics"]:
        args = shown["args"]
        wanted = reports[args["report"]]
        decoding = {key: args[key] for key in ("top_k", "top_p")}
        found = wanted.at(args["temperature"], **decoding)
        metric = found.metrics[shown["type"]]
        assert shown["name"].endswith(f": {wanted.title}") and args["n"] == found.n
        assert shown["value"] == round(metric.value, 4)
        assert args["perfect"] == round(metric.perfect, 4)
    assert len(result["metrics"]) == 2 * (6 * 3 + 2)


def test_the_hub_loses_and_merges_no_result_and_finds_no_configuration_that_is_not() -> None:
    """The two reports have the same metrics under the same decodings."""
    given = model_index([REPORT, law_report(1)], "ada/windows")
    again = model_index_to_eval_results(eval_results_to_model_index("tiny", given))[1]
    assert again == given
    assert not any(a.is_equal_except_value(b) for a, b in combinations(again, 2))
    assert {result.dataset_config for result in again} == {None}


def test_each_figure_of_the_model_card_is_one_of_its_reports() -> None:
    known = {f"{x:.{d}f}" for r in (REPORT, law_report(1)) for x in numbers(r) for d in (1, 3, 4)}
    known |= {"0.003"}  # the recipe's learning rate
    body = re.sub(r"\A---\n.*?\n---\n", "", CARDS["model"], flags=re.DOTALL)
    body = body.split("## How it was trained", maxsplit=1)[0]
    shown = set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", body))
    settings = {"0.7", "0.5", "0.3", "0.95"}  # decodings
    limits = {"0.02", "0.05"}  # what the gates ask
    assert shown - known - settings - limits == set()
    assert len(shown) > 40


def numbers(value: Any) -> list[float]:
    """Every number of a report."""
    if isinstance(value, EvalReport):
        return numbers(value.model_dump())
    if isinstance(value, dict):
        return [x for item in value.values() for x in numbers(item)]
    if isinstance(value, list):
        return [x for item in value for x in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


def test_a_base_is_named_only_if_the_hub_has_it() -> None:
    assert is_hub_id("Qwen/Qwen3-4B")
    assert not any(map(is_hub_id, ("tiny", "/tmp/base", "./base", "runs/v4/checkpoint", "../b")))
    recipe = {**RECIPE, "base": "Qwen/Qwen3-4B", "lora": {"r": 16, "target_modules": ["q", "v"]}}
    text = teacher_card(ROOT, "ada", "adapter", [REPORT], recipe, adapter=True, **EXAMPLE)
    head = check_front_matter(text, "model")
    assert (head["base_model"], head["library_name"]) == ("Qwen/Qwen3-4B", "peft")
    assert "PeftModel.from_pretrained" in text
    assert "| LoRA `target_modules` | q, v |" in text
    assert "base_model" not in check_front_matter(CARDS["model"], "model")


def test_what_a_card_needs_is_asked_for_by_name() -> None:
    with pytest.raises(InputError, match="no report; evaluate the model first"):
        teacher_card(ROOT, "ada", "m", [], RECIPE, **EXAMPLE)
    with pytest.raises(InputError, match=r"no result at T = 0\.25"):
        teacher_card(ROOT, "ada", "m", [REPORT], RECIPE, temperature=0.25, **EXAMPLE)
    with pytest.raises(InputError, match="exactly one config must be the default"):
        dataset_card(ROOT, "ada", CONFIGS[1:], RESULTS, source="")
    empty = DatasetConfig("w4", 4, 2, {"train": "*.parquet"}, {"train": {}}, default=True)
    with pytest.raises(InputError, match="config w4"):
        dataset_card(ROOT, "ada", [empty], RESULTS, source="")


HEADS: dict[str, dict[str, Any]] = {
    kind: check_front_matter(text, kind)  # type: ignore[arg-type]
    for kind, text in CARDS.items()
} | {"post": {"title": "A", "thumbnail": "/t.png", "authors": [{"user": "ada"}]}}


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("space", {"colorFrom": "orange"}, "colorFrom: 'orange' is none of red"),
        ("space", {"sdk": "streamlit"}, "sdk: 'streamlit' is none of gradio"),
        ("space", {"sdk_version": 6.31}, "sdk_version: a float cannot stand here"),
        ("space", {"python_version": 3.11}, "python_version: a float cannot"),
        ("space", {"short_description": "x" * 61}, "short_description: longer than 60"),
        ("space", {"app_file": None}, "app_file: a NoneType cannot"),
        ("dataset", {"license": "Apache 2"}, "license: 'Apache 2' is no name of a license"),
        ("dataset", {"size_categories": ["10K"]}, "size_categories: '10K' is none of"),
        ("dataset", {"task_categories": "other"}, "task_categories: a str cannot"),
        ("dataset", {"configs": [{"config_name": "a"}]}, r"configs\[0\]: needs"),
        ("dataset", {"configs": []}, "configs: is empty"),
        ("model", {"base_model": "/tmp/tiny"}, "base_model: '/tmp/tiny' is no id"),
        ("model", {"library_name": "torch"}, "library_name: 'torch' is none of"),
        ("model", {"model-index": [{"name": "a"}]}, r"model-index\[0\]: needs name and results"),
        ("model", {"model-index": [{"name": "a", "results": [{"task": {}}]}]}, r"results\[0\]"),
        ("post", {"authors": ["ada"]}, r"authors\[0\]: needs user"),
        ("post", {"title": ""}, "title: is empty"),
    ],
)
def test_a_bad_head_is_refused_by_its_key(kind: Any, change: dict[str, Any], message: str) -> None:
    good = HEADS[kind]
    check_front_matter(f"---\n{yaml.safe_dump(good)}---\n", kind)
    with pytest.raises(InputError, match=message):
        check_front_matter(f"---\n{yaml.safe_dump({**good, **change})}---\n", kind)


@pytest.mark.parametrize("key", ["license", "tags", "configs"])
def test_a_missing_key_is_named(key: str) -> None:
    head = {k: v for k, v in HEADS["dataset"].items() if k != key}
    with pytest.raises(InputError, match=f"dataset card, {key}: missing"):
        check_front_matter(f"---\n{yaml.safe_dump(head)}---\n", "dataset")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# no head\n", "no front matter"),
        ("---\na: [1\n---\n", "not YAML"),
        ("---\n- a\n---\n", "must be a mapping"),
    ],
)
def test_a_head_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_front_matter(text, "model")


@pytest.mark.parametrize(
    ("n", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (999_999, "100K<n<1M"),
     (10**7, "10M<n<100M"), (5 * 10**8, "100M<n<1B"), (10**9, "1B<n<10B"), (10**12, "n>1T")],
)  # fmt: skip
def test_datasets_of_every_size_have_the_hubs_name_for_it(n: int, name: str) -> None:
    from eisv_lumen.hub.cards.dataset_card import _size_category
    from eisv_lumen.hub.cards.front_matter import _SIZES

    assert _size_category(n) == name in _SIZES


@pytest.mark.parametrize("license", ["llama3.2", "gemma", "cc-by-nc-4.0", "openrail++", "other"])
def test_bases_of_any_license_of_the_hub_are_published(license: str) -> None:
    from eisv_lumen.hub.cards.front_matter import check_front_matter

    text = (
        f"---\nlicense: {license}\nlibrary_name: transformers\npipeline_tag: text-generation\n"
        "tags: [x]\n---\n"
    )
    assert check_front_matter(text, "base")["license"] == license
    with pytest.raises(InputError, match="no name of a license"):
        check_front_matter(text.replace(license, "Apache License"), "base")
