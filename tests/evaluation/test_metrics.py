"""A metric is one entry: added to a copy of the package, it is shown wherever metrics are."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import eisv_lumen
from eisv_lumen.evaluation.baselines import initial, prompt_conditioned
from eisv_lumen.evaluation.exact import exact_result
from eisv_lumen.evaluation.metrics import METRICS, titles
from eisv_lumen.evaluation.report import Decoding
from eisv_lumen.evaluation.scoring import DECODINGS, Spoken, score, score_laws
from eisv_lumen.expression.law import EXPRESSIONS
from eisv_lumen.expression.vocabulary import SHAPES, pattern_of

ROOT = Path(__file__).parents[2]
LAWS = initial()

ENTRY = """METRICS: tuple[Measure, ...] = (
    Measure(
        "n_tokens", "tokens an expression",
        lambda said: said.tokens().sum(1), macro=True, ceiling=3.0,
    ),"""

USE = f"""
import json, sys
sys.path[:0] = [{str(ROOT / "spaces" / "explorer")!r}]
import numpy as np
from pathlib import Path
from eisv_lumen.evaluation.baselines import initial
from eisv_lumen.evaluation.exact import exact_result
from eisv_lumen.evaluation.metrics import law_rows
from eisv_lumen.evaluation.report import EvalReport, provenance
from eisv_lumen.evaluation.scoring import DECODINGS, Spoken, score, score_laws
from eisv_lumen.evaluation.tables import BRIEF_COLUMNS, brief_rows, metric_rows
from eisv_lumen.hub.cards.teacher_card import model_index, teacher_card
from eisv_lumen.hub.figures.style import by_temperature
from eisv_lumen.teacher.recipe import load_recipe
laws = initial()
shapes = np.repeat(np.arange(len(laws)), 4).astype(np.int8)
said = Spoken([("ripple",), ("warmth", "return")] * 18, ["SINGLE", "PAIR"] * 18)
drawn = [score(said, shapes, laws, d, excess_nats=None if d.temperature == 0 else np.ones(36))
         for d in DECODINGS]
law = score_laws(law_rows(laws)[shapes], shapes, laws, DECODINGS[0])
exact = exact_result(laws, DECODINGS[0], laws)
report = EvalReport(kind="measured", name="toy", title="Toy", target="initial", results=drawn,
                    provenance=provenance("toy"))
recipe = dict(name="toy", base="toy", data={{}}, training={{}}, lora=None)
figure = by_temperature(report).decode()
from eisv_lumen.hub.figures import style
json.dump(dict(
    drawn=drawn[0].metrics["n_tokens"].model_dump(), law=law.metrics["n_tokens"].model_dump(),
    macro="macro_n_tokens" in drawn[0].metrics,
    shape=drawn[0].per_shape["convergence"]["n_tokens"].value,
    exact=exact.metrics["macro_n_tokens"].model_dump(),
    brief=[BRIEF_COLUMNS[-1], brief_rows(report)[0][-1]],
    full=[row[1] for row in metric_rows(report)][:2],
    card=[r.metric_name for r in model_index([report], "o/d")
          if r.metric_type == "macro_n_tokens"][:1],
    panels=figure.count('id="axes_'), space=__import__("tabs.results", fromlist=["x"]).LISTED,
), sys.stdout)
"""


@pytest.mark.slow
def test_a_new_metric_is_one_entry(tmp_path):
    pytest.importorskip("gradio")
    shutil.copytree(Path(eisv_lumen.__file__).parent, tmp_path / "eisv_lumen")
    file = tmp_path / "eisv_lumen" / "evaluation" / "metrics.py"
    text = file.read_text(encoding="utf-8")
    assert text.count("METRICS: tuple[Measure, ...] = (") == 1
    file.write_text(text.replace("METRICS: tuple[Measure, ...] = (", ENTRY), encoding="utf-8")
    done = subprocess.run(  # noqa: PLW1510
        [sys.executable, "-c", USE], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    length = np.array([len(e) for e in EXPRESSIONS])
    expected = np.mean([law.pmf @ length for law in LAWS])
    assert found["drawn"]["value"] == 1.5 == found["shape"] and found["macro"]
    assert found["drawn"]["low"] < 1.5 < found["drawn"]["high"]
    assert found["law"]["value"] == pytest.approx(expected) == found["law"]["perfect"]
    assert found["exact"]["value"] == pytest.approx(expected)
    assert 1 < found["exact"]["floor"] < found["exact"]["ceiling"] == 3
    assert found["brief"][0] == "tokens an expression" and found["brief"][1].startswith("1.500 [")
    assert found["full"] == ["tokens an expression", "tokens an expression, mean over shapes"]
    assert found["card"] == ["Tokens an expression (T = 1): Toy"]
    assert found["panels"] == 3  # coherence, excess nats, and this one
    assert found["space"] == ["n_tokens"]


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda d: d.label)
def test_words_of_a_law_score_as_the_law_does(decoding: Decoding):
    """One computation: many draws of a speaker give what its whole law gives."""
    speaker = prompt_conditioned()
    exact = exact_result(speaker, decoding, LAWS)
    n = 400
    shapes = np.repeat(np.arange(len(SHAPES)), n).astype(np.int8)
    hot = [law.tempered(decoding.temperature) for law in speaker]
    said = [e for k, law in enumerate(hot) for e in law.sample(n, k)]
    drawn = score(Spoken(said, [pattern_of(e) for e in said]), shapes, LAWS, decoding)
    pmf = np.repeat(np.stack([law.pmf for law in speaker]), 3, axis=0)
    whole = score_laws(pmf, np.repeat(np.arange(len(SHAPES)), 3).astype(np.int8), LAWS, decoding)
    for name in ("macro_coherence", "pattern_accuracy", "diversity"):
        one, two = drawn.metrics[name], whole.metrics[name]
        assert abs(one.value - two.value) < 3 * (one.high - one.low) + 1e-9, name
        for part in ("floor", "perfect", "ceiling"):
            assert getattr(one, part) == pytest.approx(getattr(two, part)), (name, part)
    for name in ("macro_coherence", "diversity", "token_divergence"):
        assert whole.metrics[name].value == pytest.approx(exact.metrics[name].value), name
    assert exact.metrics["token_divergence"].perfect == 0.0
    assert whole.metrics["valid_rate"].low is None


def test_names_are_unique_and_everything_has_a_title():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert {"coherence", "macro_coherence", "excess_nats"} <= set(titles())
    assert titles()["macro_excess_nats"] == "excess nats, mean over shapes"
