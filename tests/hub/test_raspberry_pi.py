"""The unit files for a Raspberry Pi: they parse, and the command in them does what it says."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_double import TOKEN, HubDouble, environment
from test_growth import build, part

from eisv_lumen.hub.syncing.growth import parquet_bytes
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db
from eisv_lumen.trajectory.sources.anima import read_anima

UNITS = Path(__file__).parents[2] / "examples" / "raspberry-pi"


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=True, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(UNITS / name)
    return found


def test_the_units_parse_and_belong_together() -> None:
    timer, service = unit("eisv-lumen-sync.timer"), unit("eisv-lumen-sync.service")
    assert timer["Timer"]["OnCalendar"] == "hourly"
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert service["Service"]["Type"] == "oneshot"
    told = {line.split("=")[0] for line in (UNITS / "sync.env.example").read_text().splitlines()}
    assert told == {"DATASET", "LOG", "HF_TOKEN"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_them(tmp_path: Path) -> None:
    for path in UNITS.glob("*.*r*"):
        text = path.read_text()
        text = text.replace("%h/eisv-lumen/bin/eisv-lumen", "/bin/true")
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(tmp_path / "eisv-lumen-sync.timer")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "eisv-lumen" not in done.stderr, done.stderr


def test_the_command_in_the_unit_grows_a_dataset(hub: HubDouble, tmp_path: Path) -> None:
    """As systemd would run it: `%h` and the variables filled in, and an environment of its own."""
    log = tmp_path / "anima.db"
    write_anima_db(log, 9000, seed=3, n_expressions=5)
    [states] = read_anima(log).series
    first = build([part(states, 0, 8900)], 20, 10)
    made = hub.store.create("dataset", "ada/lumen")
    made.write({"data/train-00000.parquet": parquet_bytes(first)})
    line = unit("eisv-lumen-sync.service")["Service"]["ExecStart"]
    program, *arguments = shlex.split(line)
    assert program.endswith("bin/eisv-lumen")
    filled = {"${DATASET}": "ada/lumen", "${LOG}": str(log)}
    done = subprocess.run(
        [sys.executable, "-m", "eisv_lumen.cli", *(filled.get(a, a) for a in arguments)],
        env=environment(hub, tmp_path / "home", TOKEN), cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "default: 10 windows more\n"
    assert "8,192 rows read" in done.stderr  # not the whole log


def test_only_the_end_of_a_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "anima.db"
    write_anima_db(path, 20_000, seed=3, n_expressions=50, n_null=20)
    whole = read_anima(path)
    [states] = whole.series
    for since in (states.t[0] - 9, states.t[5000], states.t[-1], states.t[-1] + 9):
        some = read_anima(path, since=float(since))
        [end] = some.series
        assert end.t[0] <= max(since, states.t[0]) or len(end) == len(states)
        n = len(end)
        assert (end.t == states.t[-n:]).all() and (end.X == states.X[-n:]).all()
        kept = len(some.expressions.t)
        assert list(some.expressions.tokens) == list(whole.expressions.tokens)[-kept:]
    assert len(read_anima(path, since=float(states.t[-1])).series[0]) < 9000
