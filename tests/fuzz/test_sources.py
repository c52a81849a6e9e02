"""Every source of trajectories, with what nobody would send on purpose."""

from __future__ import annotations

import importlib.util
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.schema import SCHEMA, synthesize
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db
from eisv_lumen.trajectory.sources.summaries import read_summaries
from eisv_lumen.trajectory.windows import SUMMARY_FIELDS

from .guard import cases, survives
from .strategies import FLOATS, INTEGERS, SCALARS, TEXTS, altered, damaged, dumped

ROOT = Path(__file__).parents[2]


def load_upload() -> Any:
    spec = importlib.util.spec_from_file_location("u", ROOT / "spaces/explorer/uploads.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read_series


read_upload = load_upload()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def try_all(path: Path) -> None:
    """As a dataset, and as a visitor's upload."""
    table = survives(lambda: load_table(path, window=4, stride=2), path.name)
    assert table is None or table.schema.equals(SCHEMA)
    found = survives(lambda: read_upload(path), path.name)
    assert found is None or np.isfinite(found[0].X).all()


@pytest.fixture(scope="module")
def anima(folder: Path) -> bytes:
    write_anima_db(folder / "good.db", 400, seed=1, n_expressions=5, n_null=1)
    return (folder / "good.db").read_bytes()


@cases(0.14)
@given(st.data())
def test_a_damaged_log(folder: Path, anima: bytes, data: Any) -> None:
    path = folder / "damaged.db"
    path.write_bytes(data.draw(damaged(anima)))
    try_all(path)


STORED = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), FLOATS, st.binary(max_size=6),
    TEXTS.filter(lambda text: "\ud800" not in text), st.just(b"\xff\xfe"),
)  # fmt: skip


@cases(0.12)
@given(st.data())
def test_a_log_with_strange_values(folder: Path, anima: bytes, data: Any) -> None:
    path = folder / "strange.db"
    path.write_bytes(anima)
    with sqlite3.connect(path) as db:
        for _ in range(data.draw(st.integers(1, 4))):
            table, columns = data.draw(
                st.sampled_from(
                    [
                        ("state_history", ("timestamp", "warmth", "clarity", "stability")),
                        ("primitive_history", ("timestamp", "tokens")),
                    ]
                )
            )
            column = data.draw(st.sampled_from(columns))
            row = data.draw(st.integers(1, 8))
            value = data.draw(STORED)
            as_text = isinstance(value, bytes) and data.draw(st.booleans())
            db.execute(
                f"UPDATE {table} SET {column} = {'CAST(? AS TEXT)' if as_text else '?'} "
                "WHERE id = ?", (value, row),
            )  # fmt: skip
    db.close()
    try_all(path)


UPDATE = {
    "agent_id": "a", "timestamp": "2025-01-31T23:59:59", "ethical_drift": [0.1, 0.2],
    "eisv": {"E": 0.5, "I": 0.6, "S": 0.1, "V": 0.2},
}  # fmt: skip
SUMMARY = {
    "id": 1, "shape": "convergence", "expression": ["~warmth~"],
    **dict.fromkeys(SUMMARY_FIELDS, 3),
}  # fmt: skip
STATE = {"E": 0.5, "I": 0.6, "S": 0.1, "V": 0.2, "t": 1.0}
ROW = {
    "shape": "convergence", "provenance": "lumen_real",
    "eisv_states": dumped([STATE | {"t": i} for i in range(4)]), "tokens": '[["warmth"]]',
}  # fmt: skip


@cases(0.2)
@given(st.data())
def test_json_lines(folder: Path, data: Any) -> None:
    good = data.draw(st.sampled_from([UPDATE, SUMMARY, ROW]))
    lines = [dumped(good | ({"id": i} if "id" in good else {})) for i in range(4)]
    for _ in range(data.draw(st.integers(1, 3))):
        value = data.draw(altered(good))
        if data.draw(st.booleans()):  # all lines alike: an agent with one update is dropped
            lines = [
                dumped(value | {"id": i} if isinstance(value, dict) else value) for i in (0, 1)
            ]
        if isinstance(value, dict) and data.draw(st.booleans()):
            for name, inner in (("eisv_states", [STATE, STATE]), ("tokens", [["warmth"]])):
                if name in value:
                    value[name] = dumped(data.draw(altered(inner)))
        lines += [dumped(value)] * data.draw(st.integers(1, 4))
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    path = folder / "lines.jsonl"
    path.write_bytes(data.draw(damaged(text)) if data.draw(st.integers(0, 3)) == 0 else text)
    try_all(path)
    survives(lambda: read_summaries(path), path.name)


@pytest.fixture(scope="module")
def tables(folder: Path) -> list[bytes]:
    states = pa.table({"t": np.arange(8.0), **{d: np.full(8, 0.25) for d in "EISV"}})
    files = []
    for name, table in (
        ("states", states),
        ("windows", synthesize(dict.fromkeys(SHAPES, 1), seed=0)),
        ("published", pa.table({k: [v] * 3 for k, v in ROW.items()})),
    ):
        pq.write_table(table, folder / f"{name}.parquet")
        files.append((folder / f"{name}.parquet").read_bytes())
    return files


@cases(0.12)
@given(st.data())
def test_damaged_parquet(folder: Path, tables: list[bytes], data: Any) -> None:
    path = folder / "damaged.parquet"
    path.write_bytes(data.draw(damaged(data.draw(st.sampled_from(tables)))))
    try_all(path)


TYPES = st.one_of(
    st.sampled_from(
        [
            pa.float64(), pa.float32(), pa.float16(), pa.int8(), pa.int64(), pa.uint64(),
            pa.string(), pa.large_string(), pa.binary(), pa.null(), pa.date32(), pa.bool_(),
            pa.decimal128(5, 2),
            pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.timestamp("us", "Mars/Base"),
            pa.time32("s"), pa.duration("ms"), pa.dictionary(pa.int8(), pa.string()),
            pa.list_(pa.float64()), pa.list_(pa.list_(pa.string())), pa.struct([("x", pa.int8())]),
            pa.list_(pa.float64(), 2), pa.map_(pa.string(), pa.int8()), pa.list_(pa.null()),
        ]
    )
)  # fmt: skip


@st.composite
def columns(draw: Any, names: tuple[str, ...]) -> pa.Table:
    """A table whose columns are of any types, with as many rows."""
    rows = draw(st.integers(0, 6))
    made = {}
    for name in names:
        if draw(st.integers(0, 9)) == 0:
            continue
        kind = draw(TYPES) if draw(st.integers(0, 2)) == 0 else pa.float64()
        values = [draw(values_of(kind)) for _ in range(rows)]
        try:
            made[name] = pa.array(values, kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            made[name] = pa.nulls(rows, kind)
    return pa.table(made)


def values_of(kind: pa.DataType) -> Any:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return st.one_of(st.none(), st.lists(values_of(kind.value_type), max_size=4))
    if pa.types.is_floating(kind):
        return st.one_of(st.none(), FLOATS)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return st.one_of(st.none(), TEXTS)
    return st.one_of(st.none(), st.integers(-3, 99), SCALARS)


@cases(0.12)
@given(st.data())
def test_parquet_of_other_types(folder: Path, data: Any) -> None:
    names = data.draw(
        st.sampled_from(
            [
                ("t", *"EISV", "ethical_drift", "agent"),
                ("timestamp", *"EISV", "agent"),
                tuple(SCHEMA.names),
                ("shape", "eisv_states", "provenance", "tokens"),
            ]
        )
    )
    path = folder / "types.parquet"
    try:
        pq.write_table(data.draw(columns(names)), path)
    except (pa.ArrowException, OSError):
        return  # not a table that Parquet can hold
    try_all(path)


def test_a_map_where_a_list_is_wanted(folder: Path) -> None:
    """Found by the test above, after thousands of cases."""
    good = synthesize({"convergence": 1}, seed=0)
    maps = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))
    path = folder / "map.parquet"
    pq.write_table(good.set_column(0, "t", maps), path)
    assert survives(lambda: load_table(path), "map.parquet: not the typed dataset") is None


CELLS = st.one_of(
    FLOATS.map(str), INTEGERS.map(lambda i: str(i % 10**40)), TEXTS, st.just('"'), st.just('"a,b"')
)


@cases(0.12)
@given(st.data())
def test_an_uploaded_csv(folder: Path, data: Any) -> None:
    head = data.draw(
        st.one_of(
            st.permutations(["t", "E", "I", "S", "V", "agent", "ethical_drift"]),
            st.just(["timestamp", "E", "I", "S", "V"]),
            st.lists(TEXTS, min_size=1, max_size=7),
        )
    )
    rows = [[f"{0.1 * (i + j)}" for j in range(len(head))] for i in range(6)]
    for _ in range(data.draw(st.integers(1, 4))):
        i, j = data.draw(st.integers(0, 5)), data.draw(st.integers(0, len(head) - 1))
        rows[i][min(j, len(rows[i]) - 1)] = data.draw(CELLS)
        if data.draw(st.integers(0, 9)) == 0:
            rows[i].append("1")
    separator = data.draw(st.sampled_from([",", ",", ",", ";", "\t"]))
    ending = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = ending.join(separator.join(row) for row in [head, *rows])
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    raw = text.encode(encoding, "surrogatepass")
    path = folder / "upload.csv"
    path.write_bytes(data.draw(damaged(raw)) if data.draw(st.integers(0, 3)) == 0 else raw)
    try_all(path)


@cases(0.04)
@given(st.binary(max_size=200), st.sampled_from([".db", ".jsonl", ".parquet", ".csv", ".sqlite"]))
def test_any_bytes_under_any_name(folder: Path, data: bytes, ending: str) -> None:
    path = folder / f"any{ending}"
    path.write_bytes(data)
    try_all(path)
