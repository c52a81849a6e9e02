"""Batches, corruption, the whole objective and the mini test, against slow references."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data.known_processes import ROTATION, ar1
from eisv_lumen.lvm.data.window_tensors import WindowTable
from eisv_lumen.lvm.models import MODELS
from eisv_lumen.lvm.training import losses
from eisv_lumen.lvm.training.corruption import corrupt
from eisv_lumen.lvm.training.objective import article_loss, window_loss
from eisv_lumen.lvm.training.recipe import load_recipe
from eisv_lumen.lvm.training.recipe_schema import Inputs, Objective
from eisv_lumen.lvm.training.validation import mini_test

DIM = 16


@pytest.fixture(scope="module")
def sequences():
    return ar1(0.5, dim=DIM).sample(4, 14, seed=1)


@pytest.fixture(scope="module", params=[0, 1])
def table(request, sequences):
    return WindowTable.of(sequences, request.param)


def build(kind="predictor", **fields):
    torch.manual_seed(0)
    shape = {"dim": DIM, "rank": 4}
    if kind != "ranker":
        shape = {"dim": DIM, "width": 8, "layers": 1, "heads": 2, "dropout": 0.0}
    return MODELS[kind](MODELS[kind].config_class(**{**shape, **fields}))


def test_a_table_looks_up_what_the_set_holds(sequences, table):
    offset = table.offset
    usable = sequences.at_offset(offset).present
    everything = torch.arange(len(table))
    assert len(table) == usable.sum()
    np.testing.assert_array_equal(table.contexts(everything), sequences.contexts()[usable])
    expected = sequences.at_offset(offset).vectors[usable]
    np.testing.assert_array_equal(table.targets(everything), expected)
    for i, step in enumerate((1, 2)):
        vectors, present = table.after(everything, (1, 2))
        later = sequences.at_offset(offset + step)
        np.testing.assert_array_equal(present[:, i], later.present[usable])
        np.testing.assert_array_equal(
            vectors[:, i][present[:, i]], later.vectors[usable][present[:, i].numpy()]
        )
    by_article = torch.cat(table.articles())
    assert torch.equal(by_article, everything) and len(table.articles()) == 4


def test_a_set_without_later_chunks_is_refused(sequences):
    with pytest.raises(InputError, match="no window has a chunk 30 after its target"):
        WindowTable.of(sequences, 30)


def test_distractors_are_other_chunks_of_the_article_all_as_often(table):
    torch.manual_seed(0)
    window = torch.full((4000,), 2)
    rows, present = table.distractors(window, 3)
    start, first = int(table.starts[2]), int(table.first[table.starts[2]])
    allowed = set(range(first, first + 14)) - set(range(start, start + 6 + table.offset))
    counts = Counter(rows[:, 0].tolist())
    assert set(counts) == allowed
    assert max(counts.values()) < 1.3 * min(counts.values())
    for drawn, there in zip(rows[:200].tolist(), present[:200].tolist(), strict=True):
        assert there == [row not in drawn[:i] for i, row in enumerate(drawn)]


def test_an_article_no_longer_than_a_window_has_no_distractors():
    table = WindowTable.of(ar1(0.5, dim=DIM).sample(2, 6, seed=0))
    assert not table.distractors(torch.arange(2), 3)[1].any()


def test_corruption_touches_the_share_it_says_and_nothing_else():
    torch.manual_seed(0)
    contexts = F.normalize(torch.randn(4000, 5, DIM), dim=-1)
    kept = contexts.clone()
    assert corrupt(contexts, Inputs()) is contexts
    dropped = corrupt(contexts, Inputs(drop=0.1))
    changed = (dropped != contexts).any(-1)
    assert not changed[:, :4].any()
    assert abs(float(changed[:, 4].float().mean()) - 0.1) < 0.02
    lost = losses.cosine(dropped, contexts)[:, 4][changed[:, 4]]
    assert abs(float(lost.mean())) < 0.1
    noisy = corrupt(contexts, Inputs(noise=1.0, noise_sigma=0.03))
    torch.testing.assert_close(noisy.norm(dim=-1), torch.ones(4000, 5))
    near = float(losses.cosine(noisy, contexts)[:, 4].mean())
    assert near == pytest.approx(1 - 0.03**2 * (DIM - 1) / 2, abs=1e-3)
    swapped = corrupt(contexts, Inputs(swap=0.05))
    turned = (swapped[:, 3] == contexts[:, 4]).all(-1)
    assert torch.equal(swapped[turned][:, 4], contexts[turned][:, 3])
    assert abs(float(turned.float().mean()) - 0.05) < 0.02
    assert torch.equal(swapped[~turned], contexts[~turned])
    assert torch.equal(contexts, kept)


def by_hand(spec, model, table, windows, epoch):
    """Every deterministic term of an objective, sample by sample, from the definitions."""
    total, n = 0.0, len(windows)
    said = model(table.contexts(windows)).prediction
    mean = dict.fromkeys(("floor", "norm", "orthogonal", "copy", "micro", "pull", "future"), 0.0)
    mse = repel = 0.0
    for i, window in enumerate(windows.tolist()):
        start = int(table.starts[window])
        c, y = table.vectors[start : start + 5], table.targets(windows)[i]
        p = said[i]
        pos = losses.cosine(p, y)
        cos = [losses.cosine(p, ck) for ck in c]
        neg = cos[spec.prev]
        mse += ((p - y) ** 2).mean()
        mean["norm"] += (p.norm() - 1) ** 2
        mean["orthogonal"] += neg**2
        if spec.positive_floor:
            mean["floor"] += max(0, spec.positive_floor.tau - pos) ** 2
        if spec.anti_copy:
            mean["copy"] += sum(max(0, spec.anti_copy.margin - pos + x) for x in cos) / 5
        if spec.micro_ranking:
            m = spec.micro_ranking
            mean["micro"] += torch.log1p(torch.exp(m.gamma * (m.margin - pos + neg)))
        if spec.teacher_pull and pos < spec.teacher_pull.below:
            mean["pull"] += 1 - pos
        if spec.future:
            row = start + 5 + table.offset
            last = int(table.last[start])
            later = [r for r in (row + 1, row + 2) if r <= last]
            hinge = [
                max(0, spec.future.margin - pos + losses.cosine(p, table.vectors[r])) for r in later
            ]
            mean["future"] += sum(hinge) / max(1, len(hinge))
        if spec.prev_repel:
            delta = losses.cosine(c[4], y) - losses.cosine(c[4], c[3])
            share = spec.prev_repel.gate_weight if delta < spec.prev_repel.gate_below else 1
            repel += share * max(0, spec.prev_repel.margin - pos + cos[4])
    total = spec.mse * mse / n + spec.norm * mean["norm"] / n
    total = total + spec.orthogonality * mean["orthogonal"] / n
    for name, term in (
        ("floor", spec.positive_floor), ("copy", spec.anti_copy), ("micro", spec.micro_ranking),
        ("pull", spec.teacher_pull), ("future", spec.future),
    ):  # fmt: skip
        if term:
            total = total + term.weight.at(epoch) * mean[name] / n
    if spec.prev_repel:
        total = total + spec.prev_repel.weight.at(epoch) * repel / n
    return total


OBJECTIVE = {
    "mse": 0.7,
    "prev": 3,
    "norm": 0.1,
    "orthogonality": 0.2,
    "positive_floor": {"tau": 0.3, "weight": 0.5},
    "anti_copy": {"margin": 0.05, "weight": {"step": {1: 0.3, 2: 0.9}}},
    "future": {"margin": 0.05, "weight": 0.4},
    "micro_ranking": {"margin": 0.02, "gamma": 5.0, "weight": 0.3},
    "prev_repel": {"margin": 0.07, "weight": 0.5, "gate_below": 0.03, "gate_weight": 0.25},
    "teacher_pull": {"below": 0.2, "weight": 0.2},
}


@pytest.mark.parametrize("epoch", [0.0, 1.5])
def test_the_objective_is_the_sum_of_its_terms(table, epoch):
    model, spec = build(), Objective.model_validate(OBJECTIVE)
    windows = torch.arange(0, len(table), 2)
    loss, readings = window_loss(spec, model, table, windows, epoch)
    torch.testing.assert_close(loss, by_hand(spec, model, table, windows, epoch))
    assert float(readings["gap"]) == pytest.approx(
        float(readings["pos"] - readings["neg"]), abs=1e-6
    )
    assert not any(value.requires_grad for value in readings.values())


def directional(**fields):
    return Objective.model_validate(
        {"mse": 1.0, "prev": 3, "directional": {"margin": 0.05, **fields}}
    )


def test_the_directional_term_is_weighted_gated_and_watched(table):
    model, windows = build(), torch.arange(len(table))
    said = model(table.contexts(windows)).prediction
    target, contexts = table.targets(windows), table.contexts(windows)
    pos, neg = losses.cosine(said, target), losses.cosine(said, contexts[:, 3])
    mse = F.mse_loss(said, target)
    each = losses.directional_margin(pos, neg, 0.05)

    loss, _ = window_loss(directional(weight=0.3), model, table, windows)
    torch.testing.assert_close(loss, mse + 0.3 * each.mean())

    loss, found = window_loss(directional(weight=0.3, min_signal=0.08), model, table, windows)
    signal = losses.cosine(contexts[:, 4], target) - losses.cosine(contexts[:, 0], target)
    assert 0 < (signal >= 0.08).sum() < len(windows)
    torch.testing.assert_close(loss, mse + 0.3 * each[signal >= 0.08].mean())
    assert float(found["skipped"]) == 0

    loss, _ = window_loss(directional(weight=0.3, adaptive=True), model, table, windows)
    scale = losses.adaptive_scale(losses.cosine(contexts[:, 4], target))
    torch.testing.assert_close(loss, mse + 0.3 * scale * each.mean())

    control = {"target": 0.15, "cap": 0.3, "low": 1e-9, "high": 1e9}
    loss, found = window_loss(directional(control=control), model, table, windows)
    assert float(found["rho"]) == pytest.approx(0.15, rel=1e-4)
    assert float(found["rho_target"]) == pytest.approx(0.15)
    assert float(loss.detach()) == pytest.approx(float(mse.detach()) * 1.15, rel=1e-4)

    assert float(pos.detach().mean()) < 0.30  # an untrained model is not confident
    loss, found = window_loss(directional(control=control, gate="confident"), model, table, windows)
    torch.testing.assert_close(loss, mse)
    assert float(found["skipped"]) == 1 and float(found["lambda_eff"]) == 0


def test_a_rollout_teaches(table):
    model, windows = build(), torch.arange(8)
    spec = Objective.model_validate({"mse": 0.0, "rollout": {"steps": 3, "weight": 0.05}})
    loss, _ = window_loss(spec, model, table, windows)
    context = table.contexts(windows)
    first = said = model(context).prediction
    repeats = 0.0
    for _ in range(2):
        context = torch.cat([context[:, 1:], F.normalize(said, dim=-1)[:, None]], dim=1)
        again = model(context).prediction
        repeats = repeats + 10 * F.relu(losses.cosine(said, again) - 0.95).mean()
        said = again
    assert float(repeats.detach()) > 0
    torch.testing.assert_close(
        loss, 0.05 * (F.mse_loss(first, table.targets(windows)) + repeats) / 3
    )
    free = torch.autograd.grad(repeats, model.head.weight, retain_graph=True)[0]
    assert free.abs().max() > 1e-6


def test_p8_ranks_the_next_chunk_among_the_right_candidates(table):
    model, windows = build("mixture"), torch.arange(10)
    spec = Objective.model_validate(
        {"mse": 0.0, "listwise": {"weight": 1.0, "distractors": 4, "in_batch": 4}}
    )
    torch.manual_seed(3)
    loss, _ = window_loss(spec, model, table, windows)
    torch.manual_seed(3)
    others, present = table.distractors(windows, 4)
    said = model(table.contexts(windows)).prediction
    target = table.target_rows(windows)
    total = 0.0
    for i in range(10):
        start = int(table.starts[i])
        rows = [start + 4, *others[i][present[i]].tolist()]
        for shift in (1, 2, 3, 4):
            row = int(target[(i - shift) % 10])
            if not start <= row <= int(target[i]):
                rows.append(row)
        scores = [
            float((said[i] @ table.vectors[r]).detach()) / 0.07 for r in [int(target[i]), *rows]
        ]
        total += math.log(sum(math.exp(s - scores[0]) for s in scores))
    assert float(loss.detach()) == pytest.approx(total / 10, rel=1e-4)


def test_the_order_verifier_learns_order_where_there_is_one():
    """Chunks that drift along one axis: later means further."""
    drift = ROTATION.sample(1, 40, seed=0)
    vectors = np.zeros((40, DIM), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(np.linspace(0, 1, 40)), np.sin(np.linspace(0, 1, 40))
    from dataclasses import replace

    table = WindowTable.of(replace(drift, vectors=vectors))
    model = build("mixture")
    spec = Objective.model_validate({"mse": 0.0, "order": {"weight": 0.2}})
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    accuracy = []
    for _ in range(120):
        loss, found = window_loss(spec, model, table, torch.arange(len(table)))
        optimizer.zero_grad(), loss.backward(), optimizer.step()
        accuracy.append(float(found["order"]))
    assert np.mean(accuracy[:5]) < 0.8 and np.mean(accuracy[-10:]) > 0.95


def test_the_article_loss_is_the_log_loss_among_what_is_not_context(table):
    model = build("ranker", offset=table.offset)
    loss, readings = article_loss(2.0, model, table, table.articles())
    total = bits = 0.0
    for window in range(len(table)):
        start = int(table.starts[window])
        first, last = int(table.first[start]), int(table.last[start])
        scores = model.scores(
            table.contexts(torch.tensor([window])), table.vectors[first : last + 1]
        )
        rows = [r for r in range(first, last + 1) if not start <= r < start + 5]
        kept = scores[0, [r - first for r in rows]].detach().double() / 2.0
        place = rows.index(start + 5 + table.offset)
        nats = float(kept.logsumexp(0) - kept[place])
        total += nats
        bits += (math.log(len(rows)) - nats) / math.log(2)
    assert float(loss.detach()) == pytest.approx(total / len(table), rel=1e-4)
    assert float(readings["bits"]) == pytest.approx(bits / len(table), abs=1e-4)


def test_the_mini_test_is_what_a_loop_finds(table):
    model = build("ranker", offset=table.offset).eval()
    found = mini_test(model, table)
    sums = Counter()
    for window in range(len(table)):
        context, y = (
            table.contexts(torch.tensor([window])),
            table.targets(torch.tensor([window]))[0],
        )
        p = model(context).prediction[0]
        cos = [float(losses.cosine(p, c).detach()) for c in context[0]]
        pos = float(losses.cosine(p, y).detach())
        sums["cosine"] += pos
        sums["margin"] += pos - cos[-1]
        above = sum(c > pos for c in cos)
        sums["r1_six"] += above < 1
        sums["r5_six"] += above < 5
        start = int(table.starts[window])
        first, last = int(table.first[start]), int(table.last[start])
        scores = model.scores(context, table.vectors[first : last + 1])[0].detach()
        rows = [r for r in range(first, last + 1) if not start <= r < start + 5]
        true = float(scores[start + 5 + table.offset - first])
        rank = sum(float(scores[r - first]) > true for r in rows)
        sums["r1_article"] += rank < 1
        sums["r5_article"] += rank < 5
        sums["mrr"] += 1 / (1 + rank)
        kept = scores[[r - first for r in rows]].double()
        sums["bits"] += math.log2(len(rows)) - float(kept.logsumexp(0) - true) / math.log(2)
    for name, total in sums.items():
        assert found[name] == pytest.approx(total / len(table), abs=1e-4), name
    assert ("rollout" in found) is (table.offset == 0)


def test_the_mini_rollout_follows_an_exact_predictor(sequences):
    """A model that knows a noiseless turn stays on the text for five steps."""
    turn = ROTATION.turn
    start = sequences.vectors[0]
    chain = [start]
    for _ in range(19):
        chain.append(turn(chain[-1][None])[0])
    from dataclasses import replace

    one = ar1(0.5, dim=DIM).sample(1, 20, seed=0)
    table = WindowTable.of(replace(one, vectors=np.stack(chain)))
    model = build()
    model.predict = lambda contexts: torch.from_numpy(turn(contexts[:, -1].numpy()))
    found = mini_test(model.eval(), table)
    assert found["rollout"] == pytest.approx(1.0, abs=1e-5)
    assert found["cosine"] == pytest.approx(1.0, abs=1e-5)
    assert found["margin"] == pytest.approx(1 - math.cos(math.pi / 3), abs=1e-5)


@pytest.mark.parametrize("name", ["v3", "p4", "p6b-v2.1", "p6b-v2.2", "p6b-v2.3", "p7", "p8"])
def test_every_objective_of_the_line_can_be_followed_downhill(name, table):
    recipe = load_recipe(name, "small")
    kind = recipe.model["type"]
    model, windows = build(kind), torch.arange(len(table))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    found = []
    for _ in range(30):
        torch.manual_seed(1)
        loss, _ = window_loss(recipe.objective, model, table, windows, 11.0)
        optimizer.zero_grad(), loss.backward(), optimizer.step()
        found.append(float(loss.detach()))
    assert math.isfinite(found[-1]) and found[-1] < found[0]


class Linear:
    """A model that any context changes: its prediction is a mix of the context's chunks."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, context):
        mixed = torch.einsum("k,bkd->bd", self.weights, context)
        return type("Output", (), {"prediction": mixed})()


def test_a_rollout_has_gradient_through_its_own_predictions():
    from eisv_lumen.lvm.training.objective import _rollout
    from eisv_lumen.lvm.training.recipe_schema import Rollout

    torch.manual_seed(1)
    seen = torch.randn(2, 5, 4, dtype=torch.float64)
    target = torch.randn(2, 4, dtype=torch.float64)
    spec = Rollout(steps=3, weight=1.0)
    weights = torch.tensor([0.1, 0.2, 0.3, 0.2, 1.5], dtype=torch.float64, requires_grad=True)

    def loss(w):
        model = Linear(w)
        return _rollout(spec, model, seen, model(seen).prediction, target)

    assert torch.autograd.gradcheck(loss, (weights,))


def test_the_same_target_in_the_batch_is_no_distractor(table):
    """Two copies of a window: the other's target is one's own, and must not be pushed away."""
    from eisv_lumen.lvm.training.objective import _listwise
    from eisv_lumen.lvm.training.recipe_schema import Listwise

    windows = torch.tensor([2, 2])
    direction = F.normalize(torch.randn(2, DIM), dim=-1)
    found = [
        _listwise(Listwise(weight=1.0, distractors=0, in_batch=n), direction, None, table, windows)
        for n in (0, 1)
    ]
    torch.testing.assert_close(*found)


def test_what_is_shown_is_not_what_is_compared_with(table):
    """Corrupted contexts go to the model alone: gates look at the clean ones."""
    windows = torch.arange(6)
    constant = torch.randn(6, DIM)
    model = lambda _: type("Output", (), {"prediction": constant})()  # noqa: E731
    spec = Objective(prev_repel={"margin": 0.5, "weight": 1.0, "gate_below": 0.0})
    clean, _ = window_loss(spec, model, table, windows)
    torch.manual_seed(0)
    shown, _ = window_loss(spec, model, table, windows, show=torch.randn_like)
    torch.testing.assert_close(clean, shown)
