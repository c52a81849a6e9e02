"""Cutting an article into chunks: by paragraph, by sentence, or to about so many words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, get_args

from ...core.errors import InputError

__all__ = ["BY", "Article", "Cut", "cut", "cut_all", "left_out", "named_parts"]

By = Literal["words", "paragraph", "sentence"]
BY: Final[tuple[str, ...]] = get_args(By)

_PARAGRAPH_END = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_a-zß-öø-ÿ])")
_SIGN = "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_SIGNS = re.compile(_SIGN)
_UNITS = re.compile(rf"\s*(?:{_SIGN}|(?:(?!{_SIGN})\S)+)")
"""Chinese and Japanese put no blanks between words: there, each sign counts as one."""
_FULL_STOP = re.compile(r".*?[。！？｡]+[」』”’）】]*\s*|.+$", re.DOTALL)
"""Their sentences, which end without a blank."""


@dataclass(frozen=True)
class Article:
    """One text to be read in order; paragraphs are parted by empty lines."""

    id: str
    text: str


@dataclass(frozen=True)
class Cut:
    """How articles are cut.

    Attributes
    ----------
    by
        `paragraph`, `sentence`, or `words`: sentences packed to about `words` words, across
        paragraphs.
    words
        Aim of `words`. A sentence of more than twice as many is cut at that length. Where no blanks
        part words, in Chinese and Japanese, each sign counts as one.
    min_words
        Shorter chunks (headings, stubs of lists) are left out.
    at_most
        Chunks of an article, its first; None for all. Keeps one long book from being a corpus.
    parts
        Whether the rest is kept, as articles of their own of at most so many chunks: `Genesis`,
        `Genesis (2)`, `Genesis (3)`.
    """

    by: By = "words"
    words: int = 60
    min_words: int = 5
    at_most: int | None = None
    parts: bool = False

    def __post_init__(self) -> None:
        """Refuse what cuts nothing."""
        if self.by not in BY:
            raise InputError(f"chunks by {self.by!r}: one of {', '.join(BY)} is needed")
        for field in ("words", "min_words", "at_most"):
            if (value := getattr(self, field)) is not None and value < 1:
                raise InputError(f"{field} {value}: must be at least 1")
        if self.parts and self.at_most is None:
            raise InputError("parts: of how many chunks? give at_most, too")


def cut(text: str, how: Cut) -> list[str]:
    r"""Cut one text, whole if it is to be parted; white space is made single spaces.

    Examples
    --------
    >>> cut("A first one. And a second.\n\nThen a third one.", Cut("sentence", min_words=3))
    ['A first one.', 'And a second.', 'Then a third one.']
    """
    paragraphs = [" ".join(p.split()) for p in _PARAGRAPH_END.split(text)]
    if how.by == "paragraph":
        pieces: Iterable[str] = paragraphs
    else:
        pieces = (s for p in paragraphs for s in _sentences(p))
        if how.by == "words":
            pieces = _packed(pieces, how)
    long_enough = (p for p in pieces if p and len(_words(p)) >= how.min_words)
    return list(islice(long_enough, None if how.parts else how.at_most))


def cut_all(articles: Sequence[Article], how: Cut) -> list[list[str]]:
    """Cut each article.

    Raises
    ------
    InputError
        No article holds a chunk.
    """
    found = [cut(a.text, how) for a in articles]
    if not any(found):
        raise InputError(
            f"{len(articles)} articles, but not one chunk of {how.min_words} words or more; look "
            "at the text column, or give a smaller --min-words"
        )
    return found


def named_parts(articles: Sequence[Article], how: Cut) -> list[tuple[str, list[str]]]:
    """Cut each article and name what it becomes: itself, or its parts; empty ones are left out.

    Raises
    ------
    InputError
        No article holds a chunk, or two have one name, as themselves or as parts.
    """
    found: dict[str, list[str]] = {}
    for article, chunks in zip(articles, cut_all(articles, how), strict=True):
        size = how.at_most if how.parts and how.at_most else max(len(chunks), 1)
        for k, first in enumerate(range(0, len(chunks), size), 1):
            name = article.id if k == 1 else f"{article.id} ({k})"
            if name in found:
                raise InputError(f"article {name!r}: named twice; give each article its own name")
            found[name] = chunks[first : first + size]
    return list(found.items())


def left_out(articles: Sequence[Article], kept: Sequence[tuple[str, list[str]]]) -> list[str]:
    """Return the names of the articles of which `named_parts` kept nothing."""
    names = {name for name, _ in kept}
    return [article.id for article in articles if article.id not in names]


def _sentences(paragraph: str) -> Iterable[str]:
    for piece in _SENTENCE_END.split(paragraph):
        if _SIGNS.search(piece):
            yield from (sentence.strip() for sentence in _FULL_STOP.findall(piece))
        else:
            yield piece


def _words(text: str) -> list[str]:
    """Part a text into words, each with the blank before it: joined, they are the text."""
    return _UNITS.findall(text)


def _packed(sentences: Iterable[str], how: Cut) -> Iterable[str]:
    """Pack sentences so that each chunk comes as near to the aim as whole sentences allow."""
    held: list[str] = []
    for sentence in sentences:
        words = _words(sentence)
        if len(words) < how.min_words and not sentence.endswith(_ENDS):
            continue  # a heading: not part of the sentence that follows it
        if held and abs(len(held) + len(words) - how.words) > abs(len(held) - how.words):
            yield "".join(held).strip()
            held = []
        if held and words and not held[-1].endswith(_UNSPACED):
            words[0] = f" {words[0].lstrip()}"
        held += words
        while len(held) > 2 * how.words:
            yield "".join(held[: how.words]).strip()
            held = held[how.words :]
    if held:
        yield "".join(held).strip()


_UNSPACED: Final = ("。", "！", "？", "｡", "」", "』", "）", "】", "，", "、")
_ENDS: Final = (".", "!", "?", ":", ";", ",", *_UNSPACED, "：", "；")
