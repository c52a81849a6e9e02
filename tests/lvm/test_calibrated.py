"""G0, the test of the test: perfection passes, and nothing that knows no order does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import provenance
from eisv_lumen.lvm.alignment.align import align, check_apart
from eisv_lumen.lvm.alignment.articles import codes_of
from eisv_lumen.lvm.alignment.bootstrap import ArticleBootstrap
from eisv_lumen.lvm.alignment.calibrated_gates import Optimum, calibrated_gates
from eisv_lumen.lvm.alignment.cross_fit import cross_read
from eisv_lumen.lvm.alignment.fit_and_read import calibrate, read
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask
from eisv_lumen.lvm.alignment.records import COPY
from eisv_lumen.lvm.alignment.report import (
    AlignmentReport,
    read_alignment,
    rounded,
    write_alignment,
)
from eisv_lumen.lvm.data.known_processes import NOISE, ROTATION, Process, ar1
from eisv_lumen.lvm.data.sequences import SequenceSet
from eisv_lumen.lvm.predictors.baselines import BASELINES, baseline, oracle, shuffled_targets

PROCESSES = {"ar1": ar1(0.5), "rotation": ROTATION, "noise": NOISE}
NULLS = ("copy-last", "context-mean", "minus-last", "random", "lag-cosine", "ridge-shuffled")


def sets_of(process: Process) -> dict[str, SequenceSet]:
    return {
        "train": process.sample(60, 40, seed=0),
        "validation": process.sample(16, 40, seed=1),
        "test": process.sample(48, 40, seed=2),
        "ood": process.sample(16, 40, seed=3),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[str, SequenceSet]]:
    return {name: sets_of(process) for name, process in PROCESSES.items()}


def report_of(model: Predictor, sets: dict[str, SequenceSet], **more) -> AlignmentReport:
    given = {key: sets[key] for key in ("validation", "test", "ood")}
    return align(model, **given, provenance=provenance("a test", seed=0), **more)


@pytest.mark.parametrize("process", PROCESSES)
def test_an_oracle_passes_every_gate(drawn, process: str) -> None:
    sets = drawn[process]
    report = report_of(oracle(*sets.values()), sets)
    assert [gate.name for gate in report.gates] == ["G1", "G2", "G3", "G4", "G5", "G6"]
    assert {g.name: g.passed for g in report.gates} == {
        "G1": True, "G2": True, "G3": True, "G4": None, "G5": True, "G6": True,
    }  # fmt: skip
    assert report.passed
    g1, g2 = report.gate("G1"), report.gate("G2")
    assert g1 is not None and g1.place > 0.99 and g1.also["recall_1"] == 1
    assert g2 is not None and g2.value == pytest.approx(1, abs=1e-4)
    mended = report.published
    assert mended is not None
    passed = {test.letter: test.passed for test in mended.inside}
    assert passed["A"] and passed["B"] and passed["C"]


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", NULLS)
def test_what_knows_no_order_fails(drawn, process: str, name: str) -> None:
    sets = drawn[process]
    model = baseline(name, train=sets["train"], validation=sets["validation"])
    report = report_of(model, sets)
    g1 = report.gate("G1")
    assert g1 is not None and g1.passed is False
    assert not report.passed


def test_nothing_beats_copy_last_on_ar1(drawn) -> None:
    """Not the optimum either: there it is copy-last, whatever its published margin says."""
    sets, process = drawn["ar1"], PROCESSES["ar1"]
    optimal = Predictor("optimal", predict=process.predict)
    for model in (optimal, baseline("ridge", train=sets["train"], validation=sets["validation"])):
        gates = {gate.name: gate for gate in report_of(model, sets).gates}
        assert not any(gates[name].passed for name in ("G1", "G2", "G5", "G6"))
    report = report_of(optimal, sets)
    g1 = report.gate("G1")
    assert g1 is not None and g1.value == pytest.approx(g1.also["bits, copy-last"], abs=1e-3)
    assert report.published is not None
    margin = report.published.inside[0].checks[1]
    assert margin.name == "margin" and margin.found == pytest.approx(0.5 - 1, abs=0.02)


def test_on_a_rotation_the_optimum_passes_and_is_the_ceiling(drawn) -> None:
    sets = drawn["rotation"]
    optimal = Predictor("optimal", predict=ROTATION.predict)
    report = report_of(optimal, sets, optimum=optimal)
    assert report.passed and all(g.passed for g in report.gates if g.name != "G4")
    for name in ("G1", "G2", "G3", "G5"):
        gate = report.gate(name)
        assert gate is not None and gate.ceiling_name == "exact optimum"
        assert gate.place == pytest.approx(1, abs=1e-6)
    ridge = baseline("ridge", train=sets["train"], validation=sets["validation"])
    placed = report_of(ridge, sets, optimum=optimal).gate("G2")
    assert placed is not None and placed.passed and 0.5 < placed.place < 1
    arrow = report.gate("G4")
    assert arrow is not None and arrow.value > 0.95  # time runs one way
    copied = report_of(baseline("copy-last"), sets).gate("G4")
    assert copied is not None and copied.value == pytest.approx(0.5, abs=0.05)  # and looks alike


def test_in_noise_there_is_nothing_to_find(drawn) -> None:
    sets = drawn["noise"]
    for name in ("copy-last", "ridge", "lag-cosine-centred"):
        model = baseline(name, train=sets["train"], validation=sets["validation"])
        gates = {g.name: g for g in report_of(model, sets).gates}
        assert not gates["G1"].passed and abs(gates["G1"].value) < 0.1
        assert abs(gates["G4"].value - 0.5) < 0.1


def test_a_ranker_is_read_by_its_own_scores(drawn) -> None:
    """The optimum as a ranker identifies as its vectors do; of vectors nothing is said."""
    sets = drawn["rotation"]
    vectors = report_of(Predictor("vectors", predict=ROTATION.predict), sets)
    ranks = report_of(Predictor("ranks", scores=ROTATION.scores), sets)
    assert ranks.kind == "ranker" and ranks.published is None
    assert [g.name for g in ranks.gates] == ["G1", "G3", "G4", "G6"]
    one, other = vectors.gate("G1"), ranks.gate("G1")
    assert one is not None and other is not None
    assert other.value == pytest.approx(one.value, abs=1e-3) and other.passed


def test_a_model_of_the_chunk_after_next_is_asked_for_that(drawn) -> None:
    sets = drawn["rotation"]
    two = Predictor(
        "after next", predict=lambda c: 0.7 * ROTATION.turn(ROTATION.predict(c)), ahead=1
    )
    gates = {g.name: g for g in report_of(two, sets).gates}
    assert gates["G1"].passed and gates["G2"].passed and "G5" not in gates
    assert gates["G2"].also["cosine"] == pytest.approx(0.49, abs=0.02)
    assert gates["G2"].also["r_1"] == pytest.approx(ROTATION.lag_cosine(2), abs=0.03)
    assert not report_of(replace(two, ahead=0), sets).passed


def test_least_squares_is_calibrated_against_the_last_chunk(drawn) -> None:
    """E<m, c_4> = r_1 for any least-squares predictor m: hence its margin's sign (lvm.md 2.3)."""
    for name, sets in drawn.items():
        if name == "noise":
            continue
        optimal = Predictor("optimal", predict=PROCESSES[name].predict)
        gate = report_of(optimal, sets).gate("G2")
        assert gate is not None
        assert gate.also["with_last"] == pytest.approx(gate.also["r_1"], abs=0.02)


def test_a_null_of_ones_own_raises_the_floor(drawn) -> None:
    sets = drawn["rotation"]
    optimal = Predictor("optimal", predict=ROTATION.predict)
    report = report_of(optimal, sets, nulls=[replace(optimal, name="null: the same")])
    for name in ("G1", "G2"):
        gate = report.gate(name)
        assert gate is not None and gate.floor_name == "null: the same"
        assert gate.margin == pytest.approx(0, abs=1e-6) and gate.passed is False


def test_readings_of_halves_agree_with_those_of_other_articles(drawn) -> None:
    sets = drawn["rotation"]
    articles, other = articles_of(sets["test"]), articles_of(sets["validation"])
    model = baseline("ridge", train=sets["train"], validation=sets["validation"])
    crossed = cross_read(articles, ask(model, articles), {})
    apart = read(articles, ask(model, articles), {}, calibrate(other, ask(model, other), {}))
    assert np.isfinite(crossed.bits).all() and np.isfinite(crossed.floor_bits[COPY]).all()
    assert crossed.bits.mean() == pytest.approx(apart.bits.mean(), abs=0.02)
    assert np.array_equal(crossed.recall_1, apart.recall_1)  # no fit changes an order
    assert np.nanmean(crossed.error) == pytest.approx(np.nanmean(apart.error), abs=0.005)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Windows that share their article's luck: 40 articles, of 5 to 30 windows each."""
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(300):
        codes = np.repeat(np.arange(40), rng.integers(5, 31, 40))
        values = rng.standard_normal(40)[codes] + rng.standard_normal(codes.size)
        low, high = ArticleBootstrap(codes, 500, seed).interval(values)
        inside += low <= 0 <= high
    assert 0.90 <= inside / 300 <= 0.98  # it says 95 %; a percentile interval of 40 is a bit short


def test_a_model_that_points_the_wrong_way_is_not_turned_round(drawn) -> None:
    sets = drawn["ar1"]
    articles = articles_of(sets["validation"])
    minus = calibrate(articles, ask(baseline("minus-last"), articles), {})
    assert minus.readouts[""].beta == 0 and minus.scales[""] == 0


def test_shuffled_targets_stay_in_their_articles(drawn) -> None:
    s = drawn["ar1"]["test"]
    order = shuffled_targets(s, 0)
    assert sorted(order) == list(range(len(s)))
    assert np.array_equal(s.window_article[order], s.window_article)
    assert (order != np.arange(len(s))).mean() > 0.9


def test_a_report_comes_back_as_it_was_written(drawn, tmp_path) -> None:
    sets = drawn["rotation"]
    report = report_of(Predictor("optimal", predict=ROTATION.predict), sets)
    write_alignment(report, tmp_path / "a.json")
    write_alignment(read_alignment(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    again = report_of(Predictor("optimal", predict=ROTATION.predict), sets)
    assert rounded(again.model_dump()) == rounded(report.model_dump())
    damaged = (tmp_path / "a.json").read_text().replace('"floor_name"', '"flor_name"', 1)
    (tmp_path / "c.json").write_text(damaged)
    with pytest.raises(InputError, match=r"c.json: gates.0"):
        read_alignment(tmp_path / "c.json")


def test_bad_sets_and_answers_are_named(drawn) -> None:
    sets = drawn["ar1"]
    model = baseline("copy-last")
    with pytest.raises(InputError, match="article chain-00000: is also validation's article"):
        check_apart({"validation": sets["test"], "test": sets["test"]})
    with pytest.raises(InputError, match="embed both with one encoder"):
        check_apart({"validation": sets["test"], "test": replace(sets["ood"], fingerprint="other")})
    few = ar1(0.5).sample(5, 40, seed=7)
    with pytest.raises(InputError, match=r"test: 5 articles.*at least 8"):
        report_of(model, sets | {"test": few})
    with pytest.raises(InputError, match="window 3: its prediction is not finite"):
        report_of(
            Predictor("x", predict=lambda c: np.where(np.arange(len(c)) == 3, np.nan, 1.0)[:, None]
                      * c[:, -1]), sets,
        )  # fmt: skip
    with pytest.raises(InputError, match="predictions of shape"):
        report_of(Predictor("x", predict=lambda c: c[:, -1, :3]), sets)
    with pytest.raises(InputError, match="scores of shape"):
        report_of(Predictor("x", scores=lambda c, p: c[:, -1] @ p[:3].T), sets)
    for name in set(BASELINES) - {"oracle", "copy-last", "context-mean", "minus-last", "random"}:
        with pytest.raises(InputError, match=f"{name}: is fitted to"):
            baseline(name)
    with pytest.raises(InputError, match="moon: no model folder"):
        baseline("moon")


def test_the_optimum_is_a_ceiling_of_every_kind(drawn) -> None:
    sets = drawn["rotation"]
    articles = articles_of(sets["test"])
    optimal = Predictor("optimal", predict=ROTATION.predict)
    fitted = calibrate(articles, ask(optimal, articles), {})
    best = read(articles, ask(optimal, articles), {}, fitted)
    model = baseline("copy-last")
    own = read(articles, ask(model, articles), {}, calibrate(articles, ask(model, articles), {}))
    for gate in calibrated_gates(own, ArticleBootstrap(codes_of(articles)), Optimum(best)):
        assert gate.place <= 1 + 1e-9
        assert gate.margin_low <= gate.margin <= gate.margin_high
        assert gate.low <= gate.value <= gate.high
