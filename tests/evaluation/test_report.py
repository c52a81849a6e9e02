import json
from pathlib import Path

import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.baselines import feedback, random_speaker
from eisv_lumen.evaluation.exact import exact_reports
from eisv_lumen.evaluation.gates import calibrated_gates, go_no_go, published_gates
from eisv_lumen.evaluation.report import Decoding, Metric, read_report, read_reports, write_report
from eisv_lumen.evaluation.tables import BRIEF_COLUMNS, brief_rows
from eisv_lumen.study.published import published_reports

EXACT = exact_reports()


def test_a_report_reads_back_and_writes_the_same_bytes(tmp_path: Path) -> None:
    write_report(EXACT["imitator"], tmp_path / "a.json")
    write_report(read_report(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert list(read_reports(tmp_path)) == ["a", "b"]


def test_the_exact_imitator_under_the_settings_that_were_not_recorded() -> None:
    at = EXACT["imitator"].at
    assert at(0.3).metrics["macro_coherence"].value == pytest.approx(0.906, abs=5e-4)
    nucleus = at(0.3, top_k=20, top_p=0.95).metrics
    assert nucleus["macro_coherence"].value == pytest.approx(0.949, abs=5e-4)
    assert at(1.0).metrics["macro_excess_nats"].value == 0.0
    with pytest.raises(KeyError, match=r"no result at T = 0\.33"):
        at(0.33)


def test_published_runs_are_marked_and_their_decoding_is_the_inherited_one() -> None:
    reports = published_reports()
    assert len(reports) == 7
    for report in reports.values():
        assert report.kind == "published"
        assert report.results[0].decoding == Decoding(temperature=0.3, top_k=20, top_p=0.95)
    passed = {name: [g.passed for g in r.gates] for name, r in reports.items()}
    assert passed["v6-real"] == [True, True, True]
    assert passed["v6"] == [False, True, True]
    assert passed["v1"] == [False, False, False]


def test_a_table_shows_the_coherence_that_a_gate_asks_for_beside_the_mean_over_shapes() -> None:
    """On real windows they are far apart: .897 and .736 of one student."""
    metrics = {
        "coherence": Metric(value=0.897, perfect=0.93),
        "macro_coherence": Metric(value=0.736, perfect=0.918),
    }
    results = [
        EXACT["imitator"].at(0.3).model_copy(update={"metrics": kept})
        for kept in (metrics, {"coherence": metrics["coherence"]})
    ]
    rows = brief_rows(EXACT["imitator"].model_copy(update={"results": results}))
    cells = [dict(zip(BRIEF_COLUMNS[:4], row, strict=False)) for row in rows]
    assert cells == [
        {"decoding": "T = 0.3", "mean coherence": "0.897", "macro coherence": m, "perfect": p}
        for m, p in (("0.736", "0.918"), ("", "0.930"))
    ]


def test_gates() -> None:
    greedy = EXACT["imitator"].at(0.0)
    assert all(gate.passed for gate in published_gates(greedy))  # sharpening passes any gate
    assert all(gate.passed for gate in go_no_go(feedback(), 8))
    assert [g.passed for g in go_no_go(random_speaker(), 2)] == [True, False, False]
    assert calibrated_gates(EXACT["imitator"]) == []  # exact values have no interval


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("results"), "results: Field required"),
        (lambda r: r.update(extra=1), "extra: Extra inputs"),
        (lambda r: r["results"][0]["decoding"].update(temperature="hot"), "temperature: Input"),
        (lambda r: r.update(schema_="other/2"), "schema_"),
    ],
)
def test_a_foreign_report_is_refused_by_field(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "r.json"
    write_report(EXACT["random"], path)
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match=message) as caught:
        read_report(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_json_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{\n "name": }')
    with pytest.raises(InputError, match="line 2, column 10: not JSON"):
        read_report(path)
    with pytest.raises(InputError, match="no such file"):
        read_report(tmp_path / "missing.json")
