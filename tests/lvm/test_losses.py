"""Each loss, against values worked out by hand and against a slow, obvious reference."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eisv_lumen.lvm.training import losses

cosines = st.floats(-1, 1, width=32)
pairs = st.lists(st.tuples(cosines, cosines), min_size=1, max_size=6)


def softplus(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0)


def tensors(rows):
    return (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))


def check(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype))


@settings(deadline=None, max_examples=50)
@given(pairs, st.floats(0, 0.1), st.floats(1, 8))
def test_directional_losses_are_their_formulas(rows, margin, gamma):
    pos, neg = tensors(rows)
    check(losses.directional_margin(pos, neg, margin), [max(0, margin - (p - n)) for p, n in rows])
    smooth = [softplus(gamma * (margin - (p - n))) / gamma for p, n in rows]
    check(losses.directional_smooth(pos, neg, margin, gamma), smooth)
    check(losses.micro_ranking(pos, neg, margin, gamma), [gamma * value for value in smooth])
    aware = [
        0.7 * value + 0.3 * softplus(gamma * (0.05 - (p - n) / (abs(p) + abs(n) + 1e-6))) / gamma
        for value, (p, n) in zip(smooth, rows, strict=True)
    ]
    check(losses.directional_scale_aware(pos, neg, margin, 0.05, gamma), aware)


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_penalties_are_their_formulas(rows):
    pos, neg = tensors(rows)
    check(losses.positive_floor(pos, 0.12), [max(0, 0.12 - p) ** 2 for p, _ in rows])
    check(losses.orthogonality(neg), [n * n for _, n in rows])
    check(losses.teacher_pull(pos, 0.2), [1 - p if p < 0.2 else 0.0 for p, _ in rows])
    mean_pos, mean_neg = (sum(c) / len(rows) for c in zip(*rows, strict=True))
    off = mean_pos < 0 or (mean_pos < 0.05 and mean_neg < -0.05)
    if min(abs(mean_pos), abs(mean_pos - 0.05), abs(mean_neg + 0.05)) > 1e-9:
        assert bool(losses.batch_gate(pos, neg)) is not off
    check(losses.confidence(pos), min(1, max(0, (mean_pos - 0.30) / 0.15)))
    check(
        losses.adaptive_scale(pos),
        1 + sum(1 / (1 + math.exp(-(p - 0.6) / 0.05)) for p, _ in rows) / len(rows),
    )


def test_values_worked_out_by_hand():
    pos, neg = torch.tensor([0.5]), torch.tensor([0.48])
    check(losses.directional_margin(pos, neg, 0.05), [0.03])
    check(losses.directional_smooth(pos, neg, 0.02, 4.0), [math.log(2) / 4])
    check(losses.gap_ratio(pos, -pos), [1.0 / 1.000001])
    check(losses.positive_floor(torch.tensor([0.02]), 0.12), [0.01])
    check(losses.norm_penalty(torch.tensor([[3.0, 4.0]])), [16.0])
    check(losses.cosine(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])), [0.96])


@settings(deadline=None, max_examples=50)
@given(
    arrays("float64", (3, 4), elements=st.floats(-1, 1)),
    arrays("bool", (3, 4)),
    st.floats(0.01, 0.1),
)
def test_hinges_over_several_chunks_are_means_of_hinges(cos, present, margin):
    pos, others = torch.linspace(-0.5, 0.9, 3, dtype=torch.float64), torch.from_numpy(cos)
    hinge = [
        [max(0, margin - (float(p) - float(c))) for c in row]
        for p, row in zip(pos, cos, strict=True)
    ]
    check(losses.anti_copy(pos, others, margin), [sum(row) / 4 for row in hinge])
    kept = [
        [h for h, there in zip(row, mask, strict=True) if there]
        for row, mask in zip(hinge, present, strict=True)
    ]
    check(
        losses.future_margin(pos, others, torch.from_numpy(present), margin),
        [sum(row) / len(row) if row else 0.0 for row in kept],
    )


@settings(deadline=None, max_examples=50)
@given(arrays("float64", (3, 4), elements=st.floats(-1, 1)), arrays("bool", (3, 4)))
def test_listwise_is_the_log_loss_of_the_first_candidate(scores, present):
    present[:, 0] = True
    expected = [
        math.log(sum(math.exp((s - row[0]) / 0.07) for s, p in zip(row, mask, strict=True) if p))
        for row, mask in zip(scores, present, strict=True)
    ]
    found = losses.listwise(torch.from_numpy(scores), torch.from_numpy(present), 0.07)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_info_nce_is_listwise_over_the_batch():
    torch.manual_seed(0)
    said, target = torch.randn(5, 8), torch.randn(5, 8)
    found = losses.info_nce(said, target, 0.07)
    for i in range(5):
        cos = [float(losses.cosine(said[i], target[j])) / 0.07 for j in range(5)]
        assert float(found[i]) == pytest.approx(
            math.log(sum(math.exp(c - max(cos)) for c in cos)) + max(cos) - cos[i], abs=1e-4
        )


def test_order_loss_is_the_log_loss_of_the_truth():
    logits, later = torch.tensor([2.0, -1.0]), torch.tensor([True, True])
    check(losses.order_loss(logits, later), [softplus(-2.0), softplus(1.0)])
    check(losses.order_loss(logits, ~later), [softplus(2.0), softplus(-1.0)])


def test_a_rollout_that_stands_still_is_penalised_and_taught():
    step = torch.tensor([[1.0, 0.0]])
    moved = torch.tensor([[0.0, 1.0]])
    steps = torch.stack([step, step, moved]).requires_grad_()
    found = losses.rollout_repeats(steps)
    check(found, [[0.0], [10 * 0.05], [0.0]])
    near = torch.tensor([[[1.0, 0.0]], [[0.99, 0.05]]], requires_grad=True)
    losses.rollout_repeats(near).sum().backward()
    assert near.grad.abs().sum() > 0


positive = st.floats(1e-5, 1.0)


@settings(deadline=None, max_examples=50)
@given(positive, positive, st.floats(0.05, 0.4), st.floats(0.05, 0.6))
def test_the_rho_controller_holds_its_share_within_its_bounds(mse, directional, target, cap):
    low, high = 1e-4, 0.02
    given_ = torch.tensor(mse, dtype=torch.float64), torch.tensor(directional, dtype=torch.float64)
    weight, rho = losses.rho_weight(*given_, target, cap, low, high)
    weight, rho = float(weight), float(rho)
    assert rho == pytest.approx(weight * directional / mse, rel=1e-6)
    assert rho <= cap * (1 + 1e-9) and weight <= high * (1 + 1e-9)
    wished = mse * target / directional
    if target <= cap and low <= wished <= high:
        assert rho == pytest.approx(target)
    if target <= cap and wished > high:
        assert weight == pytest.approx(high) and rho < target


def test_the_rho_controller_passes_no_gradient():
    mse, directional = (torch.tensor(x, requires_grad=True) for x in (0.002, 0.1))
    weight, _ = losses.rho_weight(mse, directional, 0.15, 0.35, 1e-4, 0.03)
    assert not weight.requires_grad
    assert float(weight) == pytest.approx(0.15 * 0.002 / 0.1)


def test_a_standing_rollout_has_gradient_through_every_step():
    """Against finite differences: nothing on the way is detached."""
    torch.manual_seed(0)
    steps = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: losses.rollout_repeats(x, -2.0, 1.0), (steps,))


def test_confidence_is_a_scale_and_has_no_gradient():
    pos = torch.tensor([0.35, 0.4], requires_grad=True)
    assert not losses.confidence(pos).requires_grad
