"""Articles from a named text, a folder, a Parquet file or a dataset of the Hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from .chunking import Article
from .texts import TEXTS, read_pages

__all__ = ["draw", "read_articles"]

_PLAIN = (".txt", ".md")


def read_articles(
    source: str, *, text_column: str = "text", id_column: str | None = None, split: str = "train"
) -> list[Article]:
    """Read the articles of a source, in an order that depends on the source alone.

    Parameters
    ----------
    source
        A name of `TEXTS`; a folder of .txt and .md files, or of pages made by Sphinx (with an
        index.html); a Parquet file; a dataset of the Hub (owner/name), or a folder that holds one.
    text_column, id_column, split
        Of a Parquet file or dataset. Without an id column, articles are named by row.

    Raises
    ------
    InputError
        The source is not there or holds no articles, a column is missing, a row holds no text, or
        two articles share a name; the message names file, row or article.
    """
    path = Path(source)
    if source in TEXTS:
        articles = TEXTS[source].read()
    elif (path / "index.html").is_file():  # before .txt: Sphinx lays its sources beside the pages
        articles = read_pages(path)
    elif path.is_dir() and (files := _files(path, _PLAIN)):
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


def draw(articles: list[Article], n: int, seed: int) -> list[Article]:
    """Draw `n` of the articles, or all if there are fewer; they keep their order."""
    if n >= len(articles):
        return articles
    chosen = np.random.default_rng(seed).choice(len(articles), n, replace=False)
    return [articles[i] for i in sorted(chosen)]


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.suffix in suffixes and f.is_file())


def _utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, byte {error.start}: not UTF-8; convert the file") from error


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a Parquet file ({error})") from error


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
    texts = table[text_column].to_pylist()
    ids: Iterable[Any] = (
        (f"row-{i:06d}" for i in range(len(texts)))
        if id_column is None
        else table[id_column].to_pylist()
    )
    articles = []
    for row, (name, text) in enumerate(zip(ids, texts, strict=True)):
        if not isinstance(text, str) or name is None:
            column = id_column if isinstance(text, str) else text_column
            raise InputError(f"{source}, row {row}, {column}: empty, or not text; drop that row")
        articles.append(Article(str(name), text))
    return articles
