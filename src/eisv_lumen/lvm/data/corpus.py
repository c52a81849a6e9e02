"""Articles from a named text, a folder, a Parquet file or a dataset of the Hub."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...core.errors import InputError
from ...core.notices import notice
from .chunking import Article
from .splits import Draw, place_of
from .texts import TEXTS, read_pages

__all__ = ["corpus_name", "draw", "read_articles"]

_PLAIN: Final = (".txt", ".md", ".markdown")
_NOT_ONES_OWN: Final = {"node_modules", "site-packages", "__pycache__"}
"""Folders of other people's files; hidden ones are left out, too."""


def read_articles(
    source: str, *, text_column: str = "text", id_column: str | None = None, split: str = "train"
) -> list[Article]:
    """Read the articles of a source, in an order that depends on the source alone.

    Parameters
    ----------
    source
        A name of `TEXTS`; a folder of .txt, .md and .markdown files, or of pages made by Sphinx
        (with an index.html); a Parquet file; a dataset of the Hub (owner/name), or a folder that
        holds one. Files of other kinds are left out with a notice; hidden folders and
        ``node_modules`` are not looked into.
    text_column, id_column, split
        Of a Parquet file or dataset. Without an id column, articles are named by their text, so
        that a row more renames none.

    Raises
    ------
    InputError
        The source is not there or holds no articles, a column is missing, a row holds no text, or
        two articles share a name; the message names file, row or article.
    """
    path = Path(source)
    if source in TEXTS:
        articles = TEXTS[source].read()
    elif (path / "index.html").is_file() and (pages := read_pages(path)):
        articles = pages  # before .txt: Sphinx lays its sources beside the pages
    elif path.is_dir() and (files := _files(path)):
        articles = [Article(f.relative_to(path).as_posix(), _utf8(f)) for f in files]
    elif path.is_file() and path.suffix == ".parquet":
        articles = _from_rows(_parquet(path), source, text_column, id_column)
    elif path.is_file():
        raise InputError(f"{source}: a folder of {' and '.join(_PLAIN)} files, or .parquet needed")
    elif path.is_dir() or source.count("/") == 1:
        articles = _from_rows(_dataset(source, split), source, text_column, id_column)
    else:
        raise InputError(
            f"{source}: no such folder, file or text; texts by name: {', '.join(TEXTS)}"
        )
    if not articles:
        raise InputError(f"{source}: holds no articles")
    name, n = Counter(a.id for a in articles).most_common(1)[0]
    if n > 1:
        raise InputError(f"{source}, article {name!r}: named {n} times; each needs its own name")
    return articles


def draw(articles: list[Article], n: int, seed: int, how: Draw = "hash") -> list[Article]:
    """Draw `n` of the articles, or all if there are fewer; they keep their order.

    Parameters
    ----------
    articles, n, seed
        What is drawn from, how many, and the seed.
    how
        `hash`: those whose names hash lowest, so that an article more replaces one at most;
        `permutation`: as results before this were drawn.
    """
    if n >= len(articles):
        return articles
    if how == "permutation":
        chosen = np.random.default_rng(seed).choice(len(articles), n, replace=False)
    else:
        chosen = np.argsort([place_of(a.id, seed) for a in articles], kind="stable")[:n]
    return [articles[i] for i in sorted(chosen)]


def _files(folder: Path) -> list[Path]:
    """Find the plain texts below a folder, in order, and say what else lies there."""
    plain, others = [], Counter[str]()
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _NOT_ONES_OWN
        )
        for path in (Path(where, name) for name in files if not name.startswith(".")):
            try:
                path.name.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"{os.fsencode(path)!r}: a file name that is not UTF-8; rename the file"
                ) from error
            if path.suffix.lower() in _PLAIN:
                plain.append(path)
            else:
                others[path.suffix.lower() or path.name] += 1
    if plain and others:
        shown = ", ".join(f"{n} {kind}" for kind, n in others.most_common(8))
        notice(
            f"{folder}: {sum(others.values())} files are left out ({shown}); read are "
            f"{', '.join(_PLAIN)}"
        )
    return sorted(plain)


def _utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, byte {error.start}: not UTF-8; convert the file") from error


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a Parquet file ({error})") from error
    return table


def _dataset(name: str, split: str) -> Any:
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        return load_dataset(name, split=split).with_format("arrow")[:]
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{name}: no dataset with a split {split!r} could be read ({first}); texts by name: "
            f"{', '.join(TEXTS)}"
        ) from error


def _from_rows(table: Any, source: str, text_column: str, id_column: str | None) -> list[Article]:
    for option, column in (("--text-column", text_column), ("--id-column", id_column)):
        if column is not None and column not in table.column_names:
            raise InputError(
                f"{source}: no column {column!r}; it has {', '.join(table.column_names)}: give "
                f"{option}"
            )
        if column is not None and list(table.column_names).count(column) > 1:
            raise InputError(f"{source}: two columns {column!r}; rename one")
    texts = table[text_column].to_pylist()
    ids: Iterable[Any] = _names(texts) if id_column is None else table[id_column].to_pylist()
    articles = []
    for row, (name, text) in enumerate(zip(ids, texts, strict=True)):
        if not isinstance(text, str) or name is None:
            column = id_column if isinstance(text, str) else text_column
            raise InputError(f"{source}, row {row}, {column}: empty, or not text; drop that row")
        articles.append(Article(str(name), text))
    return articles


def _names(texts: Iterable[Any]) -> Iterable[str]:
    """Name rows by what they say; equal ones are counted on."""
    seen = Counter[str]()
    for text in texts:
        name = f"text-{hashlib.sha256(str(text).encode(errors='replace')).hexdigest()[:12]}"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


def corpus_name(source: str) -> str:
    """Return what the articles of a source are called by: its own name, of a file without suffix.

    Examples
    --------
    >>> corpus_name("texts/notes.parquet"), corpus_name("v1.2"), corpus_name("wiki")
    ('notes', 'v1.2', 'wiki')
    """
    path = Path(source)
    if source in TEXTS or path.suffix != ".parquet":
        return path.resolve().name if source in (".", "..") else path.name
    return path.stem
