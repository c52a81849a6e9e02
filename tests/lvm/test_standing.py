"""Where candidates stand in a pool: against loops, and under changes that must not matter."""

import math

import numpy as np
import pytest
import torch

from eisv_lumen.lvm.models import MODELS, load_predictor
from eisv_lumen.lvm.models.pool_features import SHARPNESS, balanced, features, standing
from eisv_lumen.lvm.predictors.predict import score_pool

DIM, K = 16, 5


def units(*shape, seed=1):
    drawn = np.random.default_rng(seed).standard_normal((*shape, DIM)) + 0.4
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    return torch.from_numpy(drawn.astype(np.float32))


def windows(size, seed=1):
    """A pool and contexts that lie in it."""
    pool = units(size, seed=seed)
    starts = torch.arange(size - K)
    return pool[starts[:, None] + torch.arange(K)], pool


def judge(**fields):
    torch.manual_seed(0)
    config = MODELS["ranker"].config_class(**{"dim": DIM, "rank": 0, "hidden": 6, **fields})
    model = MODELS["ranker"](config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=2e-3)
    return model.eval()


def unit(v):
    return v / np.linalg.norm(v)


def by_hand(contexts, pool):
    """Each feature in the order of `standing`, from its definition: window, candidate, loop."""
    contexts, pool = contexts.double().numpy(), pool.double().numpy()
    size, centre = len(pool), pool.mean(0)
    x = [unit(p - centre) for p in pool]
    pairs = [x[i] @ x[j] for i in range(size) for j in range(size) if i != j]
    spread = max(float(np.std(pairs)), 0.05)
    out = np.zeros((len(contexts), size, features(K)))
    shares = []
    for sharp in SHARPNESS:
        kernel = np.array(
            [[math.exp(sharp / spread * (a @ b)) if a is not b else 0.0 for b in x] for a in x]
        )
        price = np.ones(size)
        for _ in range(30):
            price = np.sqrt(price / (kernel @ price))
        share = kernel * price
        plain = kernel / kernel.sum(1, keepdims=True)
        shares.append((kernel, np.log(price), share / share.sum(1, keepdims=True), plain))
    for b, context in enumerate(contexts):
        c = [unit(v - centre) for v in context]
        known = [any(v @ p > 1 - 1e-5 for v in context) for p in pool]
        free = [z for z in range(size) if not known[z]]
        steps = []
        for k in range(K - 1):
            own = c[k] @ c[k + 1]
            after = [c[k + 1] @ x[z] for z in range(size) if context[k + 1] @ pool[z] < 1 - 1e-5]
            steps.append(math.log1p(sum(a > own + 1e-5 for a in after)))
        row_middle = [np.mean([v @ x[z] for z in free]) for v in c]
        for j in range(size):
            rivals = [x[z] @ x[j] for z in free if z != j]
            found = [4 * (v @ x[j]) for v in c] + [4 * (v @ pool[j]) - 2 for v in context]
            found += [(v @ x[j] - np.mean(rivals)) / np.std(rivals) / 2 for v in c]
            found += [
                (v @ x[j] - middle) / np.std([v @ x[z] for z in free]) / 2
                for v, middle in zip(c, row_middle, strict=True)
            ]
            nearer = [sum(r > v @ x[j] + 1e-5 for r in rivals) for v in c]
            ahead = [sum(v @ x[z] > v @ x[j] + 1e-5 for z in free) for v in c]
            for ranks in (nearer, ahead):
                found += [math.log1p(r) - 2 for r in ranks] + [3 / (1 + r) for r in ranks]
            chunk = []
            for sharp, (kernel, potential, share, plain) in zip(SHARPNESS, shares, strict=True):
                beta = sharp / spread
                crowd = sum(kernel[z, j] for z in free if z != j)
                mine = [math.exp(beta * (v @ x[j])) for v in c]
                found += [
                    (math.log(m / (m + crowd)) + math.log(len(rivals))) / (1 + sharp) for m in mine
                ]
                asked = [sum(math.exp(beta * (v @ x[z])) for z in free) for v in c]
                found += [
                    (math.log(m / a) + math.log(len(free))) / (1 + sharp)
                    for m, a in zip(mine, asked, strict=True)
                ]
                first = np.array(
                    [0 if known[z] else math.exp(beta * (c[-1] @ x[z])) for z in range(size)]
                )
                first /= first.sum()
                walked, step = np.zeros(size), first
                for _ in range(400):  # a walk that ends with chance 0.2 at each step
                    walked, step = walked + step, 0.8 * step @ share
                chunk += [
                    math.log(crowd / len(rivals)) / (1 + sharp),
                    potential[j] + math.log(size) / 2,
                    math.log(first @ share[:, j] * size + 1e-4) / 2,
                    math.log(first @ plain[:, j] * size + 1e-4) / 2,
                    math.log(walked[j] * size + 1e-4) / 2,
                ]
            best = sorted(rivals, reverse=True)
            ordered = [c[k] @ c[k + 1] for k in range(K - 1)]
            nearest = [max(x[i] @ x[z] for z in range(size) if z != i) for i in range(size)]
            found += [
                *chunk,
                4 * best[0] - 2,
                4 * best[1] - 2,
                8 * np.mean(rivals),
                8 * np.std(rivals) - 1,
                4 * (pool[j] @ unit(centre)) - 2,
                4 * np.linalg.norm(pool[j] - centre) - 3,
                4 * min(c[-1] @ x[j], c[-2] @ x[j]),
                4 * max(v @ x[j] for v in c[:-1]) - 1,
                math.log(len(free)) - 4,
                math.log(spread) + 2,
                4 * np.mean(ordered) - 1,
                4 * ordered[-1] - 1,
                4 * max(c[-1] @ x[z] for z in free) - 2,
                np.mean(steps) - 2,
                8 * row_middle[-1],
                4 * np.mean([p @ unit(centre) for p in pool]) - 2,
                4 * np.mean(nearest) - 2,
            ]
            out[b, j] = found
    return np.clip(out, -8, 8)


@pytest.mark.parametrize("member", [True, False])
def test_features_are_what_loops_find(member):
    contexts, pool = windows(13)
    if not member:
        contexts = units(4, K, seed=9)
    found = standing(contexts, pool)
    np.testing.assert_allclose(found.features, by_hand(contexts, pool), rtol=2e-3, atol=4e-3)
    expected = [[not any(torch.equal(p, v) for v in c) for p in pool] for c in contexts]
    assert found.open.bool().tolist() == expected


def test_the_order_of_the_pool_is_not_known():
    """Permuted with the pool, and nothing else changes: no position leaks into a score."""
    contexts, pool = windows(20)
    order = torch.from_numpy(np.random.default_rng(3).permutation(20))
    one, other = standing(contexts, pool), standing(contexts, pool[order])
    torch.testing.assert_close(one.features[:, order], other.features, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.near[:, order][:, :, order], other.near, rtol=1e-3, atol=1e-4)
    model = judge()
    scores = score_pool(model, contexts.numpy(), pool.numpy())
    again = score_pool(model, contexts.numpy(), pool[order].numpy())
    np.testing.assert_allclose(scores[:, order], again, rtol=1e-3, atol=5e-3)


def test_other_windows_are_not_known():
    model, (contexts, pool) = judge(), windows(20)
    whole = score_pool(model, contexts.numpy(), pool.numpy())
    alone = [score_pool(model, c[None].numpy(), pool.numpy())[0] for c in contexts]
    np.testing.assert_allclose(whole, np.stack(alone), rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("sharpness", [2.0, 20.0])
def test_a_balanced_choice_asks_for_all_alike(sharpness):
    x = units(15)
    x = torch.nn.functional.normalize(x - x.mean(0), dim=1)
    near, _ = balanced(x @ x.T, sharpness)
    assert near.diagonal().abs().max() == 0
    torch.testing.assert_close(near.sum(1), torch.ones(15))
    torch.testing.assert_close(near.sum(0), torch.ones(15), atol=0.05, rtol=0)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
def test_small_pools_and_pools_that_are_the_context_have_scores(size):
    pool = units(size)
    inside = pool[torch.arange(K) % size][None]
    for contexts in (inside, units(2, K, seed=4)):
        assert torch.isfinite(standing(contexts, pool).features).all()
        assert np.isfinite(score_pool(judge(), contexts.numpy(), pool.numpy())).all()
    twins = pool[torch.zeros(4, dtype=torch.long)]
    assert np.isfinite(score_pool(judge(), inside.numpy(), twins.numpy())).all()


@pytest.mark.parametrize("fields", [{}, {"heard": 0}, {"crowding": False, "rank": 3}])
def test_a_saved_judge_scores_the_same_bits(fields, tmp_path):
    model, (contexts, pool) = judge(**fields), windows(12)
    model.save_pretrained(tmp_path)
    loaded = load_predictor(tmp_path)
    one, other = (score_pool(m, contexts.numpy(), pool.numpy()) for m in (model, loaded))
    assert np.array_equal(one, other)


def test_an_untrained_network_adds_nothing():
    config = MODELS["ranker"].config_class
    with_it = MODELS["ranker"](config(dim=DIM, rank=0, hidden=6)).eval()
    without = MODELS["ranker"](config(dim=DIM, rank=0)).eval()
    contexts, pool = windows(12)
    one, other = (score_pool(m, contexts.numpy(), pool.numpy()) for m in (with_it, without))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_others_tell_is_summed_by_how_near_they_are():
    """The one round of hearing, candidate by candidate."""
    model, (contexts, pool) = judge(), windows(9)
    net, where = model.judge, standing(contexts, pool)
    with torch.no_grad():
        base = judge(hidden=0)
        base.load_state_dict({k: v for k, v in model.state_dict().items() if "judge" not in k})
        start = base.scores(contexts, pool)
        found = model.scores(contexts, pool) - start
        for b in range(len(contexts)):
            f, free = where.features[b], where.open[b].bool()
            see = [net.see(f[j]) for j in range(9)]
            units_ = [torch.nn.functional.gelu(s) for s in see]
            guess = [start[b, j] + (net.straight(f[j]) + net.guess(units_[j]))[0] for j in range(9)]
            total = sum(math.exp(guess[z]) for z in range(9) if free[z])
            likely = [math.exp(guess[z]) / total if free[z] else 0.0 for z in range(9)]
            told = [net.tell(u) if free[z] else torch.zeros(8) for z, u in enumerate(units_)]
            count = int(free.sum())
            for j in range(9):
                heard = [sum(n[z, j] * told[z] for z in range(9)) for n in where.near]
                beside = [float(sum(n[z, j] * likely[z] for z in range(9))) for n in where.near]
                sizes = [math.log(s * count + 1e-3) / 3 for s in (*beside, likely[j])]
                more = net.hear(torch.cat([*heard, sum(told) / count]))
                more = more + net.weigh(torch.tensor([*sizes, likely[j] / 3]))
                said = net.straight(f[j]) + net.say(torch.nn.functional.gelu(see[j] + more))
                assert float(found[b, j]) == pytest.approx(float(said), abs=2e-3, rel=2e-3)
