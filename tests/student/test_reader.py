"""The reader alone: its laws are the exact ones, its rules the kernel's, its words its law's."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.expression.law import EXPRESSIONS, ExpressionLaw
from eisv_lumen.expression.vocabulary import PATTERN_PMF, SHAPES
from eisv_lumen.student import reader
from eisv_lumen.student.format import Rows, make_student, write_student
from eisv_lumen.student.reader import Student
from eisv_lumen.trajectory.simulate.lumen_like import balanced_windows
from eisv_lumen.trajectory.simulate.synthetic import generate
from eisv_lumen.trajectory.windows import classify

WEIGHTS = st.lists(st.floats(0.1, 10.0), min_size=15, max_size=15)
TEMPERATURES = st.sampled_from([1.0, 0.7, 0.3, 0.05, 0.0, 2.5])


def listed(law: dict[tuple[str, ...], float]) -> np.ndarray:
    assert set(law) == set(EXPRESSIONS)
    return np.array([law[e] for e in EXPRESSIONS])


@given(weights=WEIGHTS, shape=st.sampled_from(SHAPES), temperature=TEMPERATURES)
@settings(max_examples=15, deadline=None)
def test_a_row_is_the_voices_exact_law(weights, shape, temperature):
    rows = Rows(PATTERN_PMF, np.tile(weights, (9, 1)))
    student = make_student(rows)
    exact = ExpressionLaw.from_weights(shape, student.body["weights"][0]).tempered(temperature)
    np.testing.assert_allclose(
        listed(student.law(shape, temperature=temperature)), exact.pmf, rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.0])
def test_a_mixture_of_rows_is_the_exact_mixture(student, some_net, summaries, temperature):
    names = [str(k) for k in range(7)]
    net = student.body["net"]
    alone = Student({**student.body, "shapes": names, "patterns": net["patterns"],
                     "weights": net["weights"], "net": None, "rules": [["0", []]]})  # fmt: skip
    laws = [ExpressionLaw(listed(alone.law(name))) for name in names]
    for summary in summaries[:3].tolist():
        exact = ExpressionLaw.mixture(laws, student.read(summary)).tempered(temperature)
        found = listed(student.law(summary=summary, temperature=temperature))
        np.testing.assert_allclose(found, exact.pmf, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("by", ["shape", "summary"])
def test_what_it_says_follows_its_law(student, summaries, temperature, by):
    window = {"shape": "rising_entropy"} if by == "shape" else {"summary": summaries[0].tolist()}
    rng, n = random.Random(3), 5_000
    said = Counter(
        tuple(student.speak(**window, temperature=temperature, seed=rng)) for _ in range(n)
    )
    law = student.law(**window, temperature=temperature)
    assert {len(e) for e in said} == {1, 2, 3}
    likely = sorted(law, key=lambda e: -law[e])[:40]
    expected = np.array(
        [n * law[e] for e in likely] + [n * sum(law[e] for e in set(law) - set(likely))]
    )
    found = np.array([said[e] for e in likely] + [n - sum(said[e] for e in likely)])
    chi = ((found - expected) ** 2 / np.maximum(expected, 1e-9)).sum()
    assert chi < 40 + 5 * np.sqrt(2 * 40)  # five standard deviations: seeded, so no luck in it


def test_greedy_speech_shares_its_ties_and_says_nothing_else(student):
    law = student.law("convergence", temperature=0)
    allowed = {e for e, p in law.items() if p > 0}
    said = {tuple(student.speak("convergence", temperature=0, seed=s)) for s in range(200)}
    assert said == allowed and len(allowed) == 4


def test_a_seed_says_the_same_again_and_a_generator_goes_on(student):
    assert student.speak("convergence", seed=5) == student.speak("convergence", seed=5)
    rng = random.Random(5)
    said = {tuple(student.speak("convergence", seed=rng)) for _ in range(50)}
    assert len(said) > 10


@given(
    steps=st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.3, 60.0]), min_size=1, max_size=24),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_its_rules_are_the_kernels(steps, data):
    n = len(steps) + 1
    cell = st.one_of(st.floats(0, 1), st.sampled_from([0.2, 0.4, 0.45, 0.5, 0.55]))
    X = np.array([[data.draw(cell) for _ in range(4)] for _ in range(n)])
    if data.draw(st.booleans()):  # small moves: the rules about rates
        X = 0.5 + (X - 0.5) * data.draw(st.sampled_from([1e-9, 0.01, 0.1]))
    drift = np.array([data.draw(st.sampled_from([0.0, 0.3, 0.31])) for _ in range(n)])
    t = np.concatenate([[0.0], np.cumsum(steps)])
    code = classify(t, X, window=n, stride=1, ethical_drift=drift)[0]
    states = np.column_stack([t, X, drift]).tolist()
    assert RULES.shape_of(states) == SHAPES[code]


@pytest.mark.parametrize("shape", SHAPES)
def test_its_rules_find_every_shape(shape):
    for windows in (
        generate(shape, 20, seed=1),
        BALANCED.take(BALANCED.shape == SHAPES.index(shape)),
    ):
        assert len(windows)
        states = np.concatenate(
            [windows.t[..., None], windows.X, windows.ethical_drift[..., None]], axis=2
        )
        assert {RULES.shape_of(w) for w in states.tolist()} == {shape}


RULES = make_student(Rows(PATTERN_PMF, np.ones((9, 15))))
BALANCED = balanced_windows(20, seed=3)


CALM = (0.5, 0.6, 0.2, 0.05)


def series(state, n=6):
    return [state(i) for i in range(n)]


@pytest.mark.parametrize(
    ("names", "about"),
    [
        ({}, "exactly one"),
        ({"shape": "convergence", "summary": [0.0] * 14}, "exactly one"),
        ({"shape": "joy"}, "unknown shape 'joy'"),
        ({"summary": [4.0] * 13}, "14 numbers, not 13"),
        ({"summary": [20.0] + [0.0] * 13}, "windows of 4 states"),
        ({"summary": [4.0, float("nan")] + [0.0] * 12}, "^duration is nan, not finite"),
        ({"series": []}, "two states"),
        ({"series": [[0, 0, 0, 0, 0]]}, "two states"),
        ({"series": [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]}, "two states"),
        ({"series": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]}, "time decreases"),
        ({"series": [[0, 0, 0, 0, 0], [1, 0, float("inf"), 0, 0]]}, "not finite"),
        (
            {"series": series(lambda i: (1.7e12 + 2000 * i, *CALM))},
            r"^state 0: t=1\.7e\+12 is no time in seconds; divide milliseconds by 1000$",
        ),
        ({"series": series(lambda i: (1.7e15 + 2e6 * i, *CALM))}, "divide microseconds by 1000000"),
        ({"series": series(lambda i: (1.7e18 + 2e9 * i, *CALM))}, "divide nanoseconds by"),
        ({"series": series(lambda i: (float(np.float32(1.7e9 + 2 * i)), *CALM))}, "32-bit floats"),
        (
            {"series": series(lambda i: (2 * i, 50 + i, 60, 20, 5))},
            r"^state 0: E is 50, outside \[0, 1\]; divide percentages by 100, ",
        ),
        (
            {"series": series(lambda i: (2 * i, 0.5, 0.5, 0.5, -1 if i == 3 else 0.1))},
            r"^state 3: V is -1, outside",
        ),
        (
            {"series": series(lambda i: (i, "0,5" if i == 2 else 0.5, 0.5, 0.5, 0.1))},
            "^state 2: E is '0,5', not finite or no number$",
        ),
        (
            {"series": series(lambda i: (i, 0.5, None if i == 2 else 0.5, 0.5, 0.1))},
            "^state 2: I is None, not finite or no number$",
        ),
        ({"series": series(lambda i: (i, 0.5, 0.5, True, 0.1))}, "^state 0: S is True, not"),
        (
            {"series": series(lambda i: (i, 0.5, 0.5, 0.5, 10**400))},
            "^state 0: V is 1000+\\.\\.\\., not",
        ),
        ({"series": series(lambda i: (10**400, *CALM))}, "^state 0: t is 1000+"),
        ({"series": series(lambda i: (i, *CALM, float("nan")))}, "^state 0: ethical_drift is nan"),
        ({"series": series(lambda i: (None, *CALM))}, "^state 0: t is None, not"),
        (
            {"series": series(lambda i: ("yesterday", *CALM))},
            "^state 0: t is 'yesterday', not a time",
        ),
        ({"series": series(lambda i: ("1700000000", *CALM))}, "not a time; write seconds, or 2025"),
        (
            {"series": series(lambda i: ("2025-02-30T00:00:00", *CALM))},
            "'2025-02-30T00:00:00', not",
        ),
        ({"series": series(lambda i: ("2025-01-01T00:00:00.1234567", *CALM))}, "not a time"),
        ({"series": series(lambda i: ("2025-01-01T00:00:00+99:00", *CALM))}, "not a time"),
        ({"series": series(lambda i: (i or "2025-01-01T00:00:00", *CALM))}, "write all in one way"),
        (
            {"series": series(lambda i: (f"2025-01-01T00:00:0{i}" + "Z" * (i > 2), *CALM))},
            "some times name their zone and some do not",
        ),
        (
            {"series": series(lambda i: (datetime(2025, 10, 26, 2 - i // 3, 59), *CALM))},
            "time decreases",
        ),
        ({"series": 7}, "^a series is 7, not a list"),
        ({"series": [1, 2]}, "^a state is 1, not a list"),
        ({"summary": 7}, "^a summary is 7, not a list"),
        ({"summary": [10**400] * 14}, "n_states=1000+"),
        ({"summary": [10**5000] * 14}, "n_states="),
        ({"summary": [4.0, 6.0, 10**400] + [0.0] * 11}, "^mean_E is 1000+"),
        ({"summary": [4.0, 6.0, "0,5"] + [0.0] * 11}, "^mean_E is '0,5', not"),
        ({"summary": [4.0, 6.0, None] + [0.0] * 11}, "^mean_E is None, not"),
        ({"summary": [4.0, 6.0, 0.5, 0.5, 57.0, 0.1] + [0.0] * 8}, "^mean_S is 57, outside"),
        ({"summary": [4.0, -6.0] + [0.0] * 12}, "^duration is -6: it cannot be below 0"),
        ({"shape": ["convergence"]}, "unknown shape"),
        ({"shape": "convergence", "temperature": "0.3"}, "temperature='0.3'"),
        ({"shape": "convergence", "temperature": None}, "temperature=None"),
        ({"shape": "convergence", "temperature": 10**400}, "temperature=1000+"),
        ({"shape": "convergence", "seed": "7"}, "seed='7': give a whole number or a generator"),
        ({"shape": "convergence", "seed": 1.5}, "seed=1.5"),
        ({"shape": "convergence", "seed": [1]}, r"seed=\[1\]"),
        ({"shape": "convergence", "temperature": -1}, "temperature=-1"),
        ({"shape": "convergence", "temperature": float("nan")}, "temperature=nan"),
        ({"shape": "convergence", "temperature": float("inf")}, "temperature=inf"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(student, names, about):
    with pytest.raises(ValueError, match=about):
        student.speak(**names)


def test_times_are_read_as_they_are_written():
    """A rise of V that is fast in seconds: 1 s a state, whatever the form of the times."""
    start = datetime(2025, 3, 1, 23, 59, 57)
    day = [start + timedelta(seconds=i) for i in range(6)]
    berlin = timezone(timedelta(hours=1))
    forms = [
        [1.7e9 + i for i in range(6)],
        [1_700_000_000 + i for i in range(6)],
        np.arange(6.0),
        day,
        [d.replace(tzinfo=berlin) for d in day],
        [d.isoformat() for d in day],
        [d.isoformat(" ") + ".5" for d in day],
        [d.isoformat() + "Z" for d in day],
        [d.isoformat() + "+0100" for d in day],
        [d.replace(tzinfo=berlin if i % 2 else UTC).isoformat() for i, d in
         enumerate(d + timedelta(hours=i % 2) for i, d in enumerate(day))],
    ]  # fmt: skip
    for times in forms:
        rise = [(t, 0.5, 0.6, 0.2, 0.05 + 0.06 * i) for i, t in enumerate(times)]
        slow = [(t, 0.5, 0.6, 0.2, 0.05 + 0.04 * i) for i, t in enumerate(times)]
        assert RULES.shape_of(rise) == "void_rising", times
        assert RULES.shape_of(iter(slow)) == "convergence", times


def test_numbers_of_other_kinds_are_numbers():
    rows = [(i, 0.5, 0.6, 0.2, 0.05 + 0.06 * i) for i in range(6)]
    for kind in (np.float32, Fraction, Decimal):
        assert RULES.shape_of([(i, *map(kind, x)) for i, *x in rows]) == "void_rising"
    assert RULES.shape_of(np.array(rows)) == "void_rising"
    assert RULES.shape_of([(i, 1 + 1e-12, 0, -1e-12, 0.3) for i in range(6)]) == "settled_presence"


@pytest.mark.parametrize(
    ("t", "E"),
    [
        ((0, 1), (0.5, 0.51)),  # no second derivative: not convergence
        ((0, 0, 1), (0.5, 0.5, 0.51)),  # nor over a repeated time
        ((0, 100, 100.5), (0.5, 0.5, 0.52)),  # its step is the later one's: .08/s² is too fast
        ((0, 0.5, 100.5), (0.5, 0.52, 0.52)),  # here the later one is the longer
        ((0, 100, 100, 100.5), (0.5, 0.5, 0.5, 0.52)),
    ],
)
def test_a_second_derivative_is_over_the_later_step_and_where_there_is_none_nothing_converges(t, E):
    X = np.array([(e, 0.6, 0.2, 0.05) for e in E])
    code = classify(np.array(t, float), X, window=len(t), stride=1)[0]
    assert RULES.shape_of(np.column_stack([t, X]).tolist()) == SHAPES[code]
    assert SHAPES[code] == ("convergence" if t[-1] - t[-2] == 100 else "settled_presence")


def test_ties_that_only_rounding_breaks_are_shared(student):
    """Three rows, mixed in equal parts: of each of three tokens another row says it most."""
    thirds = [[*np.roll([1.0, 2.0, 7.0], k).tolist(), *[1e-3] * 12] for k in range(3)]
    row = [w / math.fsum(thirds[0]) for w in thirds[0]]
    mixed = [sum(row[(i - k) % 3] * (1 / 3) for k in range(3)) for i in range(3)]
    assert len(set(mixed)) > 1 and max(mixed) - min(mixed) < 1e-15
    net = {**student.body["net"], "patterns": [[1.0, 0, 0, 0, 0]] * 3, "weights": thirds,
           "hidden": [[[0.0] * 14, 0.0]], "out": [[[0.0], 0.0]] * 3}  # fmt: skip
    even = Student({**student.body, "net": net})
    law = even.law(summary=[4.0, 6.0, 0.5, 0.5, 0.5, 0.1] + [0.0] * 8, temperature=0)
    first = [0.0, 0.0, 0.0]
    for e, p in law.items():
        if p:
            first[even.tokens.index(e[0])] += p
    assert first == pytest.approx([1 / 3] * 3)


@given(
    step=st.lists(st.sampled_from([0.0, 5e-324, 1e-310, 1e-30, 0.1, 0.7]), min_size=1, max_size=5),
    u=st.sampled_from([0.0, 0.25, 0.75, 1 - 2**-53]) | st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=300, deadline=None)
def test_what_cannot_be_said_is_never_picked(step, u):
    if any(step):
        assert step[reader._pick(step, u)] > 0


def test_it_says_what_it_is_and_is_found_in_its_folder(student, tmp_path):
    assert repr(student) == "<Student: 9 shapes, reads shape, series, summary of 4 states>"
    assert repr(RULES) == "<Student: 9 shapes, reads shape, series>"
    write_student(student, tmp_path / "student.json")
    assert Student.load(tmp_path).body == student.body
    assert Student.load(str(tmp_path)).body == student.body


def test_a_student_without_a_network_says_that_it_reads_no_summaries():
    with pytest.raises(ValueError, match="reads no summaries"):
        RULES.speak(summary=[4.0] * 14)


def put(place, value):
    """A change: what stands at a place of the body is another thing."""
    *path, last = place

    def change(body):
        for key in path:
            body = body[key]
        body[last] = value

    return change


def gone(*place):
    *path, last = place

    def change(body):
        for key in path:
            body = body[key]
        del body[last]

    return change


@pytest.mark.parametrize(
    ("change", "about"),
    [
        (gone("rules"), "field rules is missing"),
        (put(["rules"], []), "rules: a list is wanted"),
        (put(["rules"], [["convergence", []], ["settled_presence", []]]), r"rules\[0\]: the last"),
        (put(["rules"], [["nothing", []]]), r"rules\[0\]: a shape and a list"),
        (put(["rules"], [["convergence", [["range_X", ">", 1]]]]), r"rules\[0\]: the last"),
        (
            put(["rules"], [["convergence", [["range_X", ">", 1]]], ["settled_presence", []]]),
            r"rules\[0\]\[1\]\[0\]: no such quantity",
        ),
        (put(["rules"], {"basin_range": 0.2}), r"field rules\.spike_range is missing|spike_range"),
        (gone("net", "scales"), r"field net\.scales is missing"),
        (put(["net"], []), "net: an object is wanted"),
        (put(["net", "scales", 3], 0), r"net\.scales: a number from 1e-100 to"),
        (put(["net", "scales", 3], "1"), r"net\.scales: a number"),
        (put(["net", "scales"], [1.0] * 13), r"net\.scales: a list of 14"),
        (put(["net", "n_states"], 4), r"net\.n_states: a list"),
        (put(["net", "n_states"], [4, True]), r"net\.n_states: a number from 2"),
        (put(["net", "n_states"], [4, 10**400]), r"net\.n_states: a number from 2"),
        (put(["net", "n_states"], [4.5]), r"net\.n_states: whole numbers"),
        (put(["net", "hidden", 2], "x"), r"net\.hidden\[2\]: a list of 2"),
        (put(["net", "hidden", 2, 0, 3], "x"), r"net\.hidden\[2\]\[0\]: a number"),
        (put(["net", "hidden", 2, 1], None), r"net\.hidden\[2\]\[1\]: a number"),
        (gone("net", "hidden", 2), r"net\.out\[0\]\[0\]: a list of 5"),
        (gone("net", "out", 2), r"net\.out: a list of 7"),
        (put(["net", "out", 2, 1], 1e308), r"net\.out\[2\]\[1\]: a number from -1e\+100"),
        (gone("net", "weights", 2), r"net\.weights: a list of 7"),
        (put(["net", "patterns", 2], [0.0] * 5), r"net\.patterns\[2\]: more than 0 must be well"),
        (gone("weights", 2), "weights: a list of 9"),
        (put(["weights", 2], [1.0] * 14), r"weights\[2\]: a list of 15"),
        (put(["weights", 2, 4], float("nan")), r"weights\[2\]: a number from 0"),
        (put(["weights", 2, 4], -1), r"weights\[2\]: a number from 0"),
        (put(["weights", 2], [1, 1] + [1e-30] * 13), r"weights\[2\]: more than 2 must be well"),
        (put(["tokens", 2], 3), "tokens: 3 or more texts"),
        (put(["shapes", 2], "convergence"), "shapes: 1 or more texts are wanted, no two alike"),
        (put(["inquiry"], ["joy"]), "inquiry: one of them is none of the tokens"),
    ],
)
def test_a_body_that_cannot_be_spoken_with_is_refused_by_its_field(student, change, about):
    body = json.loads(json.dumps(student.body))
    change(body)
    text = json.dumps({"format": reader.FORMAT, "sha256": reader.checksum(body), "student": body})
    with pytest.raises(ValueError, match=f"^pi: not a student: {about}"):
        Student.loads(text, "pi")


@pytest.mark.parametrize("temperature", [1.0, 0.3, 0.0, 1e12])
@pytest.mark.parametrize("pattern", range(5))
def test_a_voice_of_one_pattern_has_a_law_too(student, pattern, temperature):
    """What it cannot say has no probability, and does not keep it from speaking."""
    alone = [float(k == pattern) for k in range(5)]
    student = Student({**student.body, "patterns": [alone] * 9})
    law = student.law("convergence", temperature=temperature)
    assert sum(law.values()) == pytest.approx(1)
    assert law[tuple(student.speak("convergence", temperature=temperature, seed=1))] > 0
    assert {len(e) for e in law if law[e]} == ({1}, {2}, {3}, {2}, {2})[pattern]


@given(place=st.integers(0, 1999), byte=st.integers(0, 127))
@settings(max_examples=60, deadline=None)
def test_a_file_that_was_changed_or_cut_is_refused_or_the_same(place, byte):
    text = FILE
    for changed in (text[: place % len(text)], text[:place] + chr(byte) + text[place + 1 :]):
        try:
            found = Student.loads(changed)
        except ValueError as error:
            assert str(error).startswith("student: ")
        else:
            assert found.body == RULES.body


FILE = json.dumps(
    {"format": reader.FORMAT, "sha256": reader.checksum(RULES.body), "student": RULES.body}
)

OTHERS = """
import json, sys
sys.dont_write_bytecode = True
from reader import Student
student = Student.load("student.json")
windows = json.load(open("windows.json"))
laws = [list(student.law(temperature=t, **w).values()) for w in windows for t in (1, 0.3)]
said = [
    student.speak(temperature=t, seed=s, **w)
    for w in windows for t in (1, 0.3, 0) for s in range(9)
]
heavy = sorted({m.split(".")[0] for m in sys.modules} & {"numpy", "eisv_lumen"})
print(json.dumps([laws, said, heavy]))
"""


OLDEST = (3, 7)


@cache
def pythons() -> dict[tuple[int, ...], str]:
    """Every Python at hand that is supported, this one too, by version."""
    found = {sys.version_info[:2]: sys.executable}
    homes = [Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"]
    there = [str(p) for home in homes for p in sorted(home.glob("*/bin/python3"))]
    there += [p for v in range(7, 20) if (p := shutil.which(f"python3.{v}"))]
    for path in there:
        done = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0 and tuple(map(int, done.stdout.split())) >= OLDEST:
            found.setdefault(tuple(map(int, done.stdout.split())), path)
    return found


def python_that_is(which: str) -> str:
    """Return one of those at hand; where it is not, the test says so and which there are."""
    found, this = pythons(), sys.version_info[:2]
    if which == "this":
        return sys.executable
    if which == "oldest" and OLDEST in found:
        return found[OLDEST]
    if which == "newest" and max(found) > this:
        return found[max(found)]
    lacking = "3.7 (the oldest supported)" if which == "oldest" else "newer than this one"
    there = ", ".join(f"{a}.{b}" for a, b in sorted(found))
    pytest.skip(f"no Python {lacking} is at hand, only {there}: install it with uv or pyenv")


@pytest.mark.parametrize("which", ["oldest", "this", "newest"])
def test_another_python_says_the_same(which, student, summaries, tmp_path):
    python = python_that_is(which)
    shutil.copy(reader.__file__, tmp_path / "reader.py")
    write_student(student, tmp_path / "student.json")
    rng = np.random.default_rng(0)
    states = np.column_stack([np.arange(20.0), rng.random((20, 4))]).tolist()
    windows = [{"shape": "void_rising"}, {"summary": summaries[1].tolist()}, {"series": states}]
    (tmp_path / "windows.json").write_text(json.dumps(windows))
    done = subprocess.run(
        [python, "-I", "-c", "import sys; sys.path.insert(0, '.')" + OTHERS],
        cwd=tmp_path, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    laws, said, heavy = json.loads(done.stdout)
    assert heavy == []
    ours = [list(student.law(temperature=t, **w).values()) for w in windows for t in (1, 0.3)]
    # From 3.12 on the built-in sum rounds better: the last digits may differ, no more.
    np.testing.assert_allclose(laws, ours, rtol=1e-11, atol=1e-15)
    assert said == [
        student.speak(temperature=t, seed=s, **w)
        for w in windows for t in (1, 0.3, 0) for s in range(9)
    ]  # fmt: skip
