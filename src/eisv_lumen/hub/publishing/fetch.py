"""A published model, fetched whole at one revision: data alone, nothing that could be executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ...core.errors import InputError
from ...core.places import as_hub_place, no_such_place
from .retry import Backoff, patiently

__all__ = ["base_beside", "fetch_model"]

_DATA: Final = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.yaml", "*.parquet")


def fetch_model(
    where: str,
    revision: str | None = None,
    backoff: Backoff | None = None,
    *,
    token: str | None = None,
) -> Path:
    """Return a folder that holds a published model.

    Parameters
    ----------
    where
        A folder, which is returned as it is, or a repo on the Hub, `owner/name[@revision]`.
    revision
        Branch, tag or commit, on the Hub; main by default.
    backoff
        Patience with the Hub.
    token
        Of the Hub; that of `hf auth login` by default.

    Raises
    ------
    InputError
        There is no such folder or repo, or the Hub cannot be reached.
    """
    if Path(where).is_dir():
        if revision is not None:
            raise InputError(f"{where}: is a folder, which has no revisions; leave out --revision")
        return Path(where)
    place = as_hub_place(where)
    if place is None:
        raise no_such_place(where, "folder")
    if revision is not None and place.revision is not None:
        raise InputError(f"{where}: names a revision; leave out --revision")

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    from ... import __version__

    def fetch() -> Path:
        try:
            return Path(
                snapshot_download(
                    place.id,
                    token=token,
                    revision=revision or place.revision,
                    allow_patterns=list(_DATA),
                    library_name="eisv-lumen",
                    library_version=__version__,
                )
            )
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
