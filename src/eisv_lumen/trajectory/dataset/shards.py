"""The files of a dataset: where they lie, in a folder or on the Hub, and of which config they are.

A dataset of the Hub is fetched file by file and then read as the folder that it is, so that both
give the same rows. Nothing of it is executed.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.notices import Notice, notice
from ...core.places import as_hub_place, no_such_place
from .layouts import card_class_names, default_config, layouts_of

__all__ = ["Shards", "config_names", "find_shards"]

_CARD: Final = "README.md"


@dataclass(frozen=True)
class Shards:
    """The files of one config of a dataset, in a folder or on the Hub.

    Attributes
    ----------
    place
        What messages call the dataset.
    config
        Name of the config.
    configs
        Names of all configs.
    splits
        Split to paths within the dataset, in the dataset's order.
    names
        Class names that its card gives to `shape`, None where it gives none.
    folder
        Where the files lie; of the Hub, None.
    repo, revision, token
        Of the Hub: the id, the commit, and the token that may read it.
    """

    place: str
    config: str
    configs: tuple[str, ...]
    splits: dict[str, tuple[str, ...]]
    names: list[str] | None
    folder: Path | None = None
    repo: str = ""
    revision: str | None = None
    token: str | bool | None = None

    def of(self, split: str | None) -> list[str]:
        """Return the paths of a split, or of all.

        Raises
        ------
        InputError
            There is no such split.
        """
        if split is not None and split not in self.splits:
            raise InputError(
                f"{self.place}: no split {split!r}; there is {', '.join(self.splits) or 'none'}"
            )
        chosen = self.splits if split is None else {split: self.splits[split]}
        return list(dict.fromkeys(path for paths in chosen.values() for path in paths))

    def fetched(self, paths: Sequence[str]) -> Path:
        """Return a folder that holds some of the files; from the Hub they come into its cache."""
        if self.folder is not None:
            return self.folder
        from huggingface_hub import snapshot_download

        with _hub_errors(self.repo):
            return Path(
                snapshot_download(
                    self.repo,
                    repo_type="dataset",
                    revision=self.revision,
                    token=self.token,
                    allow_patterns=list(paths),
                )
            )


def find_shards(
    source: str | os.PathLike[str],
    *,
    config: str | None = None,
    window: int | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Shards:
    """Find the Parquet files of one configuration, in a folder or on the Hub.

    Parameters
    ----------
    source
        A folder, or a dataset id.
    config, window, revision, token
        As for `load_trajectories`.

    Raises
    ------
    InputError
        There is no such folder or dataset, no Parquet in it, or no such configuration.

    Warns
    -----
    Notice
        There are several configurations and none was asked for.
    """
    place, path = str(source), Path(source)
    if path.is_dir():
        if revision is not None:
            raise InputError(f"{place}: is a folder, which has no revisions; leave out revision")
        path = _snapshot(path)
        files = _listing(path)
        card = (path / _CARD).read_bytes() if (path / _CARD).is_file() else None
        where: dict[str, Any] = {"folder": path}
    else:
        where, files, card = _on_hub(place, revision, token)
    configs = _configs(files, card, place)
    if not any(paths for splits in configs.values() for paths in splits.values()):
        raise InputError(f"{place}: holds no Parquet files; give a dataset's folder or id")
    name = _choose(configs, card, config, window, place)
    names = card_class_names(card, name, place)
    return Shards(place, name, tuple(configs), configs[name], names, **where)


def config_names(
    source: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> tuple[str, ...]:
    """Return the names of all configurations of a folder or a dataset of the Hub.

    Raises
    ------
    InputError
        As for `find_shards`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)  # none is chosen
        return find_shards(source, revision=revision, token=token).configs


def _choose(
    configs: dict[str, Any], card: bytes | None, config: str | None, window: int | None, place: str
) -> str:
    there = ", ".join(configs)
    if config is not None:
        if config not in configs:
            raise InputError(f"{place}: no configuration {config!r}; there is {there}")
        return config
    if window is not None and len(configs) > 1:
        if f"window_{window}" not in configs:
            raise InputError(f"{place}: no configuration window_{window}; there is {there}")
        return f"window_{window}"
    name = default_config(card, list(configs), place)
    if len(configs) > 1:
        others = ", ".join(other for other in configs if other != name)
        notice(f"{place}: read its configuration {name}; it has also {others}")
    return name


def _configs(
    files: list[str], card: bytes | None, place: str
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return config to split to files: as the card has them, or a config a folder window_N."""
    folders = sorted({f.split("/")[0] for f in files if f.startswith("window_") and "/" in f})
    found = {
        name: dict(layout.splits)
        for layout in layouts_of(card, files, place)
        for name in layout.configs
    }
    if list(found) != ["default"] or not folders:
        return found
    return {
        name: {
            split: tuple(f"{name}/{file}" for file in paths)
            for layout in layouts_of(
                None, [f[len(name) + 1 :] for f in files if f.startswith(f"{name}/")], place
            )
            for split, paths in layout.splits.items()
        }
        for name in folders
    }


def _listing(folder: Path) -> list[str]:
    """Return the files of a folder, but hidden ones and those in hidden folders: copies, caches."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)
    )


def _snapshot(folder: Path) -> Path:
    """Return the one revision of a folder of the Hub's cache; any other folder is itself."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        return folder
    main = folder / "refs" / "main"
    if main.is_file():
        return snapshots / main.read_text("utf-8").strip()
    revisions = sorted(path for path in snapshots.iterdir() if path.is_dir())
    if len(revisions) != 1:
        raise InputError(
            f"{folder}: the Hub's cache of {len(revisions)} revisions; name one of them"
        )
    return revisions[0]


def _on_hub(
    name: str, revision: str | None, token: str | bool | None
) -> tuple[dict[str, Any], list[str], bytes | None]:
    place = as_hub_place(name)
    if place is None:  # what looks like a path is not asked of the Hub
        raise no_such_place(name, "file or folder")
    name, revision = place.id, revision or place.revision
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    with _hub_errors(name):
        try:
            info = HfApi(token=token).dataset_info(name, revision=revision)
        except OfflineModeIsEnabled:
            cached = Path(
                snapshot_download(
                    name, repo_type="dataset", revision=revision, local_files_only=True
                )
            )
            card = cached / _CARD
            return (
                {"folder": cached},
                _listing(cached),
                card.read_bytes() if card.is_file() else None,
            )
        files = [one.rfilename for one in info.siblings or ()]
        read = None
        if _CARD in files:
            read = Path(
                hf_hub_download(name, _CARD, repo_type="dataset", revision=info.sha, token=token)
            ).read_bytes()
    return {"repo": name, "revision": info.sha, "token": token}, files, read


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turn whatever the Hub's client raises into one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"{name}: no such file, and the dataset could not be loaded from the Hub ({text})"
        ) from error
