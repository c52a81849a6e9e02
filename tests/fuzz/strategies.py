"""Files that are nearly right: bytes that were damaged, and right forms full of wrong values."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

INTEGERS = st.one_of(
    st.integers(-3, 40),
    st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64, 10**30, 10**400]),
)
FLOATS = st.one_of(
    st.floats(0, 1),
    st.floats(),
    st.sampled_from([1e308, -1e308, 5e-324, float("inf"), float("nan"), -0.0]),
)
TIMES = st.sampled_from(
    [
        "2025-01-31T23:59:59", "2025-01-31 23:59:59.123456+01:00", "2025-01-31T23:59:59Z",
        "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59", "2025-02-30T00:00:00", "2025-01-31T24:00:00", "2025-W05-5",
        "2025-01-31", "20250131T235959", "1700000000", "now", "", "２０２５-01-31T00:00:00",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    TIMES,
    st.text(max_size=8),
    st.sampled_from(
        ["\ud800", "\x00", "a\x00b", "\ufeff", "[]", "[[]]", "NaN", "x" * 5000, "convergence",
         "~warmth~", "lumen", "lumen_real", "-", "1e999", "0x10", "\u202e", "=1+1", "\r\n"]
    ),
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, FLOATS, TEXTS)


def deep(levels: int) -> list[Any]:
    """A list within a list, and so on."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


JSON = st.one_of(
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=8,
    ),
    st.builds(deep, st.integers(0, 300)),
)


@st.composite
def damaged(draw: Any, whole: bytes) -> bytes:
    """Some bytes changed, taken out, doubled or put in; or the end cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        match draw(st.integers(0, 4)):
            case 0:
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case 4:
                del data[at:]
    return bytes(data)


@st.composite
def altered(draw: Any, good: Any) -> Any:
    """A value of JSON in which a few parts are something else, gone, or new."""
    value = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 3))):
        value = _alter(draw, value)
    return value


def _alter(draw: Any, value: Any) -> Any:
    deeper = draw(st.integers(0, 3)) > 0
    if isinstance(value, dict) and value and deeper:
        key = draw(st.sampled_from(sorted(value)))
        rest = {k: v for k, v in value.items() if k != key}
        new = {draw(st.text(max_size=6)): draw(JSON)}
        return draw(st.sampled_from([rest, value | new, value | {key: _alter(draw, value[key])}]))
    if isinstance(value, list) and value and deeper:
        at = draw(st.integers(0, len(value) - 1))
        before, after = value[:at], value[at + 1 :]
        inner = [*before, _alter(draw, value[at]), *after]
        return draw(st.sampled_from([before + after, value + after, inner]))
    return draw(JSON)


def dumped(value: Any) -> str:
    """JSON as others may write it: NaN and all."""
    return json.dumps(value)
