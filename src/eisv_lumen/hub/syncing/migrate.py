"""The dataset as it was first published, JSON in strings, brought into the typed schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from ..publishing.plan import CARD, card_head

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["migrate"]

_REAL = ("lumen_real", "anima")
"""What the older schema calls Lumen's own log, and what its source is called now."""


def migrate(tables: Mapping[str, pa.Table], card: bytes, id: str) -> dict[str, bytes]:
    """Return the files that replace those of the older schema.

    Parameters
    ----------
    tables
        Every Parquet file of the dataset, by path: of the older schema or typed already.
    card
        Its card; `configs` and `dataset_info` of its head are replaced, all else stays.
    id
        What messages call the dataset.

    Returns
    -------
    dict
        Typed Parquet by path, a config for each length of window, all in `train`; and the card.

    Raises
    ------
    InputError
        A row cannot be read; the message names file, row and field.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from ...trajectory.dataset.schema import typed
    from ...trajectory.sources.published import STATES_COLUMN, typed_from_published
    from .growth import parquet_bytes, without_repetition

    parts = []
    for path, table in tables.items():
        read = typed_from_published if STATES_COLUMN in table.column_names else typed
        parts.append(read(table, f"{id}: {path}"))
    whole = without_repetition(pa.concat_tables(parts), set())
    column = whole.schema.get_field_index("source")
    source = whole["source"]
    renamed = pc.if_else(pc.equal(source, _REAL[0]), _REAL[1], source)
    whole = whole.set_column(column, whole.schema.field(column), renamed)
    length = pc.list_value_length(whole["t"])
    files: dict[str, bytes] = {}
    configs: list[dict[str, Any]] = []
    for window in sorted(pc.unique(length).to_pylist(), reverse=True):
        folder = f"window_{window}"
        files[f"{folder}/train-00000.parquet"] = parquet_bytes(
            whole.filter(pc.equal(length, window))
        )
        data_files = [{"split": "train", "path": f"{folder}/train-*.parquet"}]
        configs.append({"config_name": folder, "data_files": data_files})
    configs[0]["default"] = True
    return {**files, CARD: _with_configs(card, configs)}


def _with_configs(card: bytes, configs: list[dict[str, Any]]) -> bytes:
    head = {k: v for k, v in card_head(card).items() if k not in ("configs", "dataset_info")}
    text = re.sub(r"\A---\r?\n.*?\r?\n---\r?\n?", "", card.decode("utf-8"), flags=re.DOTALL)
    dumped = yaml.safe_dump({**head, "configs": configs}, sort_keys=False, allow_unicode=True)
    return f"---\n{dumped}---\n{text}".encode()
