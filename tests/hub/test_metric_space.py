"""The metric as a stranger uses it: from the Hub or a folder, with `evaluate` and NumPy alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_double import HubDouble
from samples import FAST, on_disk

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.law import ExpressionLaw
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.contents.build import build_contents
from eisv_lumen.hub.contents.context import Material
from eisv_lumen.hub.publishing.plan import PublishPlan, card_head, make_plan
from eisv_lumen.hub.publishing.publish import to_folder, to_hub
from eisv_lumen.hub.publishing.repos import METRIC

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan() -> PublishPlan:
    return make_plan(build_contents(Material(ROOT, "ada"), ["metric"]), version="1.0")


def test_the_space_holds_the_mathematics_byte_by_byte(plan: PublishPlan) -> None:
    [repo] = plan.repos
    assert set(repo.files) == {
        "README.md", "answer.py", "app.py", "coherence.py", "eisv_coherence.py", "intervals.py",
        "family.py", "law.py", "requirements.txt", "shapes.py", "vocabulary.py", ".eisv-lumen.json",
    }  # fmt: skip
    modules = ("shapes", "vocabulary", "law", "answer", "coherence", "intervals")
    for name in modules:
        source = ROOT / "src/eisv_lumen/expression" / f"{name}.py"
        assert repo.read(f"{name}.py") == source.read_bytes()
        imported = set(re.findall(r"^\s*from \.(\w+) import", source.read_text(), re.MULTILINE))
        assert imported <= set(modules)
    # evaluate fetches what eisv_coherence.py imports, and nothing further.
    own = (ROOT / "spaces/eisv_coherence/eisv_coherence.py").read_text()
    assert set(re.findall(r"^from \.(\w+) import", own, re.MULTILINE)) == set(modules)


def test_the_cards_head_is_a_spaces(plan: PublishPlan) -> None:
    head = card_head(plan.repos[0].read("README.md"))
    assert head["sdk"] == "gradio" and head["app_file"] == "app.py"
    assert re.fullmatch(r"6\.\d+\.\d+", head["sdk_version"])
    assert head["python_version"] == "3.11" and len(head["short_description"]) <= 60


def test_every_figure_of_the_card_is_that_of_its_results_file(plan: PublishPlan) -> None:
    text = plan.repos[0].read("README.md").decode()
    shown = dict(re.findall(r"^\| (T = [\d.]+|greedy) \| ([\d.]+) \|$", text, re.MULTILINE))
    results = json.loads((ROOT / "results/law/imitator.json").read_text())["results"]
    in_file = {
        r["decoding"]["temperature"]: r["metrics"]["macro_coherence"]["value"]
        for r in results
        if not r["decoding"].get("top_k") and r["decoding"].get("top_p") in (None, 1.0)
    }
    assert len(shown) == 5
    for name, figure in shown.items():
        value = in_file[0.0 if name == "greedy" else float(name.removeprefix("T = "))]
        assert figure == f"{value:.3f}"


def test_what_cannot_be_published_is_said() -> None:
    with pytest.raises(InputError, match="--only moon: use one of"):
        build_contents(Material(ROOT, "ada"), ["moon"])
    with pytest.raises(InputError, match="not the repository"):
        build_contents(Material(Path("/"), "ada"))


STRANGER = """
import doctest, json, sys
sys.modules["eisv_lumen"] = None  # a stranger has not installed it
import evaluate
import numpy as np

parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
card = parser.get_doctest(open(sys.argv[1]).read(), {}, "card", sys.argv[1], 0)
runner.run(card)
metric = evaluate.load("ada/eisv_coherence")
usage = metric.inputs_description.replace('load("eisv_coherence")', 'load("ada/eisv_coherence")')
runner.run(parser.get_doctest(usage, {}, "usage", "usage", 0))
print(json.dumps(runner.summarize()._asdict()))

said, shapes = json.load(open(sys.argv[2]))
strings = metric.compute(predictions=said, references=shapes, temperature=0.5, top_k=20)
lists = metric.compute(predictions=[s.split() for s in said], references=shapes,
                       temperature=0.5, top_k=20)
odd = metric.compute(predictions=["", "~warmth~ banana", "return"], references=["convergence"] * 3)
lists_odd = metric.compute(predictions=[[], ["return"]], references=["convergence"] * 2)
silent = metric.compute(predictions=["banana"], references=["convergence"])
answer = "EISV_TOKENS: ~stillness~ ~warmth~\\nLUMEN_TOKENS: quiet warm\\nPATTERN: PAIR"
broken = answer.replace("PAIR", "SONG")
mixed = metric.compute(predictions=[answer, ["stillness"], "~warmth~", broken], references=[8] * 4)
metric.add(prediction=["stillness"], reference=8)
metric.add_batch(predictions=["~warmth~"], references=np.array([8]))
added = metric.compute()
refused = []
for bad in (
    dict(predictions=["~warmth~"], references=["nowhere"]),
    dict(predictions=["~warmth~"], references=[9]),
    dict(predictions=[], references=[]),
    dict(predictions=["~warmth~"], references=[8, 8]),
    dict(predictions=[None], references=[8]),
):
    try:
        metric.compute(**bad)
    except ValueError as error:
        refused.append(str(error))
print(json.dumps([strings, strings == lists, odd, lists_odd, silent, mixed, added, refused]))
"""


def test_a_stranger_loads_it_from_the_hub(
    here: HubDouble, script: Any, tmp_path: Path, plan: PublishPlan
) -> None:
    to_hub(plan, "ada", backoff=FAST)
    card = tmp_path / "card.md"
    card.write_bytes(here.repo("space", "ada/eisv_coherence").files()["README.md"])
    rng = np.random.default_rng(0)
    shapes = rng.choice(SHAPES, 200).tolist()
    said = [" ".join(ExpressionLaw.initial(s).sample(1, rng)[0]) for s in shapes]
    (tmp_path / "said.json").write_text(json.dumps([said, shapes]))

    done = script(STRANGER, card, tmp_path / "said.json")
    doctests, results = map(json.loads, done.stdout.splitlines()[-2:])
    assert doctests["failed"] == 0 and doctests["attempted"] >= 8, done.stdout
    result, same, odd, lists_odd, silent, mixed, added, refused = results
    assert same

    # The reference: one expression at a time, from the tables.
    from eisv_lumen.expression.vocabulary import AFFINE_TOKENS

    scores = [
        np.mean([t in AFFINE_TOKENS[s] for t in e.split()])
        for e, s in zip(said, shapes, strict=True)
    ]
    assert result["coherence"] == pytest.approx(np.mean(scores))
    assert result["interval"][0] < result["coherence"] < result["interval"][1]
    perfect = [ExpressionLaw.initial(s).coherence(0.5, top_k=20) for s in shapes]
    assert result["perfect"] == pytest.approx(np.mean(perfect))
    floor = [len(AFFINE_TOKENS[s]) / 15 for s in shapes]
    assert result["floor"] == pytest.approx(np.mean(floor))
    assert sum(row["n"] for row in result["per_shape"].values()) == 200
    assert 0 < result["divergence"] < np.log(2) and 0 < result["diversity"] <= np.log(15)
    assert odd["coherence"] == pytest.approx(1 / 3) and odd["valid_rate"] == pytest.approx(1 / 3)
    assert (lists_odd["coherence"], lists_odd["diversity"]) == (0.5, 0.0)
    assert silent["divergence"] == pytest.approx(np.log(2))
    # A whole answer is half coherent, a list wholly, a text not, and a broken answer is silence.
    assert (mixed["coherence"], mixed["valid_rate"]) == (0.375, 0.75)
    assert added["coherence"] == 0.5 and added["per_shape"]["convergence"]["n"] == 2
    assert len(refused) == 5
    assert refused[0].startswith("unknown shapes ['nowhere']: use settled_presence")
    assert refused[1].startswith("unknown shapes [9]: use settled_presence")
    assert refused[2].startswith("nothing to score")
    assert "1 predictions, but 2 references" in refused[3]
    assert "None is no expression" in refused[4]


PAGE = """
import json, os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
sys.modules["eisv_lumen"] = None
sys.path.insert(0, sys.argv[1])
import app
from gradio_client import Client

page = app.build()
page.launch(prevent_thread_lock=True, quiet=True)
client = Client(page.local_url, verbose=False)
answer = client.predict(
    {"headers": ["expression", "shape"], "data": app.EXAMPLE}, 0.3, api_name="/score")
summary, table = answer[0], next(a for a in answer if isinstance(a, dict) and "data" in a)
said = []
for row in (["~warmth~", "moon"], ["~warmth~"]):
    try:
        client.predict({"headers": ["expression", "shape"][:len(row)], "data": [row]}, 1.0,
                       api_name="/score")
    except Exception as error:
        said.append(str(error))
page.close()
print(json.dumps([summary, table, said]))
"""


def test_its_own_page_works_from_the_folder(tmp_path: Path, script: Any, plan: PublishPlan) -> None:
    to_folder(plan, tmp_path / "out")
    done = script(PAGE, tmp_path / "out" / str(METRIC))
    summary, table, said = json.loads(done.stdout.splitlines()[-1])
    assert summary.startswith("**Coherence 0.875**")
    assert "a perfect imitator at T = 0.3 gets" in summary
    rows = {row[0]: row[1:] for row in table["data"]}
    assert rows["rising_entropy"][:2] == [1, "0.500"] and len(rows) == 4
    assert "unknown shapes ['moon']" in said[0]
    assert said[1] == "Each row needs two cells: an expression and its shape."


def test_folder_and_hub_hold_the_same_metric(
    here: HubDouble, tmp_path: Path, plan: PublishPlan
) -> None:
    to_folder(plan, tmp_path)
    to_hub(plan, "ada", backoff=FAST)
    assert on_disk(tmp_path) == {str(METRIC): here.repo("space", "ada/eisv_coherence").files()}
