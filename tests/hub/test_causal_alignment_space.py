"""The alignment metric as a stranger uses it, and a model with its card on the Hub double."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_double import HubDouble
from samples import FAST, on_disk

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import provenance
from eisv_lumen.hub.contents.build import build_contents
from eisv_lumen.hub.contents.context import Material
from eisv_lumen.hub.contents.lvm import CAUSAL_ALIGNMENT, LVM, lvm_card
from eisv_lumen.hub.publishing.plan import PublishPlan, card_head, make_plan
from eisv_lumen.hub.publishing.publish import to_folder, to_hub
from eisv_lumen.lvm.alignment.align import align
from eisv_lumen.lvm.alignment.articles import codes_of
from eisv_lumen.lvm.alignment.bootstrap import ArticleBootstrap
from eisv_lumen.lvm.alignment.calibrated_gates import calibrated_gates
from eisv_lumen.lvm.alignment.cross_fit import cross_read
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask
from eisv_lumen.lvm.alignment.report import read_alignment, write_alignment
from eisv_lumen.lvm.data.known_processes import ROTATION

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan() -> PublishPlan:
    contents = build_contents(Material(ROOT, "ada"), ["causal_alignment"])
    return make_plan(contents, version="1.0")


def test_the_space_holds_the_mathematics_byte_by_byte(plan: PublishPlan) -> None:
    [repo] = plan.repos
    room = ROOT / "src/eisv_lumen/lvm/alignment"
    metric = repo.read("causal_alignment.py").decode()
    fetched = set(re.findall(r"^from \.(\w+) import [^#\n]*$", metric, re.MULTILINE))
    assert {f"{name}.py" for name in fetched} <= set(repo.files)
    for name in fetched:
        folder = ROOT / "src/eisv_lumen/expression" if name == "intervals" else room
        source = (folder / f"{name}.py").read_bytes()
        # Beside one another, so the way to intervals is shorter.
        source = source.replace(b"from ...expression.intervals", b"from .intervals")
        assert repo.read(f"{name}.py") == source
        imported = set(re.findall(r"^\s*from \.(\w+) import", source.decode(), re.MULTILINE))
        assert imported <= fetched
        assert not re.search(r"^\s*from \.\.", source.decode(), re.MULTILINE)
    head = card_head(repo.read("README.md"))
    assert head["app_file"] == "app.py" and len(head["short_description"]) <= 60


STRANGER = """
import doctest, json, sys
sys.modules["eisv_lumen"] = None  # a stranger has not installed it
import evaluate
import numpy as np

parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
runner.run(parser.get_doctest(open(sys.argv[1]).read(), {}, "card", sys.argv[1], 0))
metric = evaluate.load("ada/causal_alignment")
usage = metric.inputs_description.replace('load("causal', 'load("ada/causal')
runner.run(parser.get_doctest(usage, {}, "usage", "usage", 0))
print(json.dumps(runner.summarize()._asdict()))

with np.load(sys.argv[2]) as file:
    given = {name: file[name] for name in file}
given["articles"] = [str(a) for a in given["articles"]]
rollout, null = given.pop("rollout"), given.pop("null")
matrix = given.pop("matrix")
predictions = given.pop("predictions")
answers = {name: [c[:, -1] @ matrix for c in those]
           for name, those in metric.questions(**given, seed=3).items()}
whole = metric.compute(predictions=predictions, answers=answers, rollout=rollout, seed=3, **given)
alone = metric.compute(predictions=predictions, nulls={"itself": predictions}, **given)
refused = []
for spoilt in (
    {"positions": given["positions"][::-1]},
    {"articles": ["one"] * len(predictions)},
    {"predictions": predictions[:, :3]},
    {"answers": {"moon": [predictions]}},
    {"rollout": rollout[:, :2]},
):
    try:
        metric.compute(**{**given, "predictions": predictions, **spoilt})
    except ValueError as error:
        refused.append(str(error))
print(json.dumps([whole, alone, refused]))
"""


def test_a_stranger_loads_it_from_the_hub(
    here: HubDouble, script: Any, tmp_path: Path, plan: PublishPlan
) -> None:
    to_hub(plan, "ada", backoff=FAST)
    card = tmp_path / "card.md"
    card.write_bytes(here.repo("space", "ada/causal_alignment").files()["README.md"])
    s = ROTATION.sample(12, 30, seed=0)
    matrix = 0.7 * ROTATION.turn(np.eye(s.dim, dtype=np.float32))
    model = Predictor("linear", predict=lambda c: c[:, -1] @ matrix)
    articles = articles_of(s)
    said = ask(model, articles, seed=3)
    names = [f"{code:02d}" for code in s.window_article]
    np.savez(
        tmp_path / "said.npz", predictions=said.vectors, references=s.targets(),
        contexts=s.contexts(), articles=names, positions=s.position[s.target_rows],
        rollout=said.rollout, null=s.contexts()[:, -1], matrix=matrix,
    )  # fmt: skip
    done = script(STRANGER, card, tmp_path / "said.npz")
    doctests, results = map(json.loads, done.stdout.splitlines()[-2:])
    assert doctests["failed"] == 0 and doctests["attempted"] >= 25, done.stdout
    whole, alone, refused = results

    # The reference: the package itself, on its own sequences.
    resamples = ArticleBootstrap(codes_of(articles), seed=3)
    gates = {g.name: g for g in calibrated_gates(cross_read(articles, said, {}, 3), resamples)}
    assert list(whole["gates"]) == list(gates) == ["G1", "G2", "G3", "G4", "G5"]
    for name, gate in gates.items():
        for field in ("value", "low", "high", "floor", "ceiling", "margin", "place"):
            found = whole["gates"][name][field]
            assert found == pytest.approx(getattr(gate, field), abs=2e-4), (name, field)
    assert whole["passed"] and list(whole["published"]) == ["A", "B", "C", "D"]
    assert whole["published"]["A"]["cos_next"][0] == pytest.approx(0.7, abs=0.03)
    assert alone["floor_name"] == "itself" and alone["margin"] == pytest.approx(0, abs=1e-9)
    assert list(alone["gates"]) == ["G1", "G2"] and not alone["passed"]
    for message, about in zip(
        refused,
        ("two examples show different chunks", "two examples show different chunks",
         "predictions (300, 3): it must be (300, 64)", "answers to ['moon']", "rollout (300, 2"),
        strict=True,
    ):  # fmt: skip
        assert about in message


PAGE = """
import json, os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
sys.modules["eisv_lumen"] = None
sys.path.insert(0, sys.argv[1])
import app
import numpy as np
from gradio_client import Client, handle_file

page = app.build()
page.launch(prevent_thread_lock=True, quiet=True)
client = Client(page.local_url, verbose=False)
rotation, walk = list(app.PROCESSES)[1], list(app.PROCESSES)[0]
found = [client.predict(rotation, p, api_name="/made")[0] for p in app.PREDICTORS]
best_on_walk = client.predict(walk, "the optimum", api_name="/made")[0]
given = app.examples(app.chain(60.0))
np.savez("own.npz", predictions=given["references"], **given)
np.savez("bad.npz", predictions=np.array([{}], dtype=object), **given)
own = client.predict(handle_file("own.npz"), api_name="/own")
np.savez("flat.npz", predictions=given["references"], **{**given, "articles": np.array("a")})
letters = np.array(["a"] * len(given["references"]))
np.savez("letters.npz", predictions=given["references"], **{**given, "positions": letters})
said = []
for path in ("bad.npz", "flat.npz", "letters.npz",
             app.__file__.replace("app.py", "requirements.txt")):
    try:
        client.predict(handle_file(path), api_name="/own")
    except Exception as error:
        said.append(str(error))
page.close()
print(json.dumps([found, best_on_walk, own[0], said]))
"""


def test_its_own_page_works_from_the_folder(tmp_path: Path, script: Any, plan: PublishPlan) -> None:
    to_folder(plan, tmp_path / "out")
    done = script(PAGE, tmp_path / "out" / str(CAUSAL_ALIGNMENT))
    found, walk, own, said = json.loads(done.stdout.splitlines()[-1])
    passes = ["It passes every gate read." in summary for summary in found]
    assert passes == [True, True, False, False, False]  # the optimum and the oracle alone
    assert "It does not pass." in walk  # nothing can there
    assert "It passes every gate read." in own and "496 windows of 16 articles" in own
    assert "Not an .npz of plain arrays" in said[0]
    assert said[1] == "articles (): give one for each prediction, (N,)."
    assert said[2] == "positions: give whole numbers, the place of each true next chunk."
    assert len(said) == 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trained (here: just built) model, and the report that was made of it."""
    torch = pytest.importorskip("torch")
    from eisv_lumen.lvm.models import MODELS
    from eisv_lumen.lvm.predictors.load import wrap

    folder = tmp_path_factory.mktemp("run") / "lvm"
    torch.manual_seed(0)
    model_class = MODELS["ranker"]
    model = model_class(model_class.config_class(dim=64)).eval()
    model.save_pretrained(folder / "model")
    (folder / "training.json").write_text(
        json.dumps({"recipe": {"name": "ranker", "model": {"type": "ranker"}}, "seed": 0})
    )
    sets = {name: ROTATION.sample(10, 20, seed=i) for i, name in enumerate(("validation", "test"))}
    report = align(wrap(model, "ranker"), **sets, provenance=provenance("a test", seed=0))
    write_alignment(report, folder / "report.json")
    return folder.parent


def test_a_model_comes_back_from_the_hub_with_the_same_scores(
    here: HubDouble, run: Path, tmp_path: Path
) -> None:
    from eisv_lumen.lvm.models import load_predictor
    from eisv_lumen.lvm.predictors.predict import predict, score_pool

    plan = make_plan(build_contents(Material(ROOT, "ada", run), ["lvm"]), version="1.0")
    to_hub(plan, "ada", backoff=FAST)
    to_folder(plan, tmp_path / "out")
    published = here.repo("model", f"ada/{LVM.name}").files()
    assert on_disk(tmp_path / "out")[str(LVM)] == published
    s = ROTATION.sample(2, 12, seed=5)
    local, remote = load_predictor(run / "lvm"), load_predictor(f"ada/{LVM.name}")
    assert np.array_equal(predict(local, s.contexts()), predict(remote, s.contexts()))
    pool = s.vectors[:12]
    assert np.array_equal(
        score_pool(local, s.contexts(), pool), score_pool(remote, s.contexts(), pool)
    )


def test_every_figure_of_the_card_is_that_of_the_report(run: Path) -> None:
    contents = build_contents(Material(ROOT, "ada", run), ["lvm"])
    card = contents[LVM]["README.md"]
    assert isinstance(card, bytes)
    head, text = card_head(card), card.decode()
    report = read_alignment(run / "lvm" / "report.json")
    shown = {m["type"]: m["value"] for r in head["model-index"][0]["results"] for m in r["metrics"]}
    assert list(shown.values()) == [round(g.value, 4) for g in report.gates]
    for gate in report.gates:
        row = next(line for line in text.splitlines() if line.startswith(f"| {gate.name} "))
        for number in (gate.value, gate.low, gate.high, gate.floor, gate.ceiling):
            assert f"{number:.3f}".replace("-", "−") in row
        for number in (gate.margin, gate.margin_low, gate.margin_high):
            assert f"{number:+.3f}".replace("-", "−") in row
    first = report.gates[0]
    ends = ", ".join(f"{n:+.3f}" for n in (first.margin_low, first.margin_high)).replace("-", "−")
    assert f"bits\n[{ends}]." in text
    data = head["model-index"][0]["results"][0]["dataset"]
    assert re.fullmatch(r"[\w.-]+", data["type"])
    assert f": {report.sets['test'].windows} windows of" in data["name"]
    again = build_contents(Material(ROOT, "ada", run), ["lvm"])
    assert again[LVM]["README.md"] == card


def test_nothing_published_says_where_a_machine_keeps_its_files(run: Path, tmp_path: Path) -> None:
    home = tmp_path / "ada" / "secret"
    shutil.copytree(run / "lvm", home / "p1")
    report = json.loads((home / "p1" / "report.json").read_text())
    report["sets"]["test"] |= {"name": f"{home}/seq/test, wiki", "encoder": f"{home}/gtr"}
    typed = f"eisv-lumen lvm align {home}/p1 --test={home}/seq/test --null ~/p1-shuffled"
    report["provenance"] |= {"command": typed, "model": {"model": f"{home}/p1"}}
    (home / "p1" / "report.json").write_text(json.dumps(report))
    record = json.loads((home / "p1" / "training.json").read_text())
    part = {"sha256": "0", "articles": 3, "windows": 9, "encoder": f"{home}/gtr"}
    record |= {"data": {"train": part, "validation": part}}
    (home / "p1" / "training.json").write_text(json.dumps(record))
    files = build_contents(Material(ROOT, "ada", home / "p1"), ["lvm"])[LVM]
    texts = [files[name] for name in ("README.md", "training.json", "report.json")]
    assert all(isinstance(text, bytes) and b"secret" not in text for text in texts)
    said = json.loads(texts[2])
    assert said["provenance"]["command"] == (
        "eisv-lumen lvm align p1 --test=test --null p1-shuffled"
    )
    assert said["gates"] == report["gates"]
    assert (said["sets"]["test"]["name"], said["provenance"]["model"]["model"]) == (
        "test, wiki", "p1",
    )  # fmt: skip


def test_what_a_model_lacks_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lvm: .*not there"):
        build_contents(Material(ROOT, "ada", tmp_path), ["lvm"])
    report = read_alignment(run / "lvm" / "report.json")
    trained = run / "lvm"  # as `lvm train` and `lvm align` leave it, without a demo around it
    given = build_contents(Material(ROOT, "ada", trained), ["lvm"])
    assert given == build_contents(Material(ROOT, "ada", run), ["lvm"])
    (tmp_path / "model").symlink_to(trained / "model")
    with pytest.raises(InputError, match=r"training\.json: not there; train it"):
        build_contents(Material(ROOT, "ada", tmp_path), ["lvm"])
    (tmp_path / "training.json").symlink_to(trained / "training.json")
    with pytest.raises(InputError, match=r"report\.json: not there; test the model: `eisv-lumen"):
        build_contents(Material(ROOT, "ada", tmp_path), ["lvm"])
    with pytest.raises(InputError, match="no recipe"):
        lvm_card(ROOT, "ada", "x", report, {})
    assert LVM not in build_contents(Material(ROOT, "ada"), ["causal_alignment"])
