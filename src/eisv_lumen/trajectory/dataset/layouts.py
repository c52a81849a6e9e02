"""Which files `load_dataset` reads as which config and split: the card's YAML against a listing.

The same rules as `datasets`' own (its `data_files` and `MetadataConfigs`), so that the base
install, without `datasets`, grows whatever it loads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from ...core.errors import InputError
from ...core.files import parse_yaml

__all__ = [
    "Layout",
    "card_class_names",
    "card_head",
    "default_config",
    "grown_number",
    "layouts_of",
]

CARD: Final = "README.md"

_IGNORED: Final = frozenset(
    (CARD, "config.json", "dataset_info.json", "dataset_infos.json", "dummy_data.zip",
     "dataset_dict.json")
)  # fmt: skip
_SHARDED: Final = "data/{split}-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]*.*"
_KEYWORDS: Final = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SEP: Final = "[-._ 0-9]"
_IN_FOLDER: Final = ("**/{k}/**", "**/{k}{s}*/**", "**/*{s}{k}/**", "**/*{s}{k}{s}*/**")
_IN_NAME: Final = ("**/{k}{s}*", "**/*{s}{k}{s}*")

Patterns = dict[str, list[str]]
"""Split to patterns of paths."""


@dataclass(frozen=True)
class Layout:
    """Configs that read the same shards.

    Attributes
    ----------
    configs
        Their names.
    splits
        Split to the Parquet files that it reads, in its order.
    patterns
        Split to the patterns that match them.
    """

    configs: tuple[str, ...]
    splits: Mapping[str, tuple[str, ...]]
    patterns: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """How messages call it."""
        return "config " + ", ".join(self.configs)

    def new_shard(self, split: str, card: bytes, files: Iterable[str], id: str) -> str:
        """Return a name for one more shard that `load_dataset` will read as part of `split`.

        Parameters
        ----------
        split
            The one that grows.
        card, files
            Of the revision that grows.
        id
            What messages call the dataset.

        Raises
        ------
        InputError
            No name that ends in .parquet is read as part of this split alone.
        """
        files = list(files)
        if split not in self.splits:
            raise InputError(
                f"{id}: {self.name} has no split {split!r} to grow, but "
                f"{', '.join(self.splits) or 'none'}; publish it first"
            )
        shards = [path for many in self.splits.values() for path in many]
        number = max(map(grown_number, shards), default=0)
        free = next(n for n in range(number + 1, number + 2 + len(files)) if not any(
            path in files for path in self._candidates(split, n)
        ))  # fmt: skip
        for path in self._candidates(split, free):
            if self._takes(split, path, card, files, id):
                return path
        raise InputError(
            f"{id}: {self.name} has no pattern for {split} that a new shard could match alone "
            f"({', '.join(self.patterns[split])}), so it cannot grow; give {split} a path such as "
            f"data/{split}-*.parquet in the card's `configs`"
        )

    def _candidates(self, split: str, number: int) -> list[str]:
        """Return names to try: beside the shards that are there, or as the patterns have them."""
        mark = f"grown-{number:05d}"
        shards = [PurePosixPath(p) for p in self.splits[split] if not grown_number(p)][::-1]
        # After the shard that is there, in the order of names: "_" comes after ".".
        beside = [str(at.with_name(f"{at.stem}_{mark}.parquet")) for at in shards]
        starred = []
        for pattern in self.patterns[split]:
            head, star, tail = pattern.rpartition("*")
            if star and not re.search(r"[*?\[\]]", head):
                name = f"{head}{mark}{tail}"
                starred.append(name if name.endswith(".parquet") else f"{name}.parquet")
        within = [
            str(at.with_name(f"{at.stem[:i]}-{mark}{at.stem[i:]}.parquet"))
            for at in shards[:1]
            for i in range(len(at.stem))
        ]
        pushed = any(re.search(r"-\d{5}-of-\d{5}", path) for path in beside)
        return [*beside, *starred, *within] if pushed else [*starred, *beside, *within]

    def _takes(self, split: str, path: str, card: bytes, files: list[str], id: str) -> bool:
        """Say whether a new file would be read as part of this layout's split, and change no else.

        Whatever else is read stays as it is, so that no window moves by a name alone.
        """
        before = {one.configs: one.splits for one in layouts_of(card, files, id)}
        after = {one.configs: one.splits for one in layouts_of(card, [*files, path], id)}
        if before.keys() != after.keys():
            return False
        for configs, splits in after.items():
            new = {s: set(p) - set(before[configs].get(s, ())) for s, p in splits.items()}
            grown = {s for s, paths in new.items() if paths}
            if splits.keys() != before[configs].keys():
                return False
            if grown != ({split} if configs == self.configs else set()):
                return False
        return True


def card_head(card: bytes | None, id: str) -> dict[str, Any]:
    """Return the YAML head of a dataset's card, empty where it has none.

    Raises
    ------
    InputError
        It is no text, or no YAML.
    """
    text = (card or b"").decode("utf-8", "replace")
    head = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    found = parse_yaml(head[1], f"{id}: {CARD}, its head") if head else {}
    return found if isinstance(found, dict) else {}


def default_config(card: bytes | None, names: Sequence[str], id: str) -> str:
    """Return the config that is read where none is asked for.

    It is the one that the card calls its default, or the only one, or the longest windows.
    """
    configs = card_head(card, id).get("configs") or []
    said = [c.get("config_name") for c in configs if isinstance(c, dict) and c.get("default")]
    for name in (*map(str, said), "default"):
        if name in names:
            return name
    return max(names, key=lambda name: (_window_of(name), -list(names).index(name)))


def card_class_names(
    card: bytes | None, config: str, id: str, column: str = "shape"
) -> list[str] | None:
    """Return the class names that a card gives a column of a config; None where it gives none."""
    told = card_head(card, id).get("dataset_info")
    infos = told if isinstance(told, list) else [told]
    for info in (i for i in infos if isinstance(i, dict)):
        if info.get("config_name", config) != config:
            continue
        for feature in info.get("features") or ():
            if isinstance(feature, dict) and feature.get("name") == column:
                return _names_of(feature.get("dtype"))
    return None


def _names_of(dtype: Any) -> list[str] | None:
    names = dtype.get("class_label", {}).get("names") if isinstance(dtype, dict) else None
    if isinstance(names, dict):  # as `datasets` writes them: '0': settled_presence
        return [str(names[key]) for key in sorted(names, key=int)]
    return [str(name) for name in names] if isinstance(names, list) else None


def _window_of(name: str) -> int:
    hit = re.fullmatch(r"window_(\d+)", name)
    return int(hit[1]) if hit else 0


def grown_number(path: str) -> int:
    """Return the number of a shard that `data sync` has added, 0 of any other.

    Examples
    --------
    >>> grown_number("data/train-00000-of-00001_grown-00012.parquet")
    12
    """
    hit = re.search(r"grown-(\d{5})(?!\d)[^/]*\.parquet$", path)
    return int(hit[1]) if hit else 0


def layouts_of(card: bytes | None, files: Iterable[str], id: str) -> list[Layout]:
    """Return what `load_dataset` would read from a dataset's repository.

    Parameters
    ----------
    card
        Its README.md, None where it has none.
    files
        All paths in it.
    id
        What messages call the dataset.

    Raises
    ------
    InputError
        The card's `configs` cannot be read.
    """
    paths = sorted(files)
    found: dict[tuple[Any, ...], tuple[list[str], dict[str, tuple[str, ...]], Patterns]] = {}
    for name, given, folder in _configs(card, id):
        base = f"{folder.strip('/')}/" if folder else ""
        below = [path[len(base) :] for path in paths if path.startswith(base)]
        patterns = _default_patterns(below) if given is None else given
        splits = {
            split: tuple(
                dict.fromkeys(
                    f"{base}{path}"
                    for pattern in many
                    for path in _matched(pattern, below)
                    if path.endswith(".parquet")
                )
            )
            for split, many in patterns.items()
        }
        there = {split: read for split, read in splits.items() if read}
        full = {split: [f"{base}{p}" for p in many] for split, many in patterns.items()}
        key = tuple(sorted(there.items())) or (name,)
        found.setdefault(key, ([], there, full))[0].append(name)
    return [
        Layout(tuple(names), splits, {s: tuple(p) for s, p in patterns.items()})
        for names, splits, patterns in found.values()
    ]


def _configs(card: bytes | None, id: str) -> list[tuple[str, Patterns | None, str]]:
    """Return each config's name, its patterns (None: `datasets`' own), and its folder."""
    configs = card_head(card, id).get("configs")
    if not configs:
        return [("default", None, "")]
    try:
        return [
            (
                str(config["config_name"]),
                None if config.get("data_files") is None else _patterns(config["data_files"]),
                str(config.get("data_dir") or ""),
            )
            for config in configs
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{id}: the `configs` of its card do not say where each split is; mend them as "
            "https://huggingface.co/docs/hub/datasets-manual-configuration shows"
        ) from error


def _patterns(data_files: Any) -> Patterns:
    if isinstance(data_files, str):
        return {"train": [data_files]}
    if isinstance(data_files, dict):
        return {str(split): _listed(path) for split, path in data_files.items()}
    if all(isinstance(one, str) for one in data_files):
        return {"train": list(data_files)}
    return {str(one["split"]): _listed(one["path"]) for one in data_files}


def _listed(path: Any) -> list[str]:
    if isinstance(path, str):
        return [path]
    if not isinstance(path, list) or not all(isinstance(one, str) for one in path):
        raise TypeError(path)
    return path


def _default_patterns(paths: list[str]) -> Patterns:
    """Return the patterns of a folder that no card describes, as `datasets` tries them."""
    sharded = _matched(_SHARDED.format(split="*"), paths)
    if sharded:
        found = {re.sub(r"-\d{5}-of-\d{5}.*", "", path.rpartition("/")[2]) for path in sharded}
        order = [s for s in _KEYWORDS if s in found] + sorted(found - _KEYWORDS.keys())
        return {split: [_SHARDED.format(split=split)] for split in order}
    for forms in (_IN_FOLDER, _IN_NAME):
        tried = {
            split: [form.format(k=word, s=_SEP) for word in words for form in forms]
            for split, words in _KEYWORDS.items()
        }
        hits = {split: p for split, p in tried.items() if any(_matched(q, paths) for q in p)}
        if hits:
            return hits
    return {"train": ["**"]}


def _matched(pattern: str, paths: list[str]) -> list[str]:
    """Return the paths that a pattern matches, hidden and special ones only if it names them."""
    from fsspec.utils import glob_translate

    pattern = str(PurePosixPath(pattern))
    try:
        fits = re.compile(glob_translate(pattern)).match
    except ValueError as error:
        raise InputError(
            f"{CARD}, configs: {pattern!r} is no pattern of paths ({error})"
        ) from error
    ignored = _IGNORED - {pattern.rpartition("/")[2]}
    return [
        path
        for path in paths
        if fits(path)
        and path.rpartition("/")[2] not in ignored
        and _hidden(path) == _hidden(pattern)
        and _special(path) == _special(pattern)
    ]


def _hidden(path: str) -> int:
    return sum(part.startswith(".") and part != "." for part in PurePosixPath(path).parts)


def _special(path: str) -> int:
    return sum(part.startswith("__") for part in PurePosixPath(path).parent.parts)
