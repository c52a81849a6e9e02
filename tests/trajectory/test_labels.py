"""Labels: one row per window, as `classify` says, with the rule and its margin."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from eisv_lumen import SHAPES, classify, explain, label
from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.labels import SpacingWarning, label_table
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db
from eisv_lumen.trajectory.sources import read_source
from tests.cli.commands import run


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "anima.db"
    write_anima_db(path, 900, n_expressions=3, seed=5)
    return path


def test_the_labels_are_those_of_the_kernel(log: Path) -> None:
    table, (series,), _ = label_table(log, window=15, stride=7)
    codes = classify(series.t, series.X, window=15, stride=7, ethical_drift=series.ethical_drift)
    assert table["shape"].to_pylist() == [SHAPES[code] for code in codes]
    assert table["t_start"].to_pylist() == series.t[: len(series.t) - 14 : 7].tolist()
    for i, row in enumerate(table.to_pylist()):
        part = slice(7 * i, 7 * i + 15)
        found = explain(series.t[part], series.X[part])
        fired = found.rules[row["rule"] - 1]
        assert fired.shape == row["shape"] and row["rule"] == found.fired + 1
        if row["margin"] is None:
            assert not fired.conditions
        else:
            assert row["margin"] >= 0 and row["margin"] in [c.margin for c in fired.conditions]


def test_a_frame_gives_its_own_kind_of_frame_by_agent(log: Path) -> None:
    (series,) = read_source(log).series
    columns = {"Timestamp": pd.to_datetime(series.t, unit="s"), "energy": series.X[:, 0],
               "i": series.X[:, 1], " S": series.X[:, 2], "V": series.X[:, 3]}  # fmt: skip
    frame = pd.DataFrame(columns).assign(agent_id=np.arange(len(series)) % 2)
    found = label(frame.sample(frac=1, random_state=0))
    assert isinstance(found, pd.DataFrame) and sorted(set(found["agent"])) == ["0", "1"]
    half = classify(series.t[::2], series.X[::2])
    assert found[found.agent == "0"]["shape"].tolist() == [SHAPES[code] for code in half]
    assert isinstance(label(pa.Table.from_pandas(frame)), pa.Table)
    with pytest.raises(InputError, match="no column V"):
        label(frame.drop(columns="V"))


@pytest.mark.parametrize(("spacing", "said"), [(60.0, "60 s apart"), (0.01, "noise"), (2.0, None)])
def test_spacing_that_does_not_suit_the_thresholds_is_said(
    spacing: float, said: str | None, recwarn: pytest.WarningsRecorder
) -> None:
    columns = {"t": np.arange(40) * spacing, **dict.fromkeys("EISV", np.full(40, 0.5))}
    label(columns)
    texts = [str(w.message) for w in recwarn if w.category is SpacingWarning]
    assert (said is None and not texts) or said in texts[0]


def test_the_command_writes_each_form_and_draws(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, _, _ = label_table(log)
    for name in ("l.csv", "l.jsonl", "l.parquet"):
        for _ in range(2):  # the second replaces the first
            assert run(monkeypatch, "label", log, "--out", tmp_path / name) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "l.csv").read_text())))
    assert [row["shape"] for row in rows] == table["shape"].to_pylist()
    lines = (tmp_path / "l.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == table.to_pylist()
    assert parquet.read_table(tmp_path / "l.parquet").equals(table)
    for name in ("l.svg", "l.png"):
        for _ in range(2):
            assert run(monkeypatch, "label", log, "--plot", tmp_path / name, "--csv") == 0
        assert (tmp_path / name).stat().st_size > 10_000
    capsys.readouterr()
    assert run(monkeypatch, "label", log, "--explain") == 0
    shown = capsys.readouterr().out
    assert "≥" in shown or "no other rule holds" in shown
    assert max(map(len, shown.splitlines())) <= 100
    short = tmp_path / "short.csv"
    short.write_text("t,E,I,S,V\n" + "".join(f"{i},.5,.5,.5,.1\n" for i in range(15)))
    assert run(monkeypatch, "label", short) == 2
