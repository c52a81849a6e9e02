"""Where a dataset's card says that its shards lie."""

from __future__ import annotations

from ...core.errors import InputError
from ..publishing.plan import card_head

__all__ = ["Patterns", "patterns_of"]

Patterns = dict[str, dict[str, str]]
"""Configuration to split to a pattern of paths."""


def patterns_of(card: bytes, id: str, grows: str) -> Patterns:
    """Return the pattern of each config's splits, as the card's head has them.

    Parameters
    ----------
    card
        The dataset's README.md.
    id
        What messages call the dataset.
    grows
        The split that new shards go to: its pattern needs a place for their name.

    Raises
    ------
    InputError
        The head does not say where each split is, or has no such place.
    """
    try:
        configs = {
            c["config_name"]: {f["split"]: f["path"] for f in c["data_files"]}
            for c in card_head(card)["configs"]
        }
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{id}: its card's `configs` do not say where each split is; publish it first"
        ) from error
    for config, patterns in configs.items():
        if "*" not in patterns.get(grows, ""):
            raise InputError(
                f"{id}: config {config} has no pattern with a * for {grows}, so it cannot grow; "
                "publish it first"
            )
    return configs
