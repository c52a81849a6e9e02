"""Near copies across splits, and what a trained model remembers of its text."""

import numpy as np
import pytest
import torch

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.notices import Notice
from eisv_lumen.lvm.data import copies
from eisv_lumen.lvm.data.chunking import Cut
from eisv_lumen.lvm.data.chunks import Chunks, windows_of
from eisv_lumen.lvm.data.copies import Sketch, check_no_copies, near_copies, sketch_of
from eisv_lumen.lvm.models import MODELS
from eisv_lumen.lvm.predictors.learned import check_unlearned, learned, save_sketches
from eisv_lumen.lvm.predictors.load import predictor

WORDS = [f"w{i}" for i in range(4000)]


def article(seed, n=30, length=12):
    """Chunks of words that hardly any other article has in this order."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, length)) + "." for _ in range(n)]


def a_set(articles, texts=True, dim=8):
    """Windows over articles of texts; a text's vector depends on the text alone."""
    lengths = [len(a) for a in articles.values()]
    said = [t for a in articles.values() for t in a]
    vectors = np.stack([np.random.default_rng(list(t.encode())).standard_normal(dim) for t in said])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return windows_of(
        Chunks(vectors, np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
               np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]), tuple(articles),
               "e", tuple(said) if texts else (), "f", (("", Cut("sentence")),))
    )  # fmt: skip


def edited(chunks, every, seed=0):
    """Change every so manieth word."""
    words = " ".join(chunks).split()
    for i in range(seed % every, len(words), every):
        words[i] = f"x{i}"
    return [" ".join(words[i : i + 10]) for i in range(0, len(words), 10)]


TRAIN = {f"c/{i}": article(i) for i in range(12)}


@pytest.mark.parametrize(
    ("later", "near"),
    [
        (article(3), True),
        ([*article(99, 1), *article(3)[1:]], True),  # one new paragraph
        ([t.upper().replace(".", " !") for t in article(3)], True),
        (" ".join(article(3)).split(". "), True),  # cut otherwise
        (edited(article(3), 20), True),
        (edited(article(3), 3), False),
        ([*article(3)[:8], *article(98, 22)], False),  # a quotation
        (article(97), False),
        ([f"{t} See the index at the end of this page." for t in article(96)], False),
    ],
)
def test_near_copies_are_known_however_they_were_changed(later, near):
    train = a_set(TRAIN | {"c/index": [f"{t} See the index at the end of this page."
                                       for t in article(50)]})  # fmt: skip
    other = a_set({"d/fresh": article(95), "d/x": later})
    found = near_copies(other, sketch_of([train]))
    assert set(found) == ({"d/x"} if near else set())
    sets = {"train": train, "test": other}
    if near:
        with pytest.raises(
            InputError, match=r"test: 1 of 2 articles are near copies of train \('d/x"
        ):
            check_no_copies(sets, "mend")
    else:
        check_no_copies(sets, "mend")


def test_a_share_is_that_of_the_sets_of_runs_of_words(monkeypatch):
    """Held to sets of tuples, article by article."""
    train = a_set({"a": article(1), "b": ["one two three four five six seven eight nine ten"]})
    test = a_set({"t": [*article(1)[:20], *article(2)[:15]]})

    def runs(chunks):
        words = " ".join(chunks).replace(".", "").split()
        return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

    known = runs(article(1)) | runs(["one two three four five six seven eight nine ten"])
    mine = runs(test.texts)
    monkeypatch.setattr(copies, "NEAR", 0.0)
    share = near_copies(test, sketch_of([train]))["t"]
    assert share == pytest.approx(len(mine & known) / len(mine))


def test_a_large_text_is_known_by_its_smallest_hashes(monkeypatch):
    train = a_set({f"c/{i}": article(i, 60) for i in range(30)})
    monkeypatch.setattr(copies, "_MOST", 2000)
    small = sketch_of([train])
    assert len(small.hashes) == 2000
    found = near_copies(a_set({"x": article(7, 60), "y": article(70, 60)}), small)
    assert set(found) == {"x"} and found["x"] == 1


def test_without_texts_vectors_are_compared():
    train, test = a_set(TRAIN, texts=False), a_set({"x": article(3), "y": article(60)}, texts=False)
    assert set(near_copies(test, sketch_of([train]))) == {"x"}
    assert set(near_copies(test, sketch_of([a_set(TRAIN)], words=False))) == {"x"}
    with pytest.raises(InputError, match="no texts to compare"):
        near_copies(test, sketch_of([a_set(TRAIN)]))


def test_a_sketch_comes_back_from_its_file(tmp_path):
    made = sketch_of([a_set(TRAIN)])
    made.save(tmp_path / "s.safetensors")
    again = Sketch.load(tmp_path / "s.safetensors")
    assert np.array_equal(again.hashes, made.hashes)
    assert (again.limit, again.words) == (made.limit, made.words)
    (tmp_path / "s.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="a Git LFS pointer"):
        Sketch.load(tmp_path / "s.safetensors")


@pytest.fixture
def model(tmp_path):
    """A model's folder as training leaves it."""
    from eisv_lumen.core.files import write_json
    from eisv_lumen.lvm.predictors.learned import facts_of_set

    torch.manual_seed(0)
    kind = MODELS["predictor"]
    small = kind(kind.config_class(dim=8, width=16, layers=1, heads=2))
    small.save_pretrained(tmp_path / "m" / "model")
    train = a_set(TRAIN)
    save_sketches(train, tmp_path / "m")
    write_json(tmp_path / "m" / "training.json", {"data": {"train": facts_of_set(train, 7)}})
    return tmp_path / "m"


def test_a_model_is_not_asked_of_what_it_learned(model):
    known = learned(model)
    assert known.cuts == (("", Cut("sentence")),)
    check_unlearned("m", known, [a_set({"y": article(60)})])
    with pytest.raises(InputError, match="learned from these very sequences"):
        predictor(str(model), asked=[a_set(TRAIN)])
    for texts in (True, False):
        with pytest.raises(InputError, match=r"1 of the 2 articles .* are what it learned"):
            predictor(str(model), asked=[a_set({"x": article(3), "y": article(60)}, texts)])


def test_a_record_of_before_is_read_and_what_is_not_known_is_said(model):
    for sketch in model.glob("*.safetensors"):
        sketch.unlink()
    with pytest.warns(Notice, match="does not say what text it learned"):
        predictor(str(model), asked=[a_set({"x": article(3)})])
    with pytest.raises(InputError, match="learned from these very sequences"):
        predictor(str(model), asked=[a_set(TRAIN)])


def test_a_baseline_is_not_asked_of_what_it_is_fitted_to():
    train, validation = a_set(TRAIN), a_set({f"v/{i}": article(200 + i) for i in range(3)})
    fitted = {"train": train, "validation": validation}
    predictor("ridge", asked=[validation, a_set({"y": article(60)})], **fitted)
    with pytest.raises(InputError, match="ridge is fitted to train: ask it about other articles"):
        predictor("ridge", asked=[a_set({"x": article(3)})], **fitted)
