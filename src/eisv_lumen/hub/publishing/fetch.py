"""A published model, fetched whole at one revision: data alone, nothing that could be executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ...core.errors import InputError
from ..cards.front_matter import is_hub_id
from .retry import Backoff, patiently

__all__ = ["base_beside", "fetch_model"]

_DATA: Final = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.yaml", "*.parquet")


def fetch_model(where: str, revision: str | None = None, backoff: Backoff | None = None) -> Path:
    """Return a folder that holds a published model.

    Parameters
    ----------
    where
        A folder, which is returned as it is, or the id of a repo on the Hub.
    revision
        Branch, tag or commit, on the Hub; main by default.
    backoff
        Patience with the Hub.

    Raises
    ------
    InputError
        There is no such folder or repo, or the Hub cannot be reached.
    """
    if Path(where).is_dir():
        if revision is not None:
            raise InputError(f"{where}: is a folder, which has no revisions; leave out --revision")
        return Path(where)
    if not is_hub_id(where):
        raise InputError(f"{where}: no such folder, and no id of a repo (owner/name)")

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    def fetch() -> Path:
        try:
            return Path(snapshot_download(where, revision=revision, allow_patterns=list(_DATA)))
        except LocalEntryNotFoundError as error:  # which hides what kept it from the Hub
            raise error.__cause__ or error from None

    return patiently(fetch, backoff or Backoff(), f"fetching {where}")


def base_beside(folder: Path) -> str | None:
    """Return the folder of an adapter's base where it was published beside it, else None."""
    config = folder / "adapter_config.json"
    if not config.is_file():
        return None
    name = str(json.loads(config.read_text("utf-8")).get("base_model_name_or_path"))
    beside = folder.parent / name.rpartition("/")[2]
    return str(beside) if (beside / "config.json").is_file() else None
