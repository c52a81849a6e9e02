"""From embedded corpora to the folders of sequences that training and tests read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...core.errors import InputError
from ...core.files import write_json
from .chunks import windows_of
from .copies import copies_of, said_of
from .sequences import SequenceSet
from .splits import (
    Draw,
    check_disjoint,
    corpora,
    draw_articles,
    pool,
    recut_name,
    subsample,
    take_articles,
    whole_of,
)
from .splits import take_corpus as of_corpus
from .storage import read_chunks, write_sequences
from .study_npz import read_npz

__all__ = ["RECUT", "Plan", "build_splits", "parse_shares"]

RECUT: Final = "train-recut"
"""The split of all that may be trained on: `train`, and its articles cut otherwise."""


@dataclass(frozen=True)
class Plan:
    """How windows are laid and articles are shared out.

    Attributes
    ----------
    context_length
        K.
    shares
        Split to its share of each corpus's articles.
    train_windows
        So many windows are kept of the split `train`; None for all.
    seed
        Of both draws.
    encoder
        As for `read_npz`.
    draw
        As for `draw_articles`.
    drop_copies
        Leave near copies (`copies.copies_of`) out of the later split, rather than refuse them.
    """

    context_length: int
    shares: Mapping[str, float]
    train_windows: int | None = None
    seed: int = 0
    encoder: str = ""
    draw: Draw = "hash"
    drop_copies: bool = False


def parse_shares(text: str) -> dict[str, float]:
    """Read ``train=0.8,validation=0.2``.

    Raises
    ------
    InputError
        It is not of this form, or a split is named twice or `ood`.

    Examples
    --------
    >>> parse_shares("train=0.8,validation=0.2")
    {'train': 0.8, 'validation': 0.2}
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        split, _, share = part.strip().partition("=")
        try:
            value = float(share)
        except ValueError:
            value = float("nan")
        if not split.isidentifier() or not 0 < value <= 1:
            raise InputError(f"share {part!r}: SPLIT=SHARE is needed, as in train=0.8")
        if split in shares or split == "ood":
            raise InputError(f"share {part!r}: a split of that name is there already")
        shares[split] = value
    return shares


def build_splits(
    sources: Sequence[Path],
    ood: Sequence[Path],
    out: Path,
    plan: Plan,
    recut: Sequence[Path] = (),
) -> dict[str, Any]:
    """Write one folder of sequences a split, and ``splits.json``, which says who is where.

    Parameters
    ----------
    sources, ood
        Folders of chunks, or .npz files of the study; the articles of `sources` are shared out,
        those of `ood` are all of the split `ood`.
    out, plan
        Where to, and how.
    recut
        Folders of the same texts cut otherwise. Of them the articles of `train` are taken, and with
        it they are the split `train-recut`; no other article of theirs is written.

    Returns
    -------
    dict
        The content of ``splits.json``: provenance, what was left out, and each split's articles and
        windows by corpus.

    Raises
    ------
    InputError
        A source is unusable, sources do not fit together, a split is left without windows, near
        copies of one text fell to two splits, or a folder of `recut` holds no article of `train`.
        Nothing is written then.
    """
    whole = pool([_read(path, plan) for path in sources])
    inside, short = _long_enough(whole)
    drawn = draw_articles(inside.article_ids, plan.shares, plan.seed, plan.draw)
    splits = {name: take_articles(inside, articles) for name, articles in drawn.items()}
    if plan.train_windows is not None and "train" in splits:
        splits["train"] = subsample(splits["train"], plan.train_windows, plan.seed)
    if ood:
        splits["ood"], more = _long_enough(pool([_read(path, plan) for path in ood]))
        short += more
        pool([splits["ood"], inside])  # they must fit, too
    check_disjoint(splits)
    splits, copies = _without_copies(splits, plan)
    if recut:
        splits[RECUT] = _with_recuts(splits, recut, plan)
    asked = asdict(plan) | _paths(sources=sources, ood=ood) | (_paths(recut=recut) if recut else {})
    record = {
        "plan": asked,
        "encoder": whole.encoder,
        "fingerprint": whole.fingerprint,
        "short_articles": short,
        "near_copies_left_out": copies,
        "splits": {name: _counted(s) for name, s in splits.items()},
    }
    for name, s in splits.items():
        write_sequences(s, out / name, provenance=asked | {"split": name})
    write_json(out / "splits.json", record)
    return record


def _paths(**given: Sequence[Path]) -> dict[str, list[str]]:
    return {name: [*map(str, paths)] for name, paths in given.items()}


def _without_copies(
    splits: dict[str, SequenceSet], plan: Plan
) -> tuple[dict[str, SequenceSet], dict[str, list[str]]]:
    """Refuse near copies of an earlier split's text, or leave them out; name those left out."""
    copies = copies_of(splits)
    if copies and not plan.drop_copies:
        raise InputError(
            f"{said_of(copies, splits)}: a test on them would ask what was learned by heart; leave "
            "them out with --drop-copies, or take them from the source"
        )
    kept = dict(splits)
    for name, mine in copies.items():
        rest = [a for a in splits[name].article_ids if a not in mine]
        if not rest:
            raise InputError(f"{name}: every article is a near copy of the splits before it")
        kept[name] = take_articles(splits[name], rest)
    return kept, {name: sorted(mine) for name, mine in copies.items()}


def _with_recuts(
    splits: Mapping[str, SequenceSet], recut: Sequence[Path], plan: Plan
) -> SequenceSet:
    """Add other cuts of its articles to `train`; what is in no split or another one stays out."""
    if "train" not in splits:
        raise InputError("recut: there is no split train that they could add to; give it a share")
    home = {whole_of(name) for name in splits["train"].article_ids}
    parts = [splits["train"]]
    for path in recut:
        found = _read(path, plan, recut=True)
        names = [name for name in found.article_ids if whole_of(name) in home]
        if not names:
            raise InputError(
                f"{path}: not one of its articles ({whole_of(found.article_ids[0])!r}, …) is in "
                "train under that name; embed the same texts, with --corpus if need be"
            )
        parts.append(_long_enough(take_articles(found, names))[0])
    return pool(parts)


def _read(path: Path, plan: Plan, *, recut: bool = False) -> SequenceSet:
    if path.suffix == ".npz":
        found = read_npz(path, encoder=plan.encoder)
        if found.context_length != plan.context_length:
            raise InputError(
                f"{path}: contexts of {found.context_length}, not {plan.context_length}; give "
                f"--context {found.context_length}"
            )
        return replace(found, article_ids=tuple(f"{path.stem}/{a}" for a in found.article_ids))
    chunks = read_chunks(path)
    if recut:
        marked = tuple(recut_name(name, path.name) for name in chunks.article_ids)
        chunks = replace(chunks, article_ids=marked)
    return windows_of(chunks, plan.context_length)


def _long_enough(s: SequenceSet) -> tuple[SequenceSet, list[str]]:
    """Part the articles with windows from those without."""
    used = set(np.unique(s.window_article).tolist())
    short = [name for i, name in enumerate(s.article_ids) if i not in used]
    if not used:
        raise InputError(
            f"article {short[0]!r} and all others: shorter than a window of "
            f"{s.context_length + 1} chunks; give longer articles or smaller chunks"
        )
    return take_articles(s, (s.article_ids[i] for i in used)), short


def _counted(s: SequenceSet) -> dict[str, Any]:
    parts = {name: of_corpus(s, name) for name in corpora(s.article_ids)}
    return {
        "articles": len(s.article_ids),
        "windows": len(s),
        "corpora": {
            name: {
                "articles": len(part.article_ids),
                "windows": len(part),
                "names": list(part.article_ids),
            }
            for name, part in parts.items()
        },
    }
