import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data.chunking import Article, Cut, cut, cut_all, named_parts

word = st.text("abcdeé", min_size=1, max_size=6)
sentence = st.lists(word, min_size=1, max_size=30).map(lambda w: " ".join(w).capitalize() + ".")
paragraph = st.lists(sentence, min_size=1, max_size=5)
text = st.lists(paragraph, max_size=5)


def laid_out(paragraphs):
    return "\n \n".join("\n".join(p) for p in paragraphs)


@settings(deadline=None, max_examples=50)
@given(text)
def test_paragraphs_and_sentences_are_those_that_were_put_in(paragraphs):
    laid = laid_out(paragraphs)
    assert cut(laid, Cut("paragraph", min_words=1)) == [" ".join(p) for p in paragraphs]
    assert cut(laid, Cut("sentence", min_words=1)) == [s for p in paragraphs for s in p]


@settings(deadline=None, max_examples=50)
@given(text, st.integers(1, 40))
def test_packing_loses_no_word_and_comes_as_near_as_whole_sentences_allow(paragraphs, aim):
    sentences = [s.split() for p in paragraphs for s in p]
    chunks = [c.split() for c in cut(laid_out(paragraphs), Cut(words=aim, min_words=1))]
    assert [w for c in chunks for w in c] == [w for s in sentences for w in s]
    assert all(len(c) <= 2 * aim for c in chunks)
    if all(len(s) <= aim for s in sentences):  # then no sentence is cut, and none is misplaced
        ends = {sum(map(len, sentences[:i])) for i in range(len(sentences) + 1)}
        read = 0
        for i, c in enumerate(chunks):
            read += len(c)
            assert read in ends
            if i + 1 < len(chunks):
                longer = len(c) + len(next(_from(sentences, read)))
                assert abs(len(c) - aim) < abs(longer - aim)


def _from(sentences, words_read):
    read = 0
    for s in sentences:
        if read >= words_read:
            yield s
        read += len(s)


@pytest.mark.parametrize(
    ("said", "sentences"),
    [
        ("One ends. Two? Three! four", ["One ends.", "Two?", "Three! four"]),
        ('He said "no." Then he left.', ['He said "no.', "Then he left."]),
        ("About 3.5 of them. 7 more.", ["About 3.5 of them.", "7 more."]),
    ],
)
def test_a_sentence_ends_before_a_capital_or_a_figure(said, sentences):
    assert cut(said, Cut("sentence", min_words=1)) == sentences


def test_headings_and_short_pieces_are_left_out():
    prose = " ".join(["Many words make a sentence here."] * 3)
    said = f"A Heading\n\n{prose}\n\nShort."
    assert cut(said, Cut("paragraph", min_words=5)) == [prose]
    assert not re.search("Heading", " ".join(cut(said, Cut(words=50))))


@settings(deadline=None, max_examples=50)
@given(text, st.integers(1, 4))
def test_at_most_takes_the_first(paragraphs, n):
    laid = laid_out(paragraphs)
    whole = cut(laid, Cut("sentence", min_words=3))
    assert cut(laid, Cut("sentence", min_words=3, at_most=n)) == whole[:n]


@settings(deadline=None, max_examples=50)
@given(st.lists(text, min_size=1, max_size=4), st.integers(1, 4))
def test_parts_keep_every_chunk_and_are_full_but_for_the_last(texts, n):
    articles = [Article(f"book {i}", laid_out(t)) for i, t in enumerate(texts)]
    whole = {a.id: cut(a.text, Cut("sentence", min_words=1)) for a in articles}
    if not any(whole.values()):
        return
    slow = [
        (f"{name} ({k // n + 1})" if k else name, chunks[k : k + n])
        for name, chunks in whole.items()
        for k in range(0, len(chunks), n)
    ]
    assert named_parts(articles, Cut("sentence", min_words=1, at_most=n, parts=True)) == slow
    firsts = [(name, chunks[:n]) for name, chunks in whole.items() if chunks]
    assert named_parts(articles, Cut("sentence", min_words=1, at_most=n)) == firsts


def test_a_part_has_no_other_articles_name():
    articles = [Article("a", "One two. Three four."), Article("a (2)", "Five six.")]
    with pytest.raises(InputError, match=r"article 'a \(2\)': named twice"):
        named_parts(articles, Cut("sentence", min_words=1, at_most=1, parts=True))
    assert len(named_parts(articles, Cut("sentence", min_words=1, at_most=1))) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"by": "page"}, "words, paragraph, sentence"), ({"words": 0}, "words 0"),
     ({"min_words": 0}, "min_words 0"), ({"at_most": 0}, "at_most 0"),
     ({"parts": True}, "parts: of how many chunks")],
)  # fmt: skip
def test_a_cut_that_cuts_nothing_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Cut(**fields)


def test_articles_without_a_chunk_between_them_are_refused():
    with pytest.raises(InputError, match="2 articles, but not one chunk of 5 words"):
        cut_all([Article("a", "too short"), Article("b", "")], Cut())
