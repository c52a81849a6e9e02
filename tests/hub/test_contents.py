"""What a run leaves, published: a stranger's script reads it from a folder and from the Hub."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from hub_double import HubDouble
from run_folders import LOG, recipe_of
from samples import FAST, on_disk
from test_growth import source
from typer.testing import CliRunner

from eisv_lumen.cli.teacher import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.core.files import read_json, write_json
from eisv_lumen.hub.contents.build import build_contents, left_out
from eisv_lumen.hub.contents.context import Material
from eisv_lumen.hub.publishing.plan import CARD, PublishPlan, make_plan
from eisv_lumen.hub.publishing.publish import to_folder, to_hub
from eisv_lumen.hub.publishing.repos import BASE, DATASET, TEACHER
from eisv_lumen.hub.syncing.sync import sync
from eisv_lumen.teacher.data.examples import prompt_ids
from eisv_lumen.teacher.models.load import load_teacher
from eisv_lumen.teacher.prompt.messages import messages, render_windows
from eisv_lumen.trajectory.dataset.schema import read_table, windows_from_table

ROOT = Path(__file__).parents[2]


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
    ten = load_dataset(dataset, "window_10")
    teacher = AutoModelForCausalLM.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer("warmth", return_tensors="pt").input_ids
    g = teacher.generation_config
    return [
        {name: split.num_rows for name, split in data.items()},
        {name: split.num_rows for name, split in ten.items()},
        [len(data["test"][0]["t"]), len(ten["test"][0]["t"])],
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
    assert on_disk(tmp_path) == on_hub and len(on_hub) == len(plan.repos) >= 4
    hub, folder = json.loads(script(STRANGER, tmp_path).stdout.splitlines()[-1])
    assert hub == folder
    sizes, shorter, lengths, shape, decoding, _ = hub
    assert set(sizes) == {"train", "validation", "test"} and sum(sizes.values()) > 120
    assert shorter == sizes and lengths == [20, 10]
    assert shape and decoding == [True, 1.0, 0, 1.0]


def test_every_configuration_grows_and_no_two_splits_of_any_share_a_state(
    here: HubDouble, plan: PublishPlan
) -> None:
    to_hub(plan, "ada", backoff=FAST)
    repo = here.repo("dataset", f"ada/{DATASET.name}")
    card = repo.files()["README.md"]
    assert b"Shards named `grown` were appended since then" in card
    outcome = sync(f"ada/{DATASET.name}", source(LOG), backoff=FAST)
    assert list(outcome.windows) == ["window_10", "window_15", "window_20"]
    assert all(45 <= n <= 52 for n in outcome.windows.values())  # less those that meet a split
    assert sync(f"ada/{DATASET.name}", source(LOG), backoff=FAST).status == "unchanged"
    assert repo.files()["README.md"] == card
    split_of: dict[float, str] = {}
    known = {tuple(LOG.t[i : i + w]) for w in (10, 15, 20) for i in range(0, 2001 - w, 10)}
    seen = set()
    for path, data in repo.files().items():
        if path.endswith(".parquet"):
            config, split = path.split("/")[0], path.split("/")[1].split("-")[0]
            for times in pq.read_table(io.BytesIO(data))["t"].to_pylist():
                assert tuple(times) in known and (config, times[0]) not in seen
                seen.add((config, times[0]))
                assert {split_of.setdefault(t, split) for t in times} == {split}
    for config in outcome.windows:  # all that came later is there, but for a border's width
        late = [t for name, t in seen if name == config and t >= LOG.t[1540]]
        assert len(late) == len(range(1540, 2001 - int(config.split("_")[1]), 10))


def test_a_teacher_holds_no_pickle(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run / "teacher", copy / "teacher")
    shutil.copy(run / "report.json", copy)
    (copy / "teacher/model/training_args.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"training_args\.bin: may hold a pickle"):
        build_contents(Material(ROOT, "ada", copy), ["teacher"])


@pytest.mark.parametrize("kind", ["run", "adapter_run"])
def test_what_the_teachers_card_tells_to_type_lets_it_speak(
    here: HubDouble, script: Any, request: pytest.FixtureRequest, kind: str
) -> None:
    """As typed, from the Hub, without this package; the prompt is the one it was trained with."""
    run = request.getfixturevalue(kind)
    plan = make_plan(build_contents(Material(ROOT, "ada", run), ["teacher"]), version="1.0")
    to_hub(plan, "ada", backoff=FAST)
    card = here.repo("model", f"ada/{TEACHER.name}").files()["README.md"].decode()
    code = card.split("```python\n")[1].split("```")[0]
    stranger = 'import sys\nsys.modules["eisv_lumen"] = None\nimport torch\ntorch.manual_seed(0)\n'
    tell = "\nimport json\nprint(json.dumps([messages, inputs['input_ids'][0].tolist()]))\n"
    *said, told = script(stranger + code + tell).stdout.splitlines()
    assert any("EISV_TOKENS:" in line for line in said), said
    asked, ids = json.loads(told)
    windows = windows_from_table(read_table(run / "evaluation.parquet").slice(0, 1))
    [prompt] = render_windows(windows, "compact")
    assert asked == messages(prompt)
    assert [ids] == prompt_ids(load_teacher(run / "teacher").tokenizer, [prompt])
    for line in card.split("## Reproduce")[1].split("```")[1].strip().splitlines():
        assert line.startswith("eisv-lumen "), line


def test_the_teachers_repo_says_how_it_was_made(plan: PublishPlan, run: Path) -> None:
    repo = next(repo for repo in plan.repos if repo.name == TEACHER)
    recipe = yaml.safe_load(repo.read("recipe.yaml"))
    assert recipe == recipe_of("tiny").model_dump(mode="json")
    assert json.loads(repo.read("training.json"))["recipe"] == recipe
    assert json.loads(repo.read("reports/demo.json"))["provenance"]["recipe"] == recipe
    assert repo.read("reports/demo.parquet") == (run / "evaluation.parquet").read_bytes()
    assert b"model-index" in repo.read("README.md")


def test_nothing_that_is_published_tells_where_it_was_made(
    here: HubDouble, run: Path, tmp_path: Path
) -> None:
    """Commands typed with whole paths, and a base that lay in a folder."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    args = ["evaluate", copy / "teacher", "--out", copy / "report.json", "--draws", 1]
    args += ["--data", copy / "evaluation.parquet"]
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    assert done.exit_code == 0, done.output
    assert str(tmp_path) not in (copy / "report.json").read_text()
    record = read_json(copy / "teacher/training.json")
    record["recipe"]["base"] = str(tmp_path / "base")
    write_json(copy / "teacher/training.json", record)
    parts = ["dataset", "teacher", "explorer"]
    to_hub(make_plan(build_contents(Material(ROOT, "ada", copy), parts), version="1"), "ada")
    repos = {id: repo.files() for (_, id), repo in here.store.repos.items()}
    assert len(repos) == 3
    report = json.loads(repos[f"ada/{TEACHER.name}"]["reports/report.json"])
    assert report["provenance"]["command"] == (
        "eisv-lumen teacher evaluate teacher --out report.json --data evaluation.parquet"
    )
    for id, files in repos.items():
        for path, data in files.items():
            assert str(tmp_path).encode() not in data, (id, path)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset: make it with `eisv-lumen data build"):
        build_contents(Material(ROOT, "ada"), ["dataset"])
    with pytest.raises(
        InputError, match=r"teacher.*: not there; make it with `eisv-lumen teacher train"
    ):
        build_contents(Material(ROOT, "ada", tmp_path), ["teacher"])
    parts = build_contents(Material(ROOT, "ada"))
    assert {"eisv_coherence", "explorer"} <= {name.name for name in parts}
    assert not {DATASET, TEACHER} & set(parts)


def test_a_folder_that_one_command_wrote_is_published_as_it_is(run: Path, tmp_path: Path) -> None:
    whole = build_contents(Material(ROOT, "ada", run), ["teacher", "dataset"])
    trained = tmp_path / "v4"
    shutil.copytree(run / "teacher", trained)
    given = Material(ROOT, "ada", trained)
    assert {"dataset", "lvm", "student", "teacher"} == set(left_out(given))
    assert f"teacher evaluate {trained} --out {trained}" in left_out(given)["teacher"]
    with pytest.raises(InputError, match="score the teacher first"):
        build_contents(given)
    with pytest.raises(InputError, match="nothing to publish there"):
        build_contents(Material(ROOT, "ada", tmp_path))
    for name in ("report.json", "evaluation.parquet"):
        shutil.copy(run / name, trained / name)
    assert {"dataset", "lvm", "student"} == set(left_out(given))
    alone = build_contents(given, ["teacher"])[TEACHER]
    assert alone.keys() == whole[TEACHER].keys() and alone[CARD] == whole[TEACHER][CARD]
    built = build_contents(Material(ROOT, "ada", run / "dataset"), ["dataset"])[DATASET]
    assert built.keys() == whole[DATASET].keys()


ADAPTER = """
import json, sys
sys.modules["eisv_lumen"] = None  # a stranger has not installed it
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

def logits(model, name):
    ids = AutoTokenizer.from_pretrained(name)("warmth", return_tensors="pt").input_ids
    return model(ids).logits.double().sum().item()

def read(base, adapter):  # as the card says
    model = AutoModelForCausalLM.from_pretrained(base)
    without = logits(model, base)
    model = PeftModel.from_pretrained(model, adapter)
    model.generation_config = GenerationConfig.from_pretrained(adapter)
    g = model.generation_config
    return [without, logits(model, adapter), [g.do_sample, g.temperature, g.top_k, g.top_p]]

names = ["eisv-lumen-teacher-base", "eisv-lumen-teacher"]
hub = read(*(f"ada/{name}" for name in names))
folder = read(*(f"{sys.argv[1]}/models/{name}" for name in names))
alone = AutoPeftModelForCausalLM.from_pretrained("ada/" + names[1])
print(json.dumps([hub, folder, logits(alone, "ada/" + names[1])]))
"""


def test_a_stranger_loads_an_adapter_whose_base_travels_along(
    here: HubDouble, tmp_path: Path, adapter_run: Path, script: Any
) -> None:
    contents = build_contents(Material(ROOT, "ada", adapter_run), ["teacher"])
    assert set(contents) == {TEACHER, BASE}
    adapter = make_plan(contents, version="1.0")
    to_folder(adapter, tmp_path)
    to_hub(adapter, "ada", backoff=FAST)
    on_hub = {
        f"{kind}s/{id.split('/')[1]}": repo.files() for (kind, id), repo in here.store.repos.items()
    }
    assert on_disk(tmp_path) == on_hub and len(on_hub) == 2
    for repo in on_hub.values():  # nothing tells where it was made
        assert not any(str(adapter_run.parent).encode() in data for data in repo.values())
    config = json.loads(on_hub["models/eisv-lumen-teacher"]["adapter_config.json"])
    assert config["base_model_name_or_path"] == "ada/eisv-lumen-teacher-base"
    hub, folder, auto = json.loads(script(ADAPTER, tmp_path).stdout.splitlines()[-1])
    without, taught, decoding = hub
    assert hub == folder and auto == taught != without
    assert decoding == [True, 1.0, 0, 1.0]


def test_an_adapter_that_nobody_else_could_load_is_not_published(
    adapter_run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(adapter_run / "teacher", copy / "teacher")
    shutil.copy(adapter_run / "report.json", copy)
    record = read_json(copy / "teacher/training.json")
    record["recipe"]["base"] = "tiny"
    write_json(copy / "teacher/training.json", record)
    with pytest.raises(InputError, match="'tiny' is no id of the Hub and no folder with config"):
        build_contents(Material(ROOT, "ada", copy), ["teacher"])
