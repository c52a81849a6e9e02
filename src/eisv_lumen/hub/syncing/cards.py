"""A dataset's card after its shards have changed: `load_dataset` refuses other counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..publishing.plan import card_head

__all__ = ["Count", "recounted", "with_head"]


@dataclass(frozen=True)
class Count:
    """What a split has more, or less where negative: rows, their bytes in memory and in files."""

    rows: int = 0
    memory: int = 0
    files: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.rows + other.rows, self.memory + other.memory, self.files + other.files)


def recounted(card: bytes | None, split: str, more: Mapping[str, Count]) -> bytes | None:
    """Return a card whose `dataset_info` counts what there is now, None where it counts nothing.

    Parameters
    ----------
    card
        As it is.
    split
        Whose rows have changed.
    more
        By how much, by config.
    """
    head = card_head(card) if card else {}
    info = head.get("dataset_info") if isinstance(head, dict) else None
    entries = info if isinstance(info, list) else [info]
    changed = False
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        count = more.get(str(entry.get("config_name", "default")))
        for one in entry.get("splits") or []:
            if count is None or not isinstance(one, dict) or one.get("name") != split:
                continue
            changed = True
            _add(one, "num_examples", count.rows)
            _add(one, "num_bytes", count.memory)
            _add(entry, "dataset_size", count.memory)
            _add(entry, "download_size", count.files)
    return with_head(card, head) if changed and card else None


def _add(entry: dict[str, Any], key: str, more: int) -> None:
    if isinstance(entry.get(key), int):
        entry[key] += more


def with_head(card: bytes, head: Mapping[str, Any], text: str | None = None) -> bytes:
    """Return a card with another YAML head, and its own text if no other is given."""
    from huggingface_hub import CardData, RepoCard

    made = RepoCard(card.decode("utf-8"), ignore_metadata_errors=True)
    made.data = CardData(**head)
    if text is not None:
        made.text = text
    return str(made).encode()
