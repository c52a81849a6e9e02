"""Numbers learned as smooth functions: what moves, what stays, and what is left in the end."""

import numpy as np
import pytest
import torch

from eisv_lumen.errors import InputError
from eisv_lumen.teacher.prompt import NUMBERS
from eisv_lumen.teacher.recipe import load_recipe
from eisv_lumen.teacher.smooth import learn_smoothly, settle
from eisv_lumen.teacher.tiny import build_model, build_tokenizer, number_words, smooth_features
from eisv_lumen.teacher.train import check_recipe

STYLE = "series"


@pytest.fixture
def pair():
    tokenizer = build_tokenizer(STYLE)
    model = build_model(tokenizer, STYLE, seed=3, hidden_size=32, intermediate_size=32)
    return model, tokenizer


def table(model):
    return model.get_input_embeddings().weight.detach().clone()


def test_at_first_nothing_is_changed(pair):
    model, tokenizer = pair
    before = table(model)
    learn_smoothly(model, tokenizer, STYLE, seed=3)
    assert torch.equal(table(model), before)


def test_each_number_is_where_it_began_with_its_columns_shift_and_map(pair):
    model, tokenizer = pair
    before = table(model)
    learn_smoothly(model, tokenizer, STYLE, seed=3)
    smooth = model.get_input_embeddings().parametrizations.weight[0]
    with torch.no_grad():
        smooth.map.normal_()
        smooth.shift.normal_()
    rng = np.random.default_rng([3, 1])
    functions = {
        id(scale): 0.1 * smooth_features(scale, 128, rng)
        for scale in dict.fromkeys(NUMBERS[STYLE].values())
    }
    wanted = before.double().numpy()
    ids, names = tokenizer.get_vocab(), list(NUMBERS[STYLE])
    for word, name, code in number_words(STYLE):
        column = names.index(name)
        f = functions[id(NUMBERS[STYLE][name])][code]
        wanted[ids[word]] += smooth.shift[column].detach().numpy()
        wanted[ids[word]] += f @ smooth.map[column].detach().double().numpy()
    np.testing.assert_allclose(table(model).numpy(), wanted, atol=1e-5)


def test_a_number_that_is_seen_moves_its_column_and_no_other(pair):
    model, tokenizer = pair
    before = table(model)
    learn_smoothly(model, tokenizer, STYLE, seed=3)
    ids = tokenizer.get_vocab()
    seen = [ids[" E=0.42"], ids["EISV_TOKENS:"]]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.get_input_embeddings()(torch.tensor(seen)).square().sum().backward()
    optimizer.step()
    moved = (table(model) != before).any(1).nonzero().ravel().tolist()
    energy = {ids[word] for word, name, _ in number_words(STYLE) if name == "E"}
    assert set(moved) == energy | {ids["EISV_TOKENS:"]}
    step = (table(model) - before).norm(dim=1)
    assert step[ids[" E=0.43"]] > step[ids[" E=0.90"]]


def test_in_the_end_an_ordinary_table_says_the_same(pair):
    model, tokenizer = pair
    learn_smoothly(model, tokenizer, STYLE, seed=3)
    with torch.no_grad():
        model.get_input_embeddings().parametrizations.weight[0].map.normal_()
    asked = torch.arange(0, len(tokenizer), 7)[None]
    before, names = model(asked).logits, set(model.state_dict())
    settle(model)
    assert torch.equal(model(asked).logits, before)
    assert type(model.get_input_embeddings()) is torch.nn.Embedding
    assert {n for n in names if "parametrizations" in n}
    assert not {n for n in model.state_dict() if "parametrizations" in n}
    settle(model)


@pytest.mark.parametrize(
    "changes", [{"base": "Qwen/Qwen3-4B"}, {"model": {"tie_word_embeddings": True}}]
)
def test_only_untied_numbers_of_tiny_can_be_smooth(changes):
    recipe = load_recipe("tiny-blind-series").model_copy(update={"smooth_numbers": True} | changes)
    with pytest.raises(InputError, match="smooth_numbers"):
        check_recipe(recipe)
