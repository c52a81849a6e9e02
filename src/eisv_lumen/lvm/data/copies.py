"""Texts that stand in two splits: found by the words that they share, and refused.

An article is known by its shingles, the runs of eight words in it, hashed; case, punctuation and
the way it was cut into chunks are nothing to them. Where two fifths of an article's shingles
stand in the text that a model learned, a test on it asks what was memorised. Sets without texts are
compared by their chunk vectors instead. A large text is known by its smallest hashes, and others
by those of theirs that could be among them (FracMinHash; Irber et al. 2022).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.files import check_safetensors
from .sequences import SequenceSet

__all__ = ["NEAR", "Sketch", "check_no_copies", "copies_of", "near_copies", "sketch_of"]

NEAR: Final = 0.4
"""Share of an article's shingles that stand elsewhere, from which on it is a near copy. A text of
which every tenth word was changed keeps 0.43; no book of the King James Bible has more than 0.28 in
common with others, and no Wikipedia article of our sample more than 0.05."""
_WORDS: Final = 8
_FEWEST: Final = 4
"""Shingles that an article needs to be judged where only a part of them is looked at."""
_MOST: Final = 250_000
"""Hashes of a sketch: 2 MB."""
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
_FACTOR: Final = np.uint64(0x9E37_79B9_7F4A_7C15)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Sketch:
    """What is kept of a text to know it again.

    Attributes
    ----------
    hashes : (H,) uint64
        Of its shingles, or of its chunk vectors; sorted, each once.
    limit
        The largest hash that was kept: a larger one may be missing.
    words
        Whether they are of words; otherwise of vectors.
    """

    hashes: Hashes
    limit: np.uint64
    words: bool

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        from safetensors.numpy import save_file

        save_file(
            {
                "hashes": self.hashes,
                "limit": np.array([self.limit], np.uint64),
                "words": np.array([self.words], np.uint8),
            },
            path,
        )

    @classmethod
    def load(cls, path: Path) -> Sketch:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            It is damaged.
        """
        from safetensors.numpy import load_file

        check_safetensors(path)
        try:
            found = load_file(path)
            return cls(found["hashes"], found["limit"][0], bool(found["words"][0]))
        except (KeyError, IndexError) as error:
            raise InputError(f"{path}: no sketch of a text ({error}); train again") from error


def sketch_of(sets: Iterable[SequenceSet], *, words: bool | None = None) -> Sketch:
    """Sketch the text of some sets as one.

    Parameters
    ----------
    sets
        At least one.
    words
        Compare words, or vectors; by default words where every set has its texts.
    """
    held = list(sets)
    by_words = all(s.texts for s in held) if words is None else words
    found = np.unique(np.concatenate([_hashes(s, by_words)[0] for s in held]))
    limit = _ALL
    if len(found) > _MOST:
        found = found[:_MOST]
        limit = found[-1]
    return Sketch(found, limit, by_words)


def near_copies(sequences: SequenceSet, known: Sketch) -> dict[str, float]:
    """Return the articles of a set of which at least `NEAR` stands in a known text, with the share.

    Raises
    ------
    InputError
        The sketch is of words, and the set has no texts.
    """
    if known.words and not sequences.texts:
        raise InputError("the set holds no texts to compare with those that were learned")
    hashes, article = _hashes(sequences, known.words)
    look = hashes <= known.limit
    hashes, article = hashes[look], article[look]
    at = np.minimum(np.searchsorted(known.hashes, hashes), max(len(known.hashes) - 1, 0))
    inside = known.hashes[at] == hashes if len(known.hashes) else np.zeros(len(hashes), bool)
    n = len(sequences.article_ids)
    total = np.bincount(article, minlength=n)
    share = np.bincount(article, inside, minlength=n) / np.maximum(total, 1)
    fewest = 1 if known.limit == _ALL else _FEWEST
    return {
        sequences.article_ids[i]: float(share[i])
        for i in np.flatnonzero((share >= NEAR) & (total >= fewest))
    }


def copies_of(splits: Mapping[str, SequenceSet]) -> dict[str, dict[str, float]]:
    """Return for each split its articles that are near copies of the text of earlier ones."""
    held = list(splits.items())
    found: dict[str, dict[str, float]] = {}
    for i, (name, later) in enumerate(held[1:], 1):
        before = [s for _, s in held[:i]]
        words = all(s.texts for s in (*before, later))
        found[name] = near_copies(later, sketch_of(before, words=words))
    return {name: copies for name, copies in found.items() if copies}


def check_no_copies(splits: Mapping[str, SequenceSet], mend: str) -> None:
    """Refuse splits of which a later one holds near copies of what an earlier one says.

    Raises
    ------
    InputError
        One does; the message counts them, names the nearest and gives `mend`.
    """
    if found := copies_of(splits):
        raise InputError(f"{said_of(found, splits)}; {mend}")


def said_of(found: Mapping[str, Mapping[str, float]], splits: Mapping[str, SequenceSet]) -> str:
    """Say how many articles of which splits are near copies, and name the nearest of each."""
    names = list(splits)
    parts = []
    for split, copies in found.items():
        nearest = max(copies, key=lambda name: copies[name])
        before = " and ".join(names[: names.index(split)])
        parts.append(
            f"{split}: {len(copies)} of {len(splits[split].article_ids)} articles are near copies "
            f"of {before} ({nearest!r} has {copies[nearest]:.0%} of its text there)"
        )
    return "; ".join(parts)


def _hashes(sequences: SequenceSet, words: bool) -> tuple[Hashes, NDArray[np.int64]]:
    """Hash each article's shingles or vectors: hashes, each once an article, and whose they are."""
    parts: list[Hashes] = []
    edges = np.searchsorted(sequences.article, np.arange(len(sequences.article_ids) + 1))
    known = _Words()
    for first, last in pairwise(edges.tolist()):
        if words:
            parts.append(np.unique(_shingles(" ".join(sequences.texts[first:last]), known)))
        else:
            parts.append(np.unique(_of_vectors(sequences.vectors[first:last])))
    article = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate([np.empty(0, np.uint64), *parts]), article


class _Words(dict[str, int]):
    """Hash of each word, made once."""

    def __missing__(self, word: str) -> int:
        self[word] = value = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        return value


def _shingles(text: str, known: _Words) -> Hashes:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    codes = np.array([known[word] for word in words], np.uint64)
    size = min(_WORDS, len(codes))
    if size == 0:
        return codes
    found = np.zeros(len(codes) - size + 1, np.uint64)
    for i in range(size):  # a polynomial of the words' hashes, modulo 2**64
        found = found * _FACTOR + codes[i : i + len(found)]
    return _mixed(found)


def _of_vectors(vectors: NDArray[np.float32]) -> Hashes:
    """Hash rows, rounded so that a vector embedded again is the same."""
    rounded = np.ascontiguousarray(np.rint(vectors * 256), np.int16)
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rounded]
    return np.frombuffer(b"".join(digests), np.uint64)


def _mixed(x: Hashes) -> Hashes:
    """Spread hashes over all 64 bits, so that the smallest are a fair sample (splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))
