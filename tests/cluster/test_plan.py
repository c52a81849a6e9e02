"""A plan is arithmetic on a measured run."""

import json

import pytest

from eisv_lumen.cluster.plan import plan_run, read_rates
from eisv_lumen.core.errors import InputError

BUILT = {
    "windows": 100, "states": 1_000, "bytes_in": 50_000, "bytes_scratch": 60_000,
    "bytes_out": 90_000, "workers": 2, "peak_memory": 10**8,
    "wall_s": {"arrange": 0.5, "label": 1.5}, "cpu_s": {"arrange": 0.5, "label": 2.5},
}  # fmt: skip


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "measured.json"
    alone = {**BUILT, "workers": 1, "wall_s": {"label": 1.0}}
    runs = [{"layout": "interleaved", "built": BUILT}, {"layout": "interleaved", "built": alone}]
    path.write_text(json.dumps({"runs": [*runs, {"layout": "ordered", "built": alone}]}))
    return path


def test_a_run_a_thousand_times_as_large_takes_a_thousand_times_as_much(measured):
    plan = plan_run(read_rates(measured), 10**6, cores=8, price=0.9)
    assert plan.core_hours == pytest.approx(4 * 1_000 / 3600)  # 2 s of two workers
    assert plan.cpu_hours == pytest.approx(3 * 1_000 / 3600)
    assert plan.wall_s == pytest.approx(4_000 / 8)
    assert plan.cost == pytest.approx(1.0)
    assert (plan.windows, plan.bytes_out, plan.memory) == (10**5, 90 * 10**6, 10**8)
    assert plan_run(read_rates(measured, ordered=True), 10**6, 1, 0).wall_s == pytest.approx(1_000)


def test_what_one_run_printed_is_measured_too(tmp_path):
    path = tmp_path / "built.json"
    path.write_text(json.dumps(BUILT))
    assert plan_run(read_rates(path), 10**6, 8, 0.9).core_hours == pytest.approx(4_000 / 3600)
    with pytest.raises(InputError, match="not in order; leave out --ordered"):
        read_rates(path, ordered=True)


def test_a_file_that_is_not_there_is_missing_and_nothing_else(tmp_path):
    with pytest.raises(InputError, match="nope: no such file"):
        read_rates(tmp_path / "nope")


@pytest.mark.parametrize(
    "wrong", [(int(1e308), 1, 1.0), (10**400, 1, 1.0), (9, 10**400, 1.0), (10**9, 1, 1e308)]
)
def test_what_no_number_can_hold_is_not_planned(measured, wrong):
    with pytest.raises(InputError, match="cannot be planned; give less"):
        plan_run(read_rates(measured), *wrong)


@pytest.mark.parametrize("text", ["{}", "[]", '{"runs": []}', '{"runs": [{"layout": 1}]}'])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a results file"):
        read_rates(path)
