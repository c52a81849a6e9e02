"""What our own commands wrote and others may have changed: records of runs; blocks of a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.cluster.arrange import arrange_chunk, in_order, runs
from eisv_lumen.cluster.plan import Plan, plan_run, read_rates
from eisv_lumen.cluster.states import split_file
from eisv_lumen.evaluation.report import read_report
from eisv_lumen.hub.contents.student import student_card
from eisv_lumen.lvm.predictors.learned import learned
from eisv_lumen.teacher.data.windows import training_record
from eisv_lumen.teacher.recipe import DataRecipe, load_recipe
from eisv_lumen.trajectory.sources.options import DEFAULT

from .guard import cases, survives
from .strategies import altered, damaged, dumped
from .test_sources import UPDATE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def arranged(path: Path, size: int, block: int) -> int:
    """Read a file as the workers of a cluster do, block by block; return its states."""
    chunks = split_file((str(path), size), DEFAULT, 3, block)
    found = [arrange_chunk((i, chunk, str(path.parent))) for i, chunk in enumerate(chunks)]
    for pieces in in_order(found).values():
        assert all(np.isfinite([p.came.t_first, p.came.t_last]).all() for p in pieces)
        assert runs(pieces, 2)
    return sum(one.rows - one.null_rows for one in found)


@cases(0.06)
@given(st.data())
def test_updates_in_blocks(folder: Path, data: Any) -> None:
    """However a file is cut into blocks, it is read to the same number of states, or refused."""
    path = folder / "updates.jsonl"
    lines = [UPDATE | {"timestamp": i, "agent_id": f"a{i % 2}"} for i in range(6)]
    if data.draw(st.integers(0, 3)):
        lines[data.draw(st.integers(0, 5))] = data.draw(altered(UPDATE))
    ending = data.draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"]))
    whole = ending.join(map(dumped, lines)).encode()
    path.write_bytes(data.draw(damaged(whole)) if data.draw(st.booleans()) else whole)
    size = path.stat().st_size
    at_once, in_blocks = (
        survives(lambda block=block: arranged(path, size, block), path.name)
        for block in (1 << 20, data.draw(st.integers(7, 400)))
    )
    assert at_once == in_blocks


@pytest.fixture(scope="module")
def states(folder: Path) -> bytes:
    table = {"t": np.arange(9.0), **{d: np.full(9, 0.25) for d in "EISV"}, "agent": ["a"] * 9}
    pq.write_table(pa.table(table), folder / "good.parquet", row_group_size=3)
    return (folder / "good.parquet").read_bytes()


@cases(0.03)
@given(st.data())
def test_row_groups(folder: Path, states: bytes, data: Any) -> None:
    path = folder / "states.parquet"
    path.write_bytes(data.draw(damaged(states)))
    survives(lambda: arranged(path, path.stat().st_size, 1), path.name)


def test_a_column_without_the_rows_that_its_group_has(folder: Path, states: bytes) -> None:
    """Found by the test above, after hundreds of cases: such a file was an IndexError."""
    path = folder / "fewer.parquet"
    head = b"\x15\x12\x15\x16,\x15"  # of a page; the number of its values follows
    assert head + b"\x06" in states
    path.write_bytes(states.replace(head + b"\x06", head + b"\x00"))
    assert survives(lambda: arranged(path, 0, 1), f"{path.name}: holds fewer rows") is None


MEASURED = json.loads((ROOT / "results" / "cluster" / "measured.json").read_text())


@cases(0.03)
@given(st.data())
def test_rates_of_a_measured_run(folder: Path, data: Any) -> None:
    """Whatever is accepted makes a plan."""
    path = folder / "measured.json"
    short = MEASURED | {"runs": MEASURED["runs"][-2:]}
    path.write_text(dumped(data.draw(altered(short))))
    ordered = data.draw(st.booleans())
    found = survives(lambda: read_rates(path, ordered=ordered), path.name)
    if found is not None:
        plan = plan_run(found, data.draw(st.integers(1, 10**12)), 64, 0.05)
        assert isinstance(plan, Plan) and plan.wall_s >= 0 and plan.bytes_out >= 0


RECIPE = load_recipe("tiny-blind-summary").model_dump(mode="json", exclude_unset=True)
TRAINING = {"recipe": RECIPE, "steps": 3, "data": {"train": {"encoder": "e"}}}


@cases(0.03)
@given(st.data())
def test_a_record_of_training(folder: Path, data: Any) -> None:
    path = folder / "training.json"
    path.write_text(dumped(data.draw(altered(TRAINING))))
    found = survives(lambda: training_record(folder), path.name)
    assert found is None or isinstance(found[1], DataRecipe)
    known = survives(lambda: learned(folder), path.name)
    assert known is None or isinstance(known.encoder, str)


@pytest.mark.parametrize("record", [None, [], {"data": 3}, {"data": {"train": {"encoder": [1]}}}])
def test_a_record_of_something_else_names_no_encoder(folder: Path, record: Any) -> None:
    (folder / "training.json").write_text(dumped(record))
    assert survives(lambda: learned(folder), "training.json: not a record") is None


DISTILLED = {
    "teacher": {"recipe": "tiny-blind", "sha256": "0" * 64}, "style": "blind", "target": "initial",
    "recipe": {"per_shape": 24, "whole": 240, "windows": 80000, "net": {"hidden": 24}},
    "mass_outside_the_support": 1e-6,
}  # fmt: skip
SCORED = read_report(ROOT / "results" / "student" / "blind-real.json")


@pytest.mark.parametrize(
    ("record", "lacks"),
    [
        (None, "object teacher"),
        (DISTILLED | {"teacher": "x"}, "object teacher"),
        (DISTILLED | {"teacher": {"recipe": "x"}}, "text teacher.sha256"),
        (DISTILLED | {"style": None}, "text style"),
        (DISTILLED | {"recipe": {}}, "object recipe.net"),
    ],
)
def test_a_card_says_what_its_record_lacks(record: Any, lacks: str) -> None:
    def card() -> str:
        return student_card(ROOT, "ada", "student", [SCORED], record, size=9_000)

    assert survives(card, f"card of student: distilled.json has no {lacks}; distil") is None


@cases(0.02)
@given(st.data())
def test_a_record_of_distilling(data: Any) -> None:
    record = data.draw(altered(DISTILLED))
    survives(lambda: student_card(ROOT, "ada", "student", [SCORED], record, size=9_000), "student")
