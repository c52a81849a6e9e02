"""Bases and adapters that cannot be used: refused in one sentence, before anything is made."""

import json
import shutil

import pytest
import torch
import transformers as T

from eisv_lumen.core.errors import InputError
from eisv_lumen.teacher.models.load import load_teacher, model_folder
from eisv_lumen.teacher.models.tiny import build_tokenizer
from eisv_lumen.teacher.training.train import train

TOKENIZER = build_tokenizer("compact")
FIELDS = {
    "vocab_size": len(TOKENIZER), "hidden_size": 16, "intermediate_size": 16, "head_dim": 4,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
    "pad_token_id": TOKENIZER.pad_token_id, "eos_token_id": TOKENIZER.eos_token_id,
}  # fmt: skip
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{{ m['content'] }}{% endfor %}"
)
DROPS_SYSTEM = (
    "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}{% endif %}{% endfor %}"
)


def base(folder, template=None, **fields):
    torch.manual_seed(0)
    T.Qwen3ForCausalLM(T.Qwen3Config(**FIELDS | fields)).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def without_eos(folder):
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({k: v for k, v in config.items() if k != "eos_token"}), "utf-8")
    return folder


LORA = {"r": 2, "target_modules": ["q_proj"]}
WRONG = {
    "no system role": (lambda f: base(f, NO_SYSTEM), None, r"takes no system message \(no system"),
    "system left out": (lambda f: base(f, DROPS_SYSTEM), None, "leaves out the system message"),
    "no eos": (lambda f: without_eos(base(f)), None, "no eos token, which has to end"),
    "few positions": (lambda f: base(f, max_position_embeddings=32), None, "it has 32 positions"),
    "small vocabulary": (lambda f: base(f, vocab_size=200), None, "beyond its vocabulary of 200"),
    "adapter on the head": (base, LORA | {"target_modules": ["q_proj", "lm_head"]}, "lm_head out"),
    "no such module": (base, LORA | {"target_modules": ["query_key_value"]}, "lora: .*query_key"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_base_that_cannot_be_trained_is_refused_first(case, recipe, examples, tmp_path):
    make, lora, said = WRONG[case]
    chosen = recipe.model_copy(
        update={"base": str(make(tmp_path / "base")), "model": {}, "lora": lora}
    )
    with pytest.raises(InputError, match=said):
        train(chosen, examples, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def adapter(recipe, examples, tmp_path, monkeypatch):
    """An adapter of a base that the recipe names by a path which could be an id of the Hub."""
    base(tmp_path / "mine" / "base")
    monkeypatch.chdir(tmp_path)
    training = recipe.training | {"max_steps": 1, "per_device_train_batch_size": 2}
    chosen = recipe.model_copy(
        update={"base": "mine/base", "model": {}, "lora": LORA, "training": training}
    )
    train(chosen, examples, tmp_path / "out", device="cpu")
    return tmp_path / "out"


def test_an_adapter_finds_its_base_from_anywhere(adapter, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_teacher(adapter, "cpu").model.num_parameters() > 0
    shutil.move(tmp_path / "mine", tmp_path / "yours")
    with pytest.raises(InputError, match=r"its base /.*mine/base is not there; say where it is"):
        load_teacher(adapter, "cpu")
    moved = str(tmp_path / "yours" / "base")
    assert load_teacher(adapter, "cpu", base=moved).model.num_parameters() > 0


def test_what_is_no_folder_and_no_id_does_not_go_to_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    for wrong in ("nothing", "./a/b", "/a/b", "a/b/c", str(tmp_path / "nothing")):
        with pytest.raises(InputError, match="no such folder, and no id of a repo"):
            model_folder(wrong)
