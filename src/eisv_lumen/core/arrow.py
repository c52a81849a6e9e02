"""NumPy arrays as Arrow ones, without copies and without what Arrow would import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_array"]


def arrow_array(values: npt.NDArray[Any]) -> pa.Array:
    """Return a one-dimensional array of numbers or truth values as an Arrow array.

    `pyarrow.array` of a NumPy array imports pandas where that is installed, which takes more
    memory than all that a small computer needs to grow a dataset.

    Examples
    --------
    >>> arrow_array(np.arange(2.0)).to_pylist(), arrow_array(np.array([True])).to_pylist()
    ([0.0, 1.0], [True])
    """
    import pyarrow as pa

    if values.dtype == bool:
        packed = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(packed)])
    flat = np.ascontiguousarray(values)
    kind = pa.from_numpy_dtype(flat.dtype)
    return pa.Array.from_buffers(kind, len(flat), [None, pa.py_buffer(flat)])
