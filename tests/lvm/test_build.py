"""`eisv-lumen lvm embed|sequences|check`, as their user meets them."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from eisv_lumen.cli import main
from eisv_lumen.lvm.data.chunks import Chunks
from eisv_lumen.lvm.data.known_processes import NOISE, ar1
from eisv_lumen.lvm.data.splits import check_disjoint, whole_of
from eisv_lumen.lvm.data.storage import read_chunks, read_sequences, write_chunks

AR = ar1(0.5, dim=32)


def corpus(name, process, n=12, length=20, seed=0):
    s = process.sample(n, length, seed)
    return Chunks(
        s.vectors, s.article, s.position,
        tuple(f"{name}/{i:02d}" for i in range(n)), "encoder",
        tuple(f"{name} text {i}" for i in range(len(s.vectors))), s.fingerprint,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["eisv-lumen", "lvm", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def folders(tmp_path):
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        write_chunks(corpus(name, ar1(0.5, dim=32), seed=seed), tmp_path / name)
    return tmp_path


def test_every_article_goes_whole_to_one_split_with_its_texts(folders, run):
    code, out, _ = run("sequences", "a", "b", "--ood", "c", "--out", "seq", "--json")
    assert code == 0
    record = json.loads(out)
    assert record == json.loads((folders / "seq/splits.json").read_text())
    names = ("train", "validation", "test", "fresh", "ood")
    sets = {name: read_sequences(folders / "seq" / name) for name in names}
    seen = [article for s in sets.values() for article in s.article_ids]
    assert sorted(seen) == sorted(f"{c}/{i:02d}" for c in "abc" for i in range(12))
    assert set(sets["ood"].article_ids) == {f"c/{i:02d}" for i in range(12)}
    for name, s in sets.items():
        counted = record["splits"][name]
        assert (counted["articles"], counted["windows"]) == (len(s.article_ids), len(s))
        assert set(counted["corpora"]) == ({"c"} if name == "ood" else {"a", "b"})
        texts = read_chunks(folders / "seq" / name).texts
        for i, text in enumerate(texts):
            source = read_chunks(folders / text[0])
            np.testing.assert_array_equal(source.vectors[int(text.split()[-1])], s.vectors[i])


def test_the_same_command_gives_the_same_bytes(folders, run):
    for out in ("x", "y"):
        assert run("sequences", "a", "b", "--out", out, "--train-windows", 50)[0] == 0
    x, y = folders / "x", folders / "y"
    for file in (f.relative_to(x) for f in x.rglob("*") if f.is_file()):
        assert (x / file).read_bytes() == (y / file).read_bytes()
    assert len(read_sequences(folders / "x/train")) == 50


def test_articles_shorter_than_a_window_are_counted_and_named(folders, run):
    whole = corpus("d", ar1(0.5, dim=32))
    keep = (whole.article != 3) | (whole.position < 5)
    write_chunks(
        replace(whole, vectors=whole.vectors[keep], article=whole.article[keep],
                position=whole.position[keep], texts=()),
        folders / "d",
    )  # fmt: skip
    code, out, err = run("sequences", "d", "--out", "seq", "--json")
    assert code == 0
    assert "1 articles are shorter than a window: d/03" in err
    record = json.loads(out)
    assert record["short_articles"] == ["d/03"]
    assert "d/03" not in str(record["splits"])


def test_other_cuts_of_the_articles_of_train_are_more_to_train_on_and_no_others(folders, run):
    whole = corpus("a", ar1(0.5, dim=32), n=14, length=9, seed=7)
    ids = ("a/00", "a/00 (2)", *whole.article_ids[1:12], "a/99")  # parts, and one of no split
    write_chunks(replace(whole, article_ids=ids), folders / "a-9")
    code, _, _ = run("sequences", "a", "b", "--recut", "a-9", "--out", "seq")
    assert code == 0
    names = ("train", "validation", "test", "fresh")
    sets = {name: read_sequences(folders / "seq" / name) for name in names}
    both = read_sequences(folders / "seq/train-recut")
    train = set(sets["train"].article_ids)
    more = set(both.article_ids) - train
    assert train < set(both.article_ids)
    assert more == {f"{i} [recut a-9]" for i in ids if whole_of(i) in train}
    assert more and len(both) == len(sets["train"]) + 4 * len(more)  # 9 chunks hold 4 windows
    texts = read_chunks(folders / "seq/train-recut").texts
    assert len(texts) == len(both.vectors)
    for name in ("validation", "test", "fresh"):  # and what is trained on meets no other split
        check_disjoint({"train-recut": both, name: sets[name]})
    alone = run("sequences", "a", "b", "--out", "alone")
    assert alone[0] == 0
    for file in ("chunks.parquet", "vectors.safetensors", "windows.parquet"):
        assert all(
            (folders / "seq" / name / file).read_bytes()
            == (folders / "alone" / name / file).read_bytes()
            for name in names
        )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("a", "--recut", "b"), "b: not one of its articles ('b/00', …) is in train"),
        (("a", "--recut", "a", "--shares", "x=0.5,y=0.5"), "there is no split train"),
        (("a", "a"), "article 'a/00': in two of the sets"),
        (("a", "--ood", "a"), "article 'a/00': in two of the sets"),
        (("a", "other"), "encoder"),
        (("a", "narrow"), "dim"),
        (("a", "nowhere"), "nowhere: no vectors here"),
        (("a", "--context", "30"), "shorter than a window of 31"),
        (("a", "--shares", "train=0.5"), "sum 1"),
        (("a", "--shares", "train=x,b=.5"), "share 'train=x'"),
        (("a", "--shares", "ood=0.5,train=0.5"), "'ood=0.5'"),
        (("a", "--train-windows", "99999"), "ask for fewer"),
        (("few",), "2 articles for 4 splits"),
    ],
)
def test_what_cannot_be_used_ends_with_one_line_and_nothing_written(folders, run, args, message):
    write_chunks(replace(corpus("o", ar1(0.5, dim=32)), fingerprint="2"), folders / "other")
    narrow = replace(corpus("n", ar1(0.5, dim=16)), fingerprint=corpus("a", AR).fingerprint)
    write_chunks(narrow, folders / "narrow")
    write_chunks(corpus("f", ar1(0.5, dim=32), n=2), folders / "few")
    code, out, err = run("sequences", *args, "--out", "seq")
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (folders / "seq").exists()


def test_the_studys_files_are_split_by_article_too(folders, run):
    s = ar1(0.5, dim=8).sample(8, 12, seed=0)
    vectors = {"context_sequences": s.contexts(), "target_vectors": s.targets()}
    places = {"article_ids": s.window_article, "target_indices": s.position[s.target_rows]}
    rows = [{"article_index": 0, "target_chunk_index": 5}]
    np.savez("pickled.npz", **vectors, metadata=np.array(rows, dtype=object))
    np.savez("study.npz", **vectors, **places)
    shares = ("--shares", "train=0.5,validation=0.5", "--encoder", "gtr-t5-base", "--out", "seq")
    code, _, err = run("sequences", "pickled.npz", *shares)
    assert code == 2
    assert "save it again as arrays" in err
    assert run("sequences", "study.npz", *shares, "--context", 4)[0] == 2
    assert run("sequences", "study.npz", *shares)[0] == 0
    train, validation = (read_sequences(folders / "seq" / n) for n in ("train", "validation"))
    assert len(train) + len(validation) == len(s)
    assert train.encoder == "gtr-t5-base"
    assert all(name.startswith("study/") for name in train.article_ids)


def test_check_passes_data_with_order_and_fails_data_without(folders, run):
    run("sequences", "a", "b", "--out", "good")
    code, out, _ = run("check", "good")
    assert code == 0
    assert "all: passed" in out
    assert "with time reversed" in out
    code, out, _ = run("check", "good", "--by-corpus", "--json")
    report = json.loads(out)
    assert set(report) == {"a", "b"}
    narrative = report["a"]["narrative"]["train"]
    assert narrative["measured"] == pytest.approx(narrative["telescoped"], abs=1e-6)

    write_chunks(corpus("noise", NOISE, seed=9), folders / "n")
    run("sequences", "n", "--out", "bad")
    code, out, _ = run("check", "bad")
    assert code == 1
    assert "all: FAILED" in out
    assert run("check", "bad/test")[0] == 1


def test_from_text_to_a_checked_split(tmp_path, run):
    notes = tmp_path / "notes"
    notes.mkdir()
    for article in range(4):
        lines = [f"Line {i} of note {article} says how the weather was." for i in range(8)]
        (notes / f"{article}.md").write_text(" ".join(lines))
    code, out, err = run(
        "embed", "notes", "--out", "v", "--by", "sentence", "--cache", "cache", "--json"
    )
    assert code == 0, err
    told = json.loads(out)
    assert told["chunks"] == 32
    assert told["cut"]["by"] == "sentence"
    assert read_chunks("v").article_ids == tuple(f"notes/{i}.md" for i in range(4))
    assert run("sequences", "v", "--out", "s", "--shares", "train=0.5,validation=0.5")[0] == 0
    assert sum(len(read_sequences(f"s/{name}")) for name in ("train", "validation")) == 4 * 3
    assert run("check", "s")[0] in (0, 1)
    code, out, err = run(
        "embed", "notes", "--out", "p", "--by", "sentence", "--cache", "cache", "--at-most", 6,
        "--parts", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert (json.loads(out)["chunks"], json.loads(out)["cut"]["parts"]) == (32, True)
    names = [f"notes/{i}.md{part}" for i in range(4) for part in ("", " (2)")]
    assert read_chunks("p").article_ids == tuple(names)
    assert run("sequences", "p", "--out", "q", "--shares", "train=0.5,validation=0.5")[0] == 0
    for split in ("train", "validation"):  # a window is of six: of the second parts there is none
        assert read_sequences(f"q/{split}").article_ids == read_sequences(f"s/{split}").article_ids
    code, _, err = run("embed", "notes", "--out", "w", "--parts")
    assert (code, "give at_most" in err) == (2, True)
    code, _, err = run("embed", "notes", "--out", "w", "--by", "page")
    assert code == 2
    assert "chunks by 'page'" in err
