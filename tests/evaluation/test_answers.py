"""Answers in a file get the report that the speaker itself would get."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from eisv_lumen.cli import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.answers import read_answers, report_of_answers
from eisv_lumen.evaluation.baselines import initial
from eisv_lumen.evaluation.report import Decoding, read_report
from eisv_lumen.evaluation.scoring import Spoken, score
from eisv_lumen.expression.law import ExpressionLaw
from eisv_lumen.expression.vocabulary import SHAPES, pattern_of
from eisv_lumen.teacher.prompt.messages import render_answer

COLD = Decoding(temperature=0.3, top_k=0, top_p=1.0)


@pytest.fixture
def spoken(tmp_path):
    """A perfect imitator at T = 0.3, its answers in every form that people have."""
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 9, 180)
    said = [ExpressionLaw.initial(SHAPES[c]).tempered(0.3).sample(1, rng)[0] for c in shapes]
    forms = [
        lambda e, c: {"answer": render_answer(e), "shape": SHAPES[c]},
        lambda e, c: {"prediction": " ".join(f"~{t}~" for t in e), "reference": int(c)},
        lambda e, c: {"tokens": list(e), "label": int(c), "id": 3},
        lambda e, c: {
            "completion": [{"role": "assistant", "content": render_answer(e)}],
            "shape": SHAPES[c],
        },
    ]
    lines = [forms[i % 4](e, c) for i, (e, c) in enumerate(zip(said, shapes, strict=True))]
    path = tmp_path / "said.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    return path, said, shapes.astype(np.int8)


def test_every_form_gives_the_score_of_what_was_said(spoken):
    path, said, shapes = spoken
    report = report_of_answers(path, COLD, name="said", title="said")
    whole = score(Spoken(said, [pattern_of(e) for e in said]), shapes, initial(), COLD)
    assert report.results == [whole]
    metric = report.at(0.3).metrics["coherence"]
    assert metric.low <= metric.perfect <= metric.high


def test_what_is_not_valid_is_silence(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = ["", "EISV_TOKENS: ~joy~\nLUMEN_TOKENS: busy\nPATTERN: SINGLE", "~warmth~ joy", []]
    path.write_text("\n".join(json.dumps({"answer": r, "shape": 8}) for r in [*rows, "~warmth~"]))
    found, _ = read_answers(path)
    assert found.tokens == [None] * 4 + [("warmth",)]
    assert found.patterns == [None] * 4 + ["SINGLE"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nope", "line 2: not JSON"),
        ("[1]", "line 2: not a JSON object"),
        ('{"answer": "~warmth~"}', "line 2: has answer; give one of shape, reference, label"),
        ('{"shape": 8, "said": 1}', "line 2: has shape, said; give one of answer"),
        ('{"shape": 8, "text": "a", "tokens": []}', "line 2: has text and tokens; give one"),
        ('{"shape": "calm", "text": "~warmth~"}', r"line 2: unknown shapes \['calm'\]"),
        ('{"shape": 8, "text": 7}', "line 2: 7 is no expression"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_text('{"answer": "~warmth~", "shape": 8}\n' + line)
    with pytest.raises(InputError, match=message):
        read_answers(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="no answers; give a JSON object a line"):
        read_answers(path)


def test_the_command_writes_a_report(spoken, tmp_path):
    path, *_ = spoken
    out = tmp_path / "report.json"
    asked = ["evaluate", "score", str(path), "--temperature", "0.3", "--out", str(out), "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    report = read_report(out)
    printed = json.loads(done.stdout)["results"][0]["metrics"]["coherence"]["value"]
    again = report_of_answers(path, COLD, name="x", title="x").at(0.3).metrics["coherence"]
    assert printed == again.value
    assert report.at(0.3).metrics["coherence"].value == pytest.approx(again.value, abs=1e-6)
    assert str(tmp_path) not in out.read_text()
