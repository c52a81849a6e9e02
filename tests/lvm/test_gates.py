from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data import diagnostics as d
from eisv_lumen.lvm.data.chunks import Chunks, windows_of
from eisv_lumen.lvm.data.data_gates import check, refuse_or_go
from eisv_lumen.lvm.data.known_processes import NOISE, ROTATION, Process, ar1
from eisv_lumen.lvm.data.splits import subsample, take_articles


@st.composite
def sets(draw):
    """Articles of any length, with gaps in positions, and some windows left out."""
    lengths = draw(st.lists(st.integers(1, 14), min_size=1, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    k = draw(st.integers(2, 5))
    position = np.concatenate([np.sort(rng.choice(17, n, replace=False)) for n in lengths])
    v = rng.standard_normal((len(position), 6)) + 1
    chunks = Chunks(
        vectors=(v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32),
        article=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        position=position.astype(np.int32),
        article_ids=tuple(f"a/{i}" for i in range(len(lengths))),
    )
    whole = windows_of(chunks, k)
    return subsample(whole, draw(st.integers(0, len(whole))), 0)


def mean_over_windows(s, of_window):
    """The slow way: one window at a time, from copies of its vectors."""
    pairs = zip(s.contexts().astype(float), s.targets().astype(float), strict=True)
    return np.mean([of_window(c, y) for c, y in pairs])


@settings(deadline=None, max_examples=50)
@given(sets().filter(len))
def test_readings_are_those_of_the_slow_way(s):
    found = d.read(s)
    k = s.context_length
    for i in range(k):
        assert found.by_place[i] == pytest.approx(
            mean_over_windows(s, lambda c, y, i=i: c[i] @ y), abs=1e-6
        )
    assert found.coherence == pytest.approx(
        mean_over_windows(s, lambda c, _: np.mean([c[i] @ c[i + 1] for i in range(k - 1)])),
        abs=1e-6,
    )
    assert found.temporal_signal == pytest.approx(
        mean_over_windows(s, lambda c, y: c[-1] @ y - c[0] @ y), abs=1e-6
    )
    floors = []
    for a in s.window_article:
        v = s.vectors[s.article == a].astype(float)
        cosines = v @ v.T
        floors.append(cosines[~np.eye(len(v), dtype=bool)].mean())
    assert found.coherence_floor == pytest.approx(np.mean(floors), abs=1e-5)
    assert (found.windows, found.articles) == (len(s), len(set(s.window_article)))


@settings(deadline=None, max_examples=50)
@given(sets().filter(len))
def test_distinctness_is_that_of_the_slow_way(s):
    published, corrected = d.distinctness_scores(s)
    for i, (c, y) in enumerate(zip(s.contexts(), s.targets(), strict=True)):
        assert published[i] == pytest.approx(1 - c[-1] @ y, abs=1e-5)
        assert corrected[i] == pytest.approx(c[-1] @ y - max(c[:-1] @ y), abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(sets().filter(len))
def test_narrative_delta_telescopes_whatever_the_text(s):
    found = d.narrative_delta(s)
    slow = mean_over_windows(s, lambda c, y: c[-1] @ y - c[-1] @ c[-2])
    assert found.measured == pytest.approx(slow, abs=1e-5)
    assert found.telescoped == pytest.approx(slow, abs=1e-5)
    assert abs(slow) <= found.bound


def test_narrative_delta_of_the_study_cannot_reach_its_threshold():
    """Five files and 1,287 windows (§2.4): .0078 at most, and .10 is asked for."""
    s = ar1(0.5, dim=4).sample(5, 263, seed=0)
    s = replace(s, starts=s.starts[s.starts < s.starts[-1]])
    assert len(s) == 5 * 258 - 1
    assert d.narrative_delta(s).bound == pytest.approx(10 / 1289)
    assert d.narrative_delta(s).bound < 0.1 / 12


def test_narrative_delta_is_about_zero_even_where_direction_is_there(turning):
    assert abs(d.narrative_delta(turning).measured) < 0.02


def backwards(s):
    """The same articles, each read from its end."""
    flipped = s.vectors[::-1].copy()
    return replace(s, vectors=flipped, article=s.article.max() - s.article[::-1])


@pytest.mark.parametrize("process", [ar1(0.5), ROTATION, Process(0.6, 20.0)], ids=str)
def test_p6_delta_is_the_same_with_time_reversed(process):
    s = process.sample(40, 40, seed=3)
    found = d.next_token_delta(s)
    expected = process.lag_cosine(2) - process.lag_cosine(1)
    assert found.forward == pytest.approx(expected, abs=0.02)
    assert found.backward == pytest.approx(found.forward, abs=0.02)
    again = d.next_token_delta(backwards(s))  # ends of articles apart, the same pairs
    assert again.forward == pytest.approx(found.backward, abs=2e-3)
    assert again.backward == pytest.approx(found.forward, abs=2e-3)


@settings(deadline=None, max_examples=50)
@given(sets().filter(len))
def test_p6_delta_is_that_of_the_slow_way(s):
    k, found = s.context_length, d.next_token_delta(s)
    for value, last, near, far in (
        (found.forward, -1, 0, 1),
        (found.backward, -k, -k - 1, -k - 2),
    ):
        there = s.at_offset(far).present
        step, leap = (
            np.sum(s.at_offset(last).vectors * s.at_offset(o).vectors, 1) for o in (near, far)
        )
        gain = (leap - step)[there]
        assert value == pytest.approx(gain.mean() if there.any() else np.nan, abs=1e-5, nan_ok=True)


def test_the_published_score_selects_what_is_least_like_the_last_context(chains):
    found = d.distinctness(chains)
    mean = 1 - found.published
    assert found.last_cosine_of_published_top < mean - 0.1
    assert found.last_cosine_of_corrected_top > mean + 0.1
    assert found.last_is_nearest > 0.5


def halves(s):
    n = len(s.article_ids) // 2
    return take_articles(s, s.article_ids[:n]), take_articles(s, s.article_ids[n:])


def test_a_chain_that_forgets_passes_and_noise_does_not():
    good = check(*halves(ar1(0.5).sample(40, 40, seed=0)))
    assert good.passed
    refuse_or_go(good)
    bad = check(*halves(NOISE.sample(40, 40, seed=0)))
    failing = {(g.name, g.split) for g in bad.gates if not g.passed}
    assert {("coherence", "train"), ("temporal signal", "validation")} <= failing
    with pytest.raises(InputError, match=r"coherence of train \(.*\).*--force"):
        refuse_or_go(bad)
    refuse_or_go(bad, force=True)


def test_data_in_which_order_says_nothing_fails_although_it_is_coherent():
    """One topic an article and no order: the floor of coherence is coherence itself."""
    rng = np.random.default_rng(0)
    s = NOISE.sample(40, 40, seed=1)
    topic = rng.standard_normal((40, s.dim)).astype("f4")
    topic /= np.linalg.norm(topic, axis=1, keepdims=True)
    v = s.vectors + topic[s.article]
    s = replace(s, vectors=v / np.linalg.norm(v, axis=1, keepdims=True))
    report = check(*halves(s))
    gates = {g.name: g for g in report.gates if g.split == "train"}
    assert gates["coherence"].passed
    assert gates["coherence"].floor == pytest.approx(gates["coherence"].value, abs=0.02)
    assert not gates["temporal signal"].passed


def test_order_that_rises_and_falls_is_not_monotone(turning):
    gates = {g.name: g for g in check(turning).gates}
    assert not gates["smallest rise by place"].passed


def test_splits_that_differ_fail_parity():
    train, _ = halves(ar1(0.5).sample(20, 30, seed=0))
    _, other = halves(ar1(0.7).sample(20, 30, seed=1))
    report = check(train, replace(other, encoder=train.encoder, fingerprint=train.fingerprint))
    assert not next(g for g in report.gates if g.name == "parity of coherence").passed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, fingerprint="other"), "validation: vectors of encoder"),
        (lambda s: replace(s, starts=s.starts[:0]), "validation: no window"),
        (lambda s: replace(s, article_ids=("chain-00000", *s.article_ids[1:])), "in train and in"),
    ],
)
def test_sets_that_do_not_fit_are_refused(chains, change, message):
    train, validation = halves(chains)
    with pytest.raises(InputError, match=message):
        check(train, change(validation))


def test_a_report_is_plain_json_even_where_nothing_could_be_measured(chunks):
    import json

    report = check(windows_of(chunks, 8))  # one window: nothing comes before or after it
    plain = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert plain["next_token"]["train"] == {"forward": None, "backward": None}
    assert plain["passed"] is False
