import json
import sys
import sysconfig

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data import texts
from eisv_lumen.lvm.data.chunking import Cut
from eisv_lumen.lvm.data.corpus import draw, read_articles
from eisv_lumen.lvm.data.texts import read_pages, usual_cut


def test_a_folder_is_read_by_path_whatever_the_order_of_writing(tmp_path):
    for name in ("b.md", "a.txt", "in/c.txt", "left.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"This is {name}.")
    found = read_articles(str(tmp_path))
    assert [a.id for a in found] == ["a.txt", "b.md", "in/c.txt"]
    assert found[2].text == "This is in/c.txt."


def test_a_file_that_is_not_utf8_is_named_with_the_byte(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"a\.txt, byte 3"):
        read_articles(str(tmp_path))


def table(path, **columns):
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_a_parquet_file_is_read_row_by_row(tmp_path):
    path = table(tmp_path / "c.parquet", body=["one", "two"], name=["x", "y"])
    found = read_articles(path, text_column="body", id_column="name")
    assert [(a.id, a.text) for a in found] == [("x", "one"), ("y", "two")]
    named = [a.id for a in read_articles(path, text_column="body")]
    more = table(tmp_path / "d.parquet", body=["zero", "one", "two", "one"])
    assert [a.id for a in read_articles(more, text_column="body")][1:] == [*named, f"{named[0]}-2"]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"body": ["a"]}, {}, "no column 'text'; it has body: give --text-column"),
        ({"text": ["a"]}, {"id_column": "name"}, "no column 'name'.*--id-column"),
        ({"text": ["a", None]}, {}, "row 1, text: empty"),
        ({"text": ["a"], "n": [None]}, {"id_column": "n"}, "row 0, n: empty"),
        ({"text": [3]}, {}, "row 0, text: .*not text"),
        ({"text": ["a", "b"], "n": ["x", "x"]}, {"id_column": "n"}, "article 'x': named 2 times"),
        ({"text": pa.array([], pa.string())}, {}, "holds no articles"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_row_and_column(
    tmp_path, columns, options, message
):
    with pytest.raises(InputError, match=message):
        read_articles(table(tmp_path / "c.parquet", **columns), **options)


def test_a_dataset_is_read_through_datasets(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "test.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in "ab"))
    found = read_articles(str(folder), split="test")
    assert [a.text for a in found] == ["a", "b"]
    with pytest.raises(InputError, match="no dataset with a split 'train'"):
        read_articles(str(folder), split="train")


@pytest.mark.parametrize("source", ["nowhere", "no/such/place", "c.csv"])
def test_a_source_that_is_not_there_names_those_that_are(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.csv").write_text("text\na\n")
    with pytest.raises(InputError, match=r"wiki, kjv, kjv-narrative|a folder of"):
        read_articles(source)


def test_a_damaged_parquet_file_is_named(tmp_path):
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"c\.parquet: not a Parquet file"):
        read_articles(str(tmp_path / "c.parquet"))


def test_articles_are_drawn_by_seed_and_keep_their_order(tmp_path):
    path = table(tmp_path / "c.parquet", text=[str(i) for i in range(30)])
    articles = read_articles(path)
    drawn = [a.text for a in draw(articles, 10, 1)]
    assert drawn == [a.text for a in draw(articles, 10, 1)] == sorted(drawn, key=int)
    assert drawn != [a.text for a in draw(articles, 10, 2)]
    assert draw(articles, 31, 0) == articles


def test_the_king_james_books_are_there():
    books = {a.id: a.text for a in read_articles("kjv")}
    assert len(books) == 66
    assert books["Genesis"].startswith("In the beginning God created the heaven and the earth.")
    assert {a.id for a in read_articles("kjv-narrative")} == set(texts.NARRATIVE)


def test_the_wikipedia_articles_are_there_without_markup_or_sources():
    articles = {a.id: a.text for a in read_articles("wiki")}
    assert len(articles) > 100
    prose = articles["Anarchism"]
    assert prose.strip().startswith("Anarchism is a political philosophy")
    for sign in ("[[", "{{", "'''", "==", "<ref", "ISBN 978-0745333427"):
        assert sign not in prose


def test_docstrings_are_read_in_the_order_of_the_source_and_nothing_is_run(tmp_path, monkeypatch):
    (tmp_path / "m.py").write_text(
        '"""First."""\nraise SystemExit\nclass A:\n    """Second."""\n'
        '    def f(self):\n        """Third."""\ndef g():\n    """Fourth."""\n'
    )
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "m.py").write_text('"""Not read."""')
    (tmp_path / "broken.py").write_text("def (")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    assert [(a.id, a.text) for a in read_articles("stdlib")] == [
        ("m", "First.\n\nSecond.\n\nThird.\n\nFourth.")
    ]


PAGE = (
    '<div><p>menu</p></div><div class="body" role="main"><p>One <b>bold</b>\n &amp; word.</p>'
    "<div><p>Two.</p></div></div><p>footer</p>"
)


def test_pages_give_the_paragraphs_of_their_main_part(tmp_path):
    for name in ("library/os.html", "whatsnew/3.html"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(PAGE)
    assert [(a.id, a.text) for a in read_pages(tmp_path)] == [
        ("library/os", "One bold\n & word.\n\nTwo.")
    ]
    (tmp_path / "whatsnew/index.html").write_text("<p>Contents</p>")
    (tmp_path / "whatsnew/_sources").mkdir()
    (tmp_path / "whatsnew/_sources/3.rst.txt").write_text("One **bold** word.")
    assert [a.id for a in read_articles(str(tmp_path / "whatsnew"))] == ["3"]


def test_installed_pages_are_found_beside_this_python(tmp_path, monkeypatch):
    pages = tmp_path / "usr/share/doc/python3.99/html/howto"
    pages.mkdir(parents=True)
    (pages / "sort.html").write_text(PAGE)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert [a.id for a in read_articles("pydoc")] == ["howto/sort"]


@pytest.mark.parametrize("name", ["wiki", "kjv"])
def test_a_text_that_is_not_installed_says_how_to_install_it(monkeypatch, name):
    monkeypatch.setattr(texts, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'eisv-lumen\[texts\]'"):
        read_articles(name)


def test_a_named_text_is_cut_as_usual_but_for_what_is_given():
    assert usual_cut("kjv", {"at_most": 9}) == Cut("words", words=55, at_most=9)
    assert usual_cut("some/folder", {}) == Cut()
