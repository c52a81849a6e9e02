"""The rules as data: an edit is answered by all, another table of rules is obeyed to the letter."""

import json
import operator
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eisv_lumen
from eisv_lumen.expression.shapes import ENTRIES, QUANTITIES
from eisv_lumen.trajectory.rules.explain import _WORDS, _measured
from eisv_lumen.trajectory.rules.kernel import classify_kernel
from eisv_lumen.trajectory.rules.thresholds import RULES, SCREEN, rule_table, screen

from .test_kernel import random_series

RELATIONS = {"≥": operator.ge, ">": operator.gt, "<": operator.lt}
NAMED = {entry.name: entry for entry in ENTRIES}


def codes_of(t, X, drift, entries, window, stride):
    out = np.empty((len(t) - window) // stride + 1, np.int8)
    columns = np.ascontiguousarray(X.T)
    rules = rule_table(entries)
    done = classify_kernel(t, *columns, drift, window, stride, screen(entries), rules, out)
    assert done == len(out)
    return out


def expected(t, X, drift, entries, window, stride):
    """Try the conditions one by one on what NumPy measures."""
    rules = [(e.code, [(q, r, _limit(b)) for q, r, b in e.rule]) for e in entries]
    found = []
    for start in range(0, len(t) - window + 1, stride):
        at = slice(start, start + window)
        measured = _measured(t[at], X[at], drift[at])
        found.append(
            next(c for c, rule in rules if all(RELATIONS[r](measured[q], b) for q, r, b in rule))
        )
    return found


def _limit(bound):
    from eisv_lumen.trajectory.rules import thresholds

    if isinstance(bound, str):
        sign = -1 if bound.startswith("-") else 1
        return sign * getattr(thresholds, bound.removeprefix("-"))
    return bound


condition = st.tuples(
    st.sampled_from(QUANTITIES),
    st.sampled_from(list(RELATIONS)),
    st.sampled_from([0.0, 1.0, 3.0, 0.05, -0.05, 0.2, 0.3, 1e-9, 0.025, 17.0]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(condition, min_size=1, max_size=3), min_size=1, max_size=3),
    st.integers(0, 8), st.integers(0, 2**31), st.integers(2, 12), st.integers(1, 15),
)  # fmt: skip
def test_any_table_of_rules_is_obeyed_to_the_letter(rules, place, seed, window, stride):
    """New rules anywhere before the last: the screen is kept where it may be, else left."""
    added = [
        replace(ENTRIES[0], name=f"toy_{k}", code=9 + k, rule=tuple(rule))
        for k, rule in enumerate(rules)
    ]
    entries = (*ENTRIES[:place], *added, *ENTRIES[place:])
    t, X, drift = random_series(np.random.default_rng(seed), 60)
    got = codes_of(t, X, drift, entries, window, stride)
    assert got.tolist() == expected(t, X, drift, entries, window, stride)


def test_the_screen_has_the_thresholds_and_is_given_up_only_where_it_must_be():
    assert SCREEN[:7] == (0.2, 0.2, 0.3, 0.05, 0.05, 0.05, 1e-9)
    assert (SCREEN.calm, SCREEN.rest, SCREEN.narrow) == (8, 0, 8)
    assert not RULES.flags.writeable

    def calm(*rule):
        toy = replace(ENTRIES[0], name="toy", code=9, rule=rule)
        return screen((toy, *ENTRIES)).calm

    for kept in (("mean_d_S", ">", 0.01), ("mean_d_E", "<", -0.01), ("range_S", "≥", 0.1)):
        assert calm(kept) == 8 and calm(("change_V", "<", 0.0), kept) == 8
    for given_up in (
        ("mean_d_I", "<", -0.05), ("mean_d_S", "<", 0.05), ("mean_d_E", ">", 0.05),
        ("max_drift", "≥", 0.3), ("range_E", "<", 0.2), ("max_first", ">", 0.05),
        ("range_E", "≥", 0.0), ("mean_d_V", ">", 0.0),
    ):  # fmt: skip
        assert calm(given_up) == -1
    # what the calm rule's marks are compared with is theirs alone
    assert calm(("range_E", "≥", 0.2), ("max_first", "<", 1.0)) == -1
    assert screen(ENTRIES[:-1]).calm == -1
    slow = replace(NAMED["convergence"], rule=NAMED["convergence"].rule[:3])
    assert screen((*ENTRIES[:-2], slow, ENTRIES[-1])).calm == -1


def test_every_quantity_has_words_and_codes_are_positions():
    assert (
        set(_WORDS)
        == set(QUANTITIES)
        == set(_measured(np.arange(2.0), np.zeros((2, 4)), np.zeros(2)))
    )
    assert sorted(entry.code for entry in ENTRIES) == list(range(len(ENTRIES)))
    for entry in ENTRIES:
        assert sum(entry.patterns) == pytest.approx(1)


# A copy of the package whose caches are warm: what a pull or an edit meets.

ASK = """
import json, sys
import numpy as np
from eisv_lumen import SHAPES
from eisv_lumen.trajectory.rules.explain import explain
from eisv_lumen.trajectory.windows import classify, label_each
t = np.arange(20.0)
def window(dim, x):
    X = np.tile([0.4, 0.8, 0.1, 0.03], (20, 1)); X[:, dim] += x
    return X
bump = np.where(t == 9, 0.25, 0.0)
cases = {"basin": (window(0, 0.25 * t / 19), 0), "spike": (window(2, bump), 0),
         "rate": (window(3, 0.055 * t), 0), "drift": (window(0, 0), 0.4),
         "still": (window(1, 1e-8 * t), 0)}
found = {}
for name, (X, d) in cases.items():
    drift = np.full(20, float(d))
    found[name] = [SHAPES[classify(t, X, ethical_drift=drift)[0]],
                   SHAPES[label_each(t[None], X[None], drift[None])[0][0]],
                   explain(t, X, drift).shape]
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Copy the package, caches included, and let it fill what is missing of them."""
    room = tmp_path_factory.mktemp("copy")
    shutil.copytree(Path(eisv_lumen.__file__).parent, room / "eisv_lumen")
    run(room, ASK)
    return room


def run(room, code):
    drop = ("NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE")
    env = {k: v for k, v in os.environ.items() if k not in drop} | {"PYTHONPATH": str(room)}
    done = subprocess.run(  # noqa: PLW1510
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=room
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def edit(room, path, old, new):
    file = room / "eisv_lumen" / path
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_an_edited_threshold_is_never_answered_from_the_cache(package):
    before = run(package, ASK)
    assert {name: set(three) for name, three in before.items()} == {
        "basin": {"basin_transition_up"}, "spike": {"entropy_spike_recovery"},
        "rate": {"void_rising"}, "drift": {"drift_dissonance"}, "still": {"convergence"},
    }  # fmt: skip
    thresholds = "trajectory/rules/thresholds.py"
    edits = {
        "BASIN_RANGE: Final = 0.2": "BASIN_RANGE: Final = 0.3",
        "SPIKE_RANGE: Final = 0.2": "SPIKE_RANGE: Final = 0.3",
        "DRIFT_LIMIT: Final = 0.3": "DRIFT_LIMIT: Final = 0.5",
        "RATE_LIMIT: Final = 0.05": "RATE_LIMIT: Final = 0.06",
        "STILL: Final = 1e-9": "STILL: Final = 1e-7",
    }
    for old, new in edits.items():
        edit(package, thresholds, old, new)
    after = run(package, ASK)
    for old, new in edits.items():
        edit(package, thresholds, new, old)
    assert {name: set(three) for name, three in after.items()} == {
        "basin": {"convergence"}, "spike": {"settled_presence"}, "rate": {"convergence"},
        "drift": {"settled_presence"}, "still": {"settled_presence"},
    }  # fmt: skip


TOY = """ENTRIES: Final = (
    Shape(
        name="integrity_loss",
        code=9,
        rule=(("mean_d_I", "<", "-RATE_LIMIT"),),
        means="Integrity fell, on average by more than {RATE_LIMIT:g} a second.",
        tokens=("ripple", "boundary"),
        patterns=(0.2, 0.2, 0.2, 0.2, 0.2),
        trigger=("integrity_decline", 2),
        movement=Movement("fall", "I", rate="RATE_LIMIT"),
        spacing=0.5,
        colors=("#000001", "#fffffe"),
    ),"""

USE = """
import json, sys
sys.path.insert(0, {spaces!r})
import numpy as np
from eisv_lumen import SHAPES, ExpressionLaw, Voice, coherence
from eisv_lumen.evaluation.baselines import initial
from eisv_lumen.evaluation.scoring import DECODINGS, Spoken, score
from eisv_lumen.evaluation.exact import exact_result
from eisv_lumen.expression.lumen import trigger
from eisv_lumen.expression.vocabulary import PATTERN_PMF
from eisv_lumen.student.format import Rows, make_student, row_laws
from eisv_lumen.trajectory.rules.explain import explain
from eisv_lumen.trajectory.simulate.synthetic import generate
from eisv_lumen.trajectory.windows import classify
from drawing.words import SHAPE_MEANS, shape_colors
w = generate("integrity_loss", 6, seed=1)
student = make_student(Rows(PATTERN_PMF, np.ones((len(SHAPES), 15))))
series = np.concatenate([w.t[..., None], w.X, w.ethical_drift[..., None]], axis=2).tolist()
said = Voice(1).speak("integrity_loss", 6)
result = score(Spoken(said, ["PAIR"] * 6), w.shape, initial(), DECODINGS[0])
exact = exact_result(initial(), DECODINGS[0], initial())
json.dump(dict(
    last=SHAPES[-1], windows=sorted({{SHAPES[c] for c in w.shape}}),
    kernel=[SHAPES[classify(t, X)[0]] for t, X in zip(w.t, w.X)],
    explained=[explain(t, X).shape for t, X in zip(w.t, w.X)],
    read=[student.shape_of(s) for s in series],
    law=len(row_laws(student)),
    affine=coherence(["~ripple~ ~boundary~"], "integrity_loss").tolist(),
    scored=sorted(result.per_shape), exact=sorted(exact.per_shape) == sorted(SHAPES),
    trigger=trigger("integrity_loss").reason, means=SHAPE_MEANS["integrity_loss"],
    colors="--integrity_loss: #000001" in shape_colors(),
    old=[SHAPES[c] for s in SHAPES[:9] for c in set(generate(s, 4, seed=2).shape.tolist())],
), sys.stdout)
"""


@pytest.mark.slow
def test_a_tenth_shape_is_one_entry(package):
    """It is seen by kernel, explanation, reader, law, voice, metric, report, words and colours."""
    edit(package, "expression/shapes.py", "ENTRIES: Final = (", TOY)
    spaces = Path(__file__).parents[2] / "spaces" / "explorer"
    found = run(package, USE.format(spaces=str(spaces)))
    edit(package, "expression/shapes.py", TOY, "ENTRIES: Final = (")
    toy = ["integrity_loss"] * 6
    assert found["last"] == "integrity_loss" and found["windows"] == ["integrity_loss"]
    assert found["kernel"] == found["explained"] == found["read"] == toy
    assert found["law"] == 10 and found["affine"] == [1.0]
    assert found["scored"] == ["integrity_loss"] and found["exact"]
    assert found["trigger"] == "integrity_decline" and found["colors"]
    assert found["means"] == "Integrity fell, on average by more than 0.05 a second."
    assert found["old"] == list(eisv_lumen.SHAPES)
