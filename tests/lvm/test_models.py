"""Models keep their word when saved and loaded, and are what their names say."""

import hashlib
import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.models import MODELS, load_predictor
from eisv_lumen.lvm.predictors.load import facts_of
from eisv_lumen.lvm.predictors.predict import predict, score_pool

DIM = 16
SHAPE = {"dim": DIM, "width": 8, "layers": 2, "heads": 2}
ENCODERS = ("lstm", "gru", "transformer", "amn")
KINDS = [(k, {"encoder": e}) for k in MODELS if k != "ranker" for e in ENCODERS]
KINDS += [
    ("predictor", {"encoder": "transformer", "position_scale": 0.1, "last_slot_bias": 0.6}),
    ("ranker", {"dim": DIM, "rank": 4}),
    ("ranker", {"dim": DIM, "rank": 0}),
    ("ranker", {"dim": DIM, "rank": 4, "crowding": False}),
]


def build(kind, **fields):
    torch.manual_seed(0)
    model_class = MODELS[kind]
    shape = {"dim": DIM} if kind == "ranker" else SHAPE
    model = model_class(model_class.config_class(**{**shape, **fields}))
    with torch.no_grad():  # away from special starts, such as the ranker's zero residual
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model.eval()


def units(*shape, seed=1):
    drawn = np.random.default_rng(seed).standard_normal((*shape, DIM))
    return (drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_a_saved_model_predicts_the_same_bits(kind, fields, tmp_path):
    model = build(kind, **fields)
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    about = json.loads((tmp_path / "config.json").read_text())
    assert about["model_type"] == f"lvm_{kind}" and "auto_map" not in about
    loaded, contexts, pool = load_predictor(tmp_path), units(7, 5), units(9, seed=2)
    assert np.array_equal(predict(model, contexts), predict(loaded, contexts))
    assert np.array_equal(score_pool(model, contexts, pool), score_pool(loaded, contexts, pool))
    assert {name: getattr(loaded.config, name) for name in fields} == fields


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_batches_do_not_matter_and_order_of_the_pool_follows(kind, fields):
    model, contexts, pool = build(kind, **fields), units(7, 5), units(9, seed=2)
    np.testing.assert_allclose(
        predict(model, contexts), predict(model, contexts, batch_size=2), atol=1e-6
    )
    scores = score_pool(model, contexts, pool)
    batched = score_pool(model, contexts, pool, batch_size=3)
    np.testing.assert_allclose(scores, batched, atol=1e-5, rtol=1e-5)
    turned = np.random.default_rng(0).permutation(9)
    np.testing.assert_allclose(
        score_pool(model, contexts, pool[turned]), scores[:, turned], atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("kind", "fields"), [pair for pair in KINDS if pair[0] != "ranker"])
def test_vector_models_score_by_cosine(kind, fields):
    model, contexts, pool = build(kind, **fields), units(4, 5), units(6, seed=2)
    said = predict(model, contexts)
    expected = said / np.linalg.norm(said, axis=1, keepdims=True) @ pool.T
    np.testing.assert_allclose(score_pool(model, contexts, pool), expected, atol=1e-5)


def test_residual_steps_away_from_the_newest_chunk():
    model, contexts = build("residual"), torch.from_numpy(units(3, 5))
    delta = model.head(model.encoder(contexts))
    expected = F.normalize(contexts[:, -1] + model.alpha * delta, dim=-1)
    torch.testing.assert_close(model(contexts).prediction, expected)
    config = model.config
    assert float(MODELS["residual"](config).alpha.detach()) == 0.5


def test_anchored_blends_within_its_bounds():
    model, contexts = build("anchored"), torch.from_numpy(units(3, 5))
    assert float(MODELS["anchored"](model.config).blend.detach()) == pytest.approx(0.8)
    for logit, share in ((-1e3, 0.6), (1e3, 0.9)):
        model.blend_logit.data.fill_(logit)
        own = F.normalize(model.head(model.encoder(contexts)), dim=-1)
        anchor = F.normalize(contexts.mean(1), dim=-1)
        expected = F.normalize(share * own + (1 - share) * anchor, dim=-1)
        torch.testing.assert_close(model(contexts).prediction, expected)


def test_mixture_says_nothing_but_its_context():
    model, contexts = build("mixture"), torch.from_numpy(units(3, 5))
    output = model(contexts)
    torch.testing.assert_close(output.weights.sum(-1), torch.ones(3))
    assert (output.weights > 0).all()
    for one, weights, context in zip(output.prediction, output.weights, contexts, strict=True):
        mixed = sum(w * c for w, c in zip(weights, context, strict=True))
        torch.testing.assert_close(one, mixed / mixed.norm())


def test_the_verifier_reads_both_chunks_in_their_order():
    model = build("mixture")
    a, b = (torch.from_numpy(units(1, seed=seed)) for seed in (3, 4))
    pair = torch.cat([a, b, a * b, a - b], dim=-1)
    torch.testing.assert_close(model.later(a, b), model.verifier(pair)[:, 0])
    assert float((model.later(a, b) - model.later(b, a)).abs().detach()) > 1e-4


def test_a_strong_bias_hides_the_newest_chunk_from_the_others():
    model = build("predictor", encoder="transformer", last_slot_bias=1e4)
    states = []
    model.encoder.read.layers.register_forward_hook(lambda m, given, out: states.append(out))
    contexts = torch.from_numpy(units(2, 5))
    other = contexts.clone()
    other[:, -1] = torch.from_numpy(units(2, seed=9))
    model(contexts), model(other)
    torch.testing.assert_close(states[0][:, :4], states[1][:, :4])
    model.config.last_slot_bias = 0.0
    model(contexts), model(other)
    assert (states[2][:, :4] - states[3][:, :4]).abs().max() > 1e-3


def test_the_position_column_is_the_only_effect_of_its_scale():
    model, contexts = build("predictor", position_scale=0.0), torch.from_numpy(units(2, 5))
    plain = model(contexts).prediction
    model.config.position_scale = 0.2
    assert (model(contexts).prediction - plain).abs().max() > 1e-4
    model.encoder.project.weight.data[:, -1] = 0  # the column's own weights
    torch.testing.assert_close(model(contexts).prediction, plain)


def ranker_by_hand(ranker, contexts, pool):
    """The formula of the ranker's docstring, candidate by candidate."""
    read, write = ranker.read.detach().double().numpy(), ranker.write.detach().double().numpy()

    def u(x):
        x = (x - pool.mean(0)).astype(np.float64)
        x = x / np.linalg.norm(x)
        x = x + x @ read @ write
        return x / np.linalg.norm(x)

    lag, crowd, beta = (ranker.numbers()[name] for name in ("w", "h", "beta"))
    found = np.empty((len(contexts), len(pool)))
    for j, p in enumerate(pool):
        near = sum(math.exp(beta * (u(q) @ u(p))) for i, q in enumerate(pool) if i != j)
        for i, context in enumerate(contexts):
            own = sum(w * (u(c) @ u(p)) for w, c in zip(lag, context, strict=True))
            found[i, j] = own - crowd * (math.log(near) if near else 0.0)
    return found


@pytest.mark.parametrize(
    ("fields", "without", "left"),
    [
        ({"rank": 0}, ("write",), {"lag", "crowd", "sharpness"}),
        ({"rank": 4, "crowding": False}, ("crowd",), {"lag", "read", "write"}),
        ({"rank": 0, "crowding": False}, ("write", "crowd"), {"lag"}),
    ],
)
def test_a_ranker_without_a_part_is_one_in_which_it_is_zero(fields, without, left):
    whole, contexts, pool = build("ranker", rank=4), units(3, 5), units(8, seed=2)
    part = build("ranker", **fields)
    assert {name for name, _ in part.named_parameters()} == left
    part.load_state_dict({k: v for k, v in whole.state_dict().items() if k in left})
    found = score_pool(part, contexts, pool)
    size = np.abs(found).max()
    assert np.abs(score_pool(whole, contexts, pool) - found).max() > 0.01 * size
    for name in without:
        getattr(whole, name).data.zero_()
    np.testing.assert_allclose(score_pool(whole, contexts, pool), found, atol=1e-5 * size)


@pytest.mark.parametrize("size", [2, 8])
def test_the_ranker_is_its_formula(size):
    ranker, contexts, pool = build("ranker", rank=4), units(3, 5), units(size, seed=2)
    ranker.crowd.data.fill_(2e-3), ranker.sharpness.data.fill_(4e-3)
    found = score_pool(ranker, contexts, pool)
    np.testing.assert_allclose(found, ranker_by_hand(ranker, contexts, pool), rtol=1e-3, atol=2e-3)


def test_an_article_of_one_chunk_has_no_crowd():
    assert np.isfinite(score_pool(build("ranker", rank=4), units(3, 5), units(1))).all()


def test_an_untrained_ranker_is_the_pool_centred_lag_cosine():
    ranker = MODELS["ranker"](MODELS["ranker"].config_class(dim=DIM, rank=4)).eval()
    contexts, pool = units(3, 5), units(8, seed=2)
    numbers = ranker.numbers()
    lag = np.array(numbers["w"])
    assert numbers["h"] == 0
    assert lag.sum() == pytest.approx(12) and (np.diff(lag) > 0).all()
    chunks = pool - pool.mean(0)
    chunks /= np.linalg.norm(chunks, axis=1, keepdims=True)
    seen = contexts - pool.mean(0)
    seen /= np.linalg.norm(seen, axis=-1, keepdims=True)
    expected = np.einsum("k,nkd,pd->np", lag, seen, chunks)
    np.testing.assert_allclose(score_pool(ranker, contexts, pool), expected, atol=1e-4)


def test_what_cannot_be_loaded_is_said(tmp_path):
    with pytest.raises(InputError, match="no latent vector model can be loaded"):
        load_predictor(tmp_path / "nowhere")
    model = build("predictor")
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if k != "head.bias"}, tmp_path / "model.safetensors"
    )
    with pytest.raises(InputError, match=r"weights missing or not the model's: head\.bias"):
        load_predictor(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="not safetensors, or cut short"):
        load_predictor(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(InputError, match=r"model_type='qwen3': not one of lvm_predictor"):
        load_predictor(tmp_path)


def test_arrays_of_another_shape_are_refused():
    model = build("predictor")
    with pytest.raises(InputError, match=r"contexts \(2, 4, 16\): the model wants \(N, 5, 16\)"):
        predict(model, units(2, 4))
    with pytest.raises(InputError, match=r"pool \(0, 16\)"):
        score_pool(model, units(2, 5), units(0))
    with pytest.raises(InputError, match="training mode"):
        predict(model.train(), units(2, 5))


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(InputError, match=r"model.width=9: not a multiple of heads=2"):
        build("predictor", width=9)


def test_the_facts_of_a_model_name_it_but_not_its_place(tmp_path, monkeypatch):
    model = build("predictor", encoder="gru")
    model.save_pretrained(tmp_path / "secret" / "p1" / "model")
    record = {"recipe": {"name": "p1"}, "seed": 3, "data": {}}
    (tmp_path / "secret" / "p1" / "training.json").write_text(json.dumps(record))
    weights = (tmp_path / "secret" / "p1" / "model" / "model.safetensors").read_bytes()
    found = facts_of(tmp_path / "secret" / "p1")
    assert found == {
        "model": "p1", "sha256": hashlib.sha256(weights).hexdigest(),
        "recipe": {"name": "p1"}, "seed": 3,
    }  # fmt: skip
    monkeypatch.chdir(tmp_path / "secret" / "p1")
    assert facts_of(".") == found
    (tmp_path / "secret" / "p1" / "ridge").mkdir()
    assert facts_of("ridge") == {"model": "ridge"}
