"""The dataset as it was first published, JSON in strings, brought into the typed schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ...core.arrow import arrow_array
from ...trajectory.dataset.metadata import with_cut_facts
from ...trajectory.dataset.schema import SCHEMA, typed
from ...trajectory.sources.published import STATES_COLUMN, typed_from_published
from ..publishing.grown import not_doubled
from ..publishing.plan import CARD, card_head
from .cards import with_head
from .growth import in_time, parquet_bytes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TAG", "migrate"]

TAG: Final = "before-migration-{}"
"""That the last revision of the older schema gets; filled with the start of its commit."""
_REAL: Final = ("lumen_real", "anima")
"""What the older schema calls Lumen's own log, and what its source is called now."""
_NOTE: Final = """\
> **Columns.** Windows stand in typed columns: lists `t` [s since the epoch], `E`, `I`, `S`, `V` and
> `ethical_drift`; `shape` (class label), `source`, `agent`, `t_start`, `t_end` and `tokens`, in one
> config for each length of window ({configs}); {rows:,} windows when this was written. Where the
> text below speaks of JSON in strings (`eisv_states`, `derivatives`, `provenance`,
> `n_expressions`), it describes revision `{tag}`, which keeps them. Derivatives follow from the
> states; `provenance` is `source`.

"""


def migrate(
    tables: Mapping[str, pa.Table], card: bytes, id: str, *, tag: str, stride: int
) -> dict[str, bytes]:
    """Return the files that replace those of the older schema.

    Parameters
    ----------
    tables
        Every Parquet file of the dataset, by path: of the older schema or typed already.
    card
        Its card; `configs` and `dataset_info` of its head are replaced, and a note says where
        the columns went; all else stays.
    id
        What messages call the dataset.
    tag
        That keeps the older revision.
    stride
        With which the windows were cut.

    Returns
    -------
    dict
        Typed Parquet by path, a config for each length of window, all in `train`; and the card.

    Raises
    ------
    InputError
        A row cannot be read; the message names file, row and field.
    """
    whole = _typed_whole(tables, id)
    files: dict[str, bytes] = {}
    configs: list[dict[str, Any]] = []
    for window, rows in _by_length(whole):
        folder = f"window_{window}"
        files[f"{folder}/train-00000.parquet"] = parquet_bytes(
            with_cut_facts(_as_typed(in_time(rows)), window=window, stride=stride)
        )
        data_files = [{"split": "train", "path": f"{folder}/train-*.parquet"}]
        configs.append({"config_name": folder, "data_files": data_files})
    configs[0]["default"] = True
    note = _NOTE.format(
        configs=", ".join(f"`{c['config_name']}`" for c in configs), rows=len(whole), tag=tag
    )
    return {**files, CARD: _with_configs(card, configs, note)}


def _typed_whole(tables: Mapping[str, pa.Table], id: str) -> pa.Table:
    """Return all rows in the typed schema, none twice, under today's name of their source."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    for path, table in tables.items():
        read = typed_from_published if STATES_COLUMN in table.column_names else typed
        parts.append(read(table, f"{id}: {path}").replace_schema_metadata(None))
    whole = pa.concat_tables(parts)
    whole = whole.filter(arrow_array(not_doubled(whole, [])))
    column = whole.schema.get_field_index("source")
    source = whole["source"]
    renamed = pc.if_else(pc.equal(source, _REAL[0]), _REAL[1], source)
    return whole.set_column(column, whole.schema.field(column), renamed)


def _by_length(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Yield the windows of each length, the longest first."""
    import pyarrow.compute as pc

    length = pc.list_value_length(table["t"])
    for window in sorted(pc.unique(length).to_pylist(), reverse=True):
        yield window, table.filter(pc.equal(length, window))


def _as_typed(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(SCHEMA.metadata)


def _with_configs(card: bytes, configs: list[dict[str, Any]], note: str) -> bytes:
    head = {k: v for k, v in card_head(card).items() if k not in ("configs", "dataset_info")}
    text = re.sub(r"\A---\r?\n.*?\r?\n---\r?\n?", "", card.decode("utf-8"), flags=re.DOTALL)
    first, _, rest = text.lstrip().partition("\n")
    titled = f"{first}\n\n{note}{rest.lstrip()}" if first.startswith("# ") else f"{note}{text}"
    return with_head(card, {**head, "configs": configs}, titled)
