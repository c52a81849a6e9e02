"""Two optimizers in one: a schedule reaches both, and a saved state goes on as if never saved."""

import copy

import pytest
import torch

from eisv_lumen.teacher.models.tiny import build_model, build_tokenizer
from eisv_lumen.teacher.training.optim import Muon, MuonAdamW

TOKENIZER = build_tokenizer("study")
FIELDS = {"hidden_size": 16, "intermediate_size": 16, "head_dim": 4}


def steps(model, optimizer, n, seed):
    generator = torch.Generator().manual_seed(seed)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 / (k + 1))
    for _ in range(n):
        ids = torch.randint(4, 60, (2, 9), generator=generator)
        model(ids, labels=ids).loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def test_it_does_what_its_two_parts_do_apart():
    one = build_model(TOKENIZER, "study", 0, **FIELDS)
    two = copy.deepcopy(one)
    steps(one, MuonAdamW(one, 0.02, lr=1e-3), 1, 1)
    named = list(two.named_parameters())
    inner = [p for name, p in named if ".layers." in name and p.ndim == 2]
    outer = [p for name, p in named if not (".layers." in name and p.ndim == 2)]
    assert len(inner) == 14  # q k v o gate up down, two layers
    apart = [
        Muon(inner, lr=0.02),
        torch.optim.AdamW(outer, lr=1e-3, weight_decay=0.0, fused=True),
    ]
    ids = torch.randint(4, 60, (2, 9), generator=torch.Generator().manual_seed(1))
    two(ids, labels=ids).loss.backward()
    for optimizer in apart:
        optimizer.step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_matrices_stepped_together_go_where_pytorchs_muon_takes_them_one_by_one(
    weight_decay, monkeypatch
):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # PyTorch's, in float32
    generator = torch.Generator().manual_seed(0)
    sizes = [(6, 6), (6, 12), (12, 6), (6, 6), (12, 6), (3, 20), (1, 5)]
    mine = [torch.nn.Parameter(torch.randn(size, generator=generator)) for size in sizes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in mine]
    still = torch.nn.Parameter(torch.ones(6, 6))  # no gradient: not moved
    ours = Muon([*mine, still], lr=0.1, weight_decay=weight_decay)
    pytorchs = torch.optim.Muon(theirs, lr=0.1, weight_decay=weight_decay)
    for _ in range(5):
        for p, q in zip(mine, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.clone()
        before = [q.detach().clone() for q in theirs]
        ours.step()
        pytorchs.step()
        for p, q, b in zip(mine, theirs, before, strict=True):
            assert (p - q).norm() <= 1e-4 * (q - b).norm()
            with torch.no_grad():
                p.copy_(q)
    assert torch.equal(still, torch.ones(6, 6))


def test_on_a_cpu_steps_are_found_in_float32():
    """Emulated bfloat16 takes fifteen times as long, and would be off by a hundredth here."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.nn.Parameter(torch.zeros(8, 20))
    matrix.grad = torch.randn(8, 20, generator=generator)
    Muon([matrix], lr=1.0).step()
    # The first momentum points along the gradient, and its length does not matter.
    x = matrix.grad.double() / matrix.grad.double().norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    torch.testing.assert_close(matrix.detach().double(), -x, atol=1e-5, rtol=1e-5)


def test_a_state_taken_up_goes_on_as_if_never_put_down():
    one = build_model(TOKENIZER, "study", 0, **FIELDS)
    optimizer = MuonAdamW(one, 0.02, lr=1e-3)
    steps(one, optimizer, 3, 1)
    two = copy.deepcopy(one)
    resumed = MuonAdamW(two, 0.5, lr=0.5)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert [g["lr"] for g in resumed.param_groups] == [g["lr"] for g in optimizer.param_groups]
    for model, used in ((one, optimizer), (two, resumed)):
        ids = torch.randint(4, 60, (2, 9), generator=torch.Generator().manual_seed(2))
        model(ids, labels=ids).loss.backward()
        for group in used.param_groups:
            group["lr"] = 0.01
        used.step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
