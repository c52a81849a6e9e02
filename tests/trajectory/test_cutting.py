"""Windows say how they were cut, wherever they go."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eisv_lumen.trajectory.dataset.blend import blend
from eisv_lumen.trajectory.dataset.configs import split_lengths, split_table
from eisv_lumen.trajectory.dataset.metadata import agreed, cut_facts, joined, with_cut_facts
from eisv_lumen.trajectory.dataset.schema import (
    SCHEMA,
    build,
    read_table,
    synthesize,
    write_parquet,
)
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources.common import Report, Source


def source(n: int) -> Source:
    X = np.random.default_rng(0).random((n, 4))
    return Source([Series(np.arange(float(n)), X, source="anima", agent="lumen")], Report())


def test_what_build_was_told_is_read_back(tmp_path):
    write_parquet(tmp_path / "a.parquet", build(source(400), 20, 40))
    assert cut_facts(read_table(tmp_path / "a.parquet")) == {"window": 20, "stride": 40}
    assert b"huggingface" in pq.read_schema(tmp_path / "a.parquet").metadata


def test_splits_say_their_seed_and_a_second_split_keeps_the_stride(tmp_path):
    tables, _ = split_lengths(source(3000), [10, 20], stride=7, seed=3)
    for length, splits in tables.items():
        for name, table in splits.items():
            assert cut_facts(table) == {"window": length, "stride": 7, "seed": 3}
            write_parquet(tmp_path / f"{length}-{name}.parquet", table)
    whole = load_table(tmp_path)
    assert cut_facts(whole) == {"stride": 7, "seed": 3}
    again, _ = split_table(whole, seed=4)
    assert cut_facts(again[10]["test"]) == {"window": 10, "stride": 7, "seed": 4}


def test_tables_say_together_what_all_say_alike():
    one, other = build(source(200), 20, 5), build(source(200), 20, 10)
    assert agreed([one, other]) == cut_facts(joined([one, other])) == {"window": 20}
    assert agreed([]) == {} and cut_facts(joined([one, SCHEMA.empty_table()])) == {}


def test_a_blend_lies_on_no_grid():
    real = build(source(200), 20, 10)
    made = synthesize({"convergence": 3}, seed=0)
    assert cut_facts(blend(real, made, {"convergence": 2}, real_at_most=1, seed=0)) == {}


@pytest.mark.parametrize("said", ["{", "[1]", '"x"', '{"stride": "ten", "seed": true}'])
def test_what_cannot_be_read_is_as_if_it_were_not_there(said):
    table = SCHEMA.empty_table().replace_schema_metadata({"eisv_lumen": said})
    assert cut_facts(table) == {}
    assert cut_facts(with_cut_facts(table, stride=4)) == {"stride": 4}
    assert cut_facts(pa.table({})) == {}
