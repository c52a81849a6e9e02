"""Cutting an article into chunks: by paragraph, by sentence, or to about so many words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, get_args

from ...core.errors import InputError

__all__ = ["BY", "Article", "Cut", "cut", "cut_all", "named_parts"]

By = Literal["words", "paragraph", "sentence"]
BY: Final[tuple[str, ...]] = get_args(By)

_PARAGRAPH_END = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_a-zß-öø-ÿ])")


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
        Aim of `words`. A sentence of more than twice as many is cut at that length.
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
        pieces = (s for p in paragraphs for s in _SENTENCE_END.split(p))
        if how.by == "words":
            pieces = _packed(pieces, how)
    long_enough = (p for p in pieces if p and p.count(" ") + 1 >= how.min_words)
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
            "at the text column, or ask for fewer words"
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


def _packed(sentences: Iterable[str], how: Cut) -> Iterable[str]:
    """Pack sentences so that each chunk comes as near to the aim as whole sentences allow."""
    held: list[str] = []
    for sentence in sentences:
        words = sentence.split()
        if len(words) < how.min_words and not sentence.endswith((".", "!", "?", ":", ";", ",")):
            continue  # a heading: not part of the sentence that follows it
        if held and abs(len(held) + len(words) - how.words) > abs(len(held) - how.words):
            yield " ".join(held)
            held = []
        held += words
        while len(held) > 2 * how.words:
            yield " ".join(held[: how.words])
            held = held[how.words :]
    if held:
        yield " ".join(held)
