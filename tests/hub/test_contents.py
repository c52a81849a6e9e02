"""What a run leaves, published: a stranger's script reads it from a folder and from the Hub."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hub_double import HubDouble
from samples import FAST, on_disk
from test_growth import part, series, source

from eisv_lumen.errors import InputError
from eisv_lumen.evaluation.baselines import initial
from eisv_lumen.evaluation.protocol import DECODINGS, Spoken, score
from eisv_lumen.evaluation.report import EvalReport, provenance, write_report
from eisv_lumen.expression.vocabulary import pattern_of
from eisv_lumen.files import write_json
from eisv_lumen.hub.contents import DATASET, TEACHER, Material, build_contents
from eisv_lumen.hub.plan import PublishPlan, make_plan
from eisv_lumen.hub.publish import to_folder, to_hub
from eisv_lumen.hub.sync import sync
from eisv_lumen.trajectory.dataset import build, write_parquet
from eisv_lumen.trajectory.splits import split

ROOT = Path(__file__).parents[2]
LOG = replace(series(2000), agent="lumen")
RECIPE = {
    "name": "demo", "note": "", "base": "tiny", "model": {"num_hidden_layers": 1},
    "data": {"source": "synthetic", "window": 20, "style": "compact", "target": "initial"},
    "training": {"max_steps": 1}, "lora": None,
}  # fmt: skip


def report() -> EvalReport:
    """The law itself, scored by the real protocol."""
    shapes = np.arange(90, dtype=np.int8) % 9
    rng = np.random.default_rng(0)
    results = []
    for decoding in DECODINGS:
        said = [initial()[c].tempered(decoding.temperature).sample(1, rng)[0] for c in shapes]
        spoken = Spoken(said, [pattern_of(e) for e in said])
        results.append(score(spoken, shapes, initial(), decoding, excess_nats=np.zeros(90)))
    return EvalReport(
        kind="measured", name="demo", title="a teacher", target="initial", note="",
        results=results, provenance=provenance("eisv-lumen demo", seed=0, recipe=RECIPE),
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the demo leaves it, with an untrained teacher."""
    from eisv_lumen.teacher.base_models import load_base

    folder = tmp_path_factory.mktemp("run")
    table = build(source(part(LOG, 0, 1500)))
    for name, rows in split(table, seed=0).items():
        write_parquet(folder / "dataset" / "window_20" / f"{name}.parquet", table.take(rows))
    model, tokenizer = load_base("tiny", "compact", 0, {"num_hidden_layers": 1})
    for saved in (model, tokenizer):
        saved.save_pretrained(folder / "teacher" / "model")
    write_json(folder / "teacher" / "training.json", {"recipe": RECIPE})
    write_report(report(), folder / "report.json")
    return folder


@pytest.fixture(scope="module")
def plan(run: Path) -> PublishPlan:
    return make_plan(build_contents(Material(ROOT, "ada", run)), version="1.0")


STRANGER = """
import json, sys
sys.modules["eisv_lumen"] = None  # a stranger has not installed it
import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

def read(dataset, model):
    data = load_dataset(dataset)
    teacher = AutoModelForCausalLM.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer("warmth", return_tensors="pt").input_ids
    g = teacher.generation_config
    return [
        {name: split.num_rows for name, split in data.items()},
        data["train"].features["shape"].int2str(data["train"][0]["shape"]),
        [g.do_sample, g.temperature, g.top_k, g.top_p],
        teacher(ids).logits.double().sum().item(),
    ]

names = ["unitares-eisv-trajectories", "eisv-lumen-teacher"]
hub = read(*(f"ada/{name}" for name in names))
folder = read(f"{sys.argv[1]}/datasets/{names[0]}", f"{sys.argv[1]}/models/{names[1]}")
print(json.dumps([hub, folder]))
"""


def test_a_stranger_reads_both_and_finds_the_same(
    here: HubDouble, tmp_path: Path, plan: PublishPlan, script: Any
) -> None:
    assert {o.status for o in to_folder(plan, tmp_path)} == {"published"}
    assert {o.status for o in to_hub(plan, "ada", backoff=FAST)} == {"published"}
    on_hub = {
        f"{kind}s/{id.split('/')[1]}": repo.files() for (kind, id), repo in here.store.repos.items()
    }
    assert on_disk(tmp_path) == on_hub and len(on_hub) == 4
    hub, folder = json.loads(script(STRANGER, tmp_path).stdout.splitlines()[-1])
    assert hub == folder
    sizes, shape, decoding, _ = hub
    assert set(sizes) == {"train", "validation", "test"} and sum(sizes.values()) > 120
    assert shape and decoding == [True, 1.0, 0, 1.0]


def test_the_published_dataset_grows_and_its_splits_share_no_state(
    here: HubDouble, plan: PublishPlan
) -> None:
    to_hub(plan, "ada", backoff=FAST)
    outcome = sync(f"ada/{DATASET.name}", source(LOG), backoff=FAST)
    assert 45 <= outcome.windows["window_20"] <= 50  # 50, less those that meet another split
    spans: dict[str, list[tuple[float, float]]] = {}
    for path, data in here.repo("dataset", f"ada/{DATASET.name}").files().items():
        if path.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(data))
            pairs = zip(table["t_start"].to_pylist(), table["t_end"].to_pylist(), strict=True)
            spans.setdefault(path.split("/")[1].split("-")[0], []).extend(pairs)
    for a in spans["train"]:
        for other in ("validation", "test"):
            assert all(a[1] < b[0] or b[1] < a[0] for b in spans[other])


def test_a_teacher_holds_no_pickle(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "teacher/model/training_args.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"training_args\.bin: may hold a pickle"):
        build_contents(Material(ROOT, "ada", copy), ["teacher"])


def test_the_teachers_repo_says_how_it_was_made(plan: PublishPlan) -> None:
    repo = next(repo for repo in plan.repos if repo.name == TEACHER)
    assert yaml.safe_load(repo.read("recipe.yaml")) == RECIPE
    assert json.loads(repo.read("reports/demo.json"))["name"] == "demo"
    assert b"model-index" in repo.read("README.md")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset: give a folder that `eisv-lumen demo`"):
        build_contents(Material(ROOT, "ada"), ["dataset"])
    with pytest.raises(InputError, match=r"teacher/model: not there"):
        build_contents(Material(ROOT, "ada", tmp_path), ["teacher"])
    parts = build_contents(Material(ROOT, "ada"))
    assert [name.name for name in parts] == ["eisv_coherence", "explorer"]
