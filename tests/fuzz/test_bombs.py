"""Small files that stand for more than any memory holds, or for code: refused, at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.files import parse_yaml
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db

from .guard import survives
from .test_sources import read_upload


def refused(path: Path, message: str) -> None:
    for read in (read_upload, load_table):
        with pytest.raises(InputError, match=message):
            survives_or_raises(lambda read=read: read(path))


def survives_or_raises(call: Any) -> None:
    """Call within the guard's bounds; the refusal is what is wanted."""
    raised: list[InputError] = []

    def keep() -> Any:
        try:
            return call()
        except InputError as error:
            raised.append(error)
            return None

    survives(keep)
    if raised:
        raise raised[0]


VIEW = """
ALTER TABLE state_history RENAME TO kept;
CREATE VIEW state_history AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT i AS id, '2025-01-01T00:00:00' AS timestamp, 0.5 AS warmth, 0.5 AS clarity,
0.5 AS stability, 0.5 AS presence FROM n;
"""
COMPUTED = """
ALTER TABLE primitive_history RENAME TO kept;
CREATE TABLE primitive_history (id INTEGER PRIMARY KEY, timestamp TEXT,
tokens TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000))));
INSERT INTO primitive_history (timestamp) VALUES ('2025-01-01T00:00:00');
"""


@pytest.mark.parametrize(
    ("script", "message"),
    [(VIEW, "'state_history' is no plain table"), (COMPUTED, "no column 'tokens'")],
)
def test_a_log_whose_schema_computes(tmp_path: Path, script: str, message: str) -> None:
    path = tmp_path / "anima.db"
    write_anima_db(path, 300, seed=1, n_expressions=2)
    with sqlite3.connect(path) as db:
        db.executescript(script)
    db.close()
    refused(path, message)


def test_a_name_as_long_as_a_book_on_every_row(tmp_path: Path) -> None:
    n = 100_000
    names = pa.array(["x" * 10_000]).take(pa.array([0] * n))  # no dictionary in Arrow's schema
    columns = {name: pa.array([0.5] * n) for name in ("t", "E", "I", "S", "V")}
    path = tmp_path / "names.parquet"
    pq.write_table(pa.table({**columns, "agent": names}), path)
    assert path.stat().st_size < 1 << 20
    refused(path, "column agent holds a text of 10000 bytes; at most 200")


def test_more_rows_than_a_visitor_may_bring(tmp_path: Path) -> None:
    n = 3_000_000
    column = pa.nulls(n, pa.float64())
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(dict.fromkeys(("t", *"EISV"), column)), path)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(
        InputError, match=r"rows\.parquet: 3,000,000 rows; upload at most 1,000,000"
    ):
        read_upload(path)


def test_aliases_of_aliases() -> None:
    laughs = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [*{old}, *{old}]\n"
        for old, new in zip("abcdefghijklmnopqrstuvwxy", "bcdefghijklmnopqrstuvwxyz", strict=True)
    )  # fmt: skip
    for text in (laughs, "a: &a [*a]", "a: &a {b: *a}"):
        with pytest.raises(InputError, match=r"r\.yaml: its aliases .* unfold into more than"):
            parse_yaml(text, "r.yaml")
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: *a", "r.yaml")["c"] == [1, 2]
    assert parse_yaml("a: [1, {b: 2025-01-01}]", "r.yaml")["a"][0] == 1


def test_yaml_makes_no_object() -> None:
    with pytest.raises(InputError, match="could not determine a constructor"):
        parse_yaml("!!python/object/apply:os.system ['exit 3']", "r.yaml")
