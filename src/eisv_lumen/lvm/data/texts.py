"""Real texts that can be had without a network once a package is installed.

`wiki` and `kjv` come with PyPI packages (extra `texts`); `stdlib` with every Python;
`pydoc` with the Debian package python3-doc, which needs no root to be unpacked.
"""

from __future__ import annotations

import ast
import bz2
import json
import sys
import sysconfig
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from .chunking import Article, Cut

__all__ = ["TEXTS", "Text", "read_pages", "usual_cut"]

NARRATIVE: Final = (
    "Genesis", "Exodus", "Numbers", "Deuteronomy", "Joshua", "Judges", "Ruth", "1 Samuel",
    "2 Samuel", "1 Kings", "2 Kings", "1 Chronicles", "2 Chronicles", "Ezra", "Nehemiah", "Esther",
    "Daniel", "Jonah", "Matthew", "Mark", "Luke", "John", "Acts",
)  # fmt: skip
"""The books of the King James Bible that tell a story."""

_SECTIONS: Final = ("tutorial", "howto", "reference", "faq", "library")
_LEFT_OUT: Final = {"site-packages", "test", "tests", "idlelib", "lib2to3"}


@dataclass(frozen=True)
class Text:
    """A text and where it comes from."""

    read: Callable[[], list[Article]]
    how: Cut
    """How it is usually cut."""


def _package_file(package: str, file: str, mend: str) -> Path:
    """Find a file of an installed package without importing the package."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    if path is None or not path.is_file():
        raise InputError(f"the text is not installed ({package}/{file}); {mend}")
    return path


_EXTRA = "install it with: pip install 'eisv-lumen[texts]'"


def _wiki() -> list[Article]:
    sample = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
    path = _package_file("gensim", sample, _EXTRA)
    from gensim.corpora.wikicorpus import extract_pages, filter_wiki

    with bz2.open(path) as stream:
        return [
            Article(title, _prose(filter_wiki(text)))
            for title, text, _ in extract_pages(stream, ("0",))
            if not text.lstrip().upper().startswith("#REDIRECT")
        ]


def _prose(text: str) -> str:
    """Keep the paragraphs of an article before its lists of sources, without the markup left."""
    kept = []
    for line in text.split("\n"):
        heading = line.strip(" =").casefold() if line.startswith("=") else ""
        if heading in {"see also", "references", "notes", "further reading", "external links"}:
            break
        if not line.startswith(("=", "*", "#", ":", ";", "|", "{", "!")):
            kept.append(line.replace("'''", "").replace("''", ""))
    return "\n\n".join(kept)


def _kjv(names: Container[str] | None = None) -> list[Article]:
    path = _package_file("bible", "data/kjv.jsonl", _EXTRA)
    books: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        verse = json.loads(line)
        books.setdefault(verse["book"], []).append(verse["text"])
    return [
        Article(book, "\n\n".join(verses))
        for book, verses in books.items()
        if names is None or book in names
    ]


def _pydoc() -> list[Article]:
    roots = [Path(root, "usr/share/doc") for root in ("/", sys.prefix)]
    found = [page for root in roots for page in sorted(root.glob("python3.*/html"))]
    if not found:
        raise InputError(
            "Python's documentation is not installed; apt-get install python3-doc, or without "
            "root: apt-get download python3.11-doc && dpkg-deb -x python3.11-doc_*.deb "
            f"{sys.prefix}. Where there is no apt, the text stdlib is at hand"
        )
    return read_pages(found[-1])


def _stdlib() -> list[Article]:
    root = Path(sysconfig.get_path("stdlib"))
    articles = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if _LEFT_OUT & set(name.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        if text := "\n\n".join(_docstrings(tree)):
            articles.append(Article(name.with_suffix("").as_posix(), text))
    return articles


def _docstrings(tree: ast.Module) -> Iterable[str]:
    """Docstrings in the order of the source; nothing is imported or run."""
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    nodes = [n for n in ast.walk(tree) if isinstance(n, kinds)]
    nodes.sort(key=lambda n: getattr(n, "lineno", 0))
    return filter(None, map(ast.get_docstring, nodes))


_PARAGRAPHS: Final = Cut("paragraph", min_words=15, at_most=150)
_VERSES: Final = Cut("words", words=55, at_most=150)

TEXTS: Final[dict[str, Text]] = {
    "wiki": Text(_wiki, _PARAGRAPHS),
    "kjv": Text(_kjv, _VERSES),
    "kjv-narrative": Text(lambda: _kjv(NARRATIVE), _VERSES),
    "pydoc": Text(_pydoc, _PARAGRAPHS),
    "stdlib": Text(_stdlib, _PARAGRAPHS),
}
"""English Wikipedia articles of gensim's sample; the books of the King James Bible, and those that
tell a story; pages of Python's documentation; docstrings of this Python's library, by module."""


def usual_cut(source: str, given: Mapping[str, Any]) -> Cut:
    """Return how a source is cut: as is usual for a named text, but for what is given."""
    return replace(TEXTS[source].how if source in TEXTS else Cut(), **given)


def read_pages(folder: Path) -> list[Article]:
    """Read the pages of Python's documentation, or of any site made by Sphinx.

    Parameters
    ----------
    folder
        Its ``html``. Where the sections of Python's documentation are there, those alone.

    Returns
    -------
    list of Article
        In the order of their paths, one paragraph a ``<p>`` of the main part.
    """
    sections = [folder / s for s in _SECTIONS if (folder / s).is_dir()] or [folder]
    articles = []
    for path in (p for section in sections for p in sorted(section.rglob("*.html"))):
        page = _Page()
        page.feed(path.read_text(encoding="utf-8", errors="replace"))
        if page.paragraphs:
            name = path.relative_to(folder).with_suffix("").as_posix()
            articles.append(Article(name, "\n\n".join(page.paragraphs)))
    return articles


class _Page(HTMLParser):
    """Collects the paragraphs inside ``role="main"``."""

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[str] = []
        self._depth = 0  # of <div> inside the main one; 0 outside
        self._open: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div" and (self._depth or ("role", "main") in attrs):
            self._depth += 1
        elif tag == "p" and self._depth:
            self._open = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1
        elif tag == "p" and self._open is not None:
            self.paragraphs.append("".join(self._open))
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.append(data)
