"""Class labels: whatever codes or names a file has for shapes, in our codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...core.errors import InputError
from ...expression.vocabulary import SHAPES, UnknownNameError, shape_code

__all__ = ["class_names", "shape_codes"]


def class_names(schema: pa.Schema, column: str = "shape") -> list[str] | None:
    """Return the class names of a column, as `datasets` writes them into a file's schema.

    Parameters
    ----------
    schema
        Of an Arrow table or a Parquet file.
    column
        The column of class labels.

    Returns
    -------
    list of str, or None
        The name of each code; None where the file does not say.
    """
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = said["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def shape_codes(
    column: pa.ChunkedArray, names: Sequence[str] | None, place: str
) -> npt.NDArray[np.int64]:
    """Translate a column of shapes into positions in `SHAPES`, by name.

    Parameters
    ----------
    column
        Names of shapes as text, or codes.
    names
        What each code means; None: codes are positions in `SHAPES` already.
    place
        What messages call the table.

    Returns
    -------
    ndarray, shape (n,), int64

    Raises
    ------
    InputError
        A shape is NULL, no whole number, out of range, or a name that is none of `SHAPES`; the
        message names the row.
    """
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise InputError(f"{place}, row {row}: shape is NULL; label that row, or drop it")
    if _is_text(column.type):
        values = column.cast(pa.string()).combine_chunks().dictionary_encode()
        codes, meaning = np.asarray(values.indices, np.int64), values.dictionary.to_pylist()
    else:
        codes = _whole_numbers(column, place)
        meaning = list(SHAPES if names is None else names)
    wrong = (codes < 0) | (codes >= len(meaning))
    if wrong.any():
        row = int(np.argmax(wrong))
        what = "no label" if codes[row] == -1 else f"none of its {len(meaning)} class codes"
        raise InputError(
            f"{place}, row {row}: shape is {codes[row]}, which is {what}; label that row with a "
            f"code from 0 to {len(meaning) - 1}, or drop it"
        )
    ours = np.full(len(meaning), -1)
    for code in np.unique(codes).tolist():  # a name that no row has may be anything
        try:
            ours[code] = shape_code(meaning[code])
        except UnknownNameError as error:
            row = int(np.argmax(codes == code))
            raise InputError(f"{place}, row {row}: {error}") from None
    return np.asarray(ours[codes] if len(codes) else codes, np.int64)


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(value)
        or pa.types.is_large_string(value)
        or pa.types.is_string_view(value)
    )


def _whole_numbers(column: pa.ChunkedArray, place: str) -> npt.NDArray[np.int64]:
    kind: Any = column.type
    if pa.types.is_null(kind) and not len(column):
        return np.empty(0, np.int64)
    if pa.types.is_floating(kind):  # as pandas leaves codes behind, where one was missing
        values = pc.cast(column, pa.float64()).to_numpy()
        bad = ~np.isfinite(values) | (values != np.floor(values))
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{place}, row {row}: shape is {values[row]}, no whole number; label that row, or "
                "drop it"
            )
        return np.asarray(values, np.int64)
    if not pa.types.is_integer(kind):
        raise InputError(f"{place}: column 'shape' holds {kind}; give names of shapes, or codes")
    return np.asarray(pc.cast(column, pa.int64()).to_numpy())
