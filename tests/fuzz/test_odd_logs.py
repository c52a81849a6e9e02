"""Whole logs as people have them: read to the labels of the slow reference, or refused in words.

Each oddity is either harmless, and every way in gives what the clean log gives, or it is none that
a reader could mend, and it says what would.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.simulate.lumen_like import lumen_like
from eisv_lumen.trajectory.sources import ReadOptions

from .guard import cases

_spec = importlib.util.spec_from_file_location(
    "slow", Path(__file__).parents[1] / "trajectory" / "reference.py"
)
assert _spec is not None and _spec.loader is not None
slow = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(slow)

WINDOW, STRIDE = 20, 10
NAMES = {
    "t": ("t", "T", "time", "Timestamp", "recorded_at", " ts "),
    "E": ("E", "e", "Energy", "ENERGY"),
    "I": ("I", "integrity", "Information Integrity"),
    "S": ("S", "s", "Entropy"),
    "V": ("V", "void", "Void"),
    "agent": ("agent", "Agent", "agent_id", "Robot", "device-id"),
}


def clean_log(seed: int, n: int, agents: int) -> pd.DataFrame:
    """A log of some robots, in the order of time within each; times of a few milliseconds."""
    parts = []
    for k in range(agents):
        series = lumen_like(n, seed + k)
        table = pd.DataFrame(series.X, columns=list("EISV"))
        table.insert(0, "t", np.round(series.t, 3))
        table["agent"] = f"robot {k}"
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def labels_of(log: pd.DataFrame) -> list[str]:
    """Labels by the slow reference, robot by robot."""
    found = []
    for _, mine in log.groupby("agent", sort=False):
        states = slow.as_states(mine["t"].to_numpy(), mine[list("EISV")].to_numpy())
        found += [slow.shape_of(w) for w in slow.windows_of(states, WINDOW, STRIDE)]
    return sorted(found)


def named(data: Any, log: pd.DataFrame) -> pd.DataFrame:
    return log.rename(columns={ours: data.draw(st.sampled_from(NAMES[ours])) for ours in NAMES})


def iso(log: pd.DataFrame) -> pd.DataFrame:
    texts = [datetime.fromtimestamp(t, UTC).isoformat() for t in log["t"]]
    return log.assign(t=texts)


def shuffled(data: Any, log: pd.DataFrame) -> pd.DataFrame:
    return log.sample(frac=1, random_state=data.draw(st.integers(0, 99)))


def repeated(data: Any, log: pd.DataFrame) -> pd.DataFrame:
    """Overlapping exports: a part of each robot's rows stands there twice."""
    again = log.iloc[data.draw(st.integers(0, len(log) // 2)) :]
    return pd.concat([log, again], ignore_index=True)


HARMLESS: dict[str, Callable[[Any, pd.DataFrame], pd.DataFrame]] = {
    "as it is": lambda data, log: log,
    "shuffled": shuffled,
    "repeated": repeated,
    "ISO texts": lambda data, log: iso(log),
    "another column": lambda data, log: log.assign(battery=3.7),
}


def write(data: Any, folder: Path, log: pd.DataFrame) -> Any:
    """Write a log in one of the forms that people have; return what is given to the reader."""
    kind = data.draw(st.sampled_from(
        ["csv", "tsv", "semicolon", "csv.gz", "parquet", "feather", "jsonl", "frame", "two files",
         "glob"]))  # fmt: skip
    path = folder / f"log-{data.draw(st.integers(0, 3))}.{kind.split()[0]}"
    if kind == "frame":
        return log
    if kind == "parquet":
        pq.write_table(pa.Table.from_pandas(log, preserve_index=False), path)
    elif kind == "feather":
        pyarrow.feather.write_feather(pa.Table.from_pandas(log, preserve_index=False), str(path))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in log.to_dict("records")))
    elif kind in ("two files", "glob"):
        border = data.draw(st.integers(1, len(log) - 1))
        for name, part in (("a", log.iloc[:border]), ("b", log.iloc[border:])):
            part.to_csv(folder / f"{name}.csv", index=False)
        return str(folder / "*.csv") if kind == "glob" else [folder / "a.csv", folder / "b.csv"]
    elif kind == "semicolon":
        path = path.with_suffix(".csv")
        log.to_csv(path, index=False, sep=";", decimal=",")
    else:
        text = log.to_csv(index=False, sep="\t" if kind == "tsv" else ",")
        path.write_bytes(gzip.compress(text.encode()) if kind == "csv.gz" else text.encode())
    return path


def read(source: Any, **options: Any) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = load_table(source, window=WINDOW, stride=STRIDE, options=ReadOptions(**options))
    return sorted(SHAPES[code] for code in table["shape"].to_pylist())


@cases(0.1)
@given(st.data())
def test_what_is_harmless_changes_no_label(tmp_path_factory: Any, data: Any) -> None:
    log = clean_log(data.draw(st.integers(0, 50)), data.draw(st.integers(20, 70)),
                    data.draw(st.integers(1, 3)))  # fmt: skip
    odd = HARMLESS[data.draw(st.sampled_from(sorted(HARMLESS)))](data, log)
    source = write(data, tmp_path_factory.mktemp("log"), named(data, odd))
    assert read(source) == labels_of(log)


@cases(0.03)
@given(st.data())
def test_another_scale_or_a_sentinel_is_read_when_it_is_said(
    tmp_path_factory: Any, data: Any
) -> None:
    log = clean_log(data.draw(st.integers(0, 50)), 60, 1)
    percent = log.assign(**{dim: log[dim] * 100 for dim in "EISV"})
    failed = pd.concat([log, log.assign(t=log["t"] + 0.25, E=-999.0)], ignore_index=True)
    folder = tmp_path_factory.mktemp("log")
    want = labels_of(log)
    for odd, said, words in (
        (percent, {"scale": 100.0}, "--scale 100"),
        (failed, {"missing": (-999.0,)}, "--missing -999"),
    ):
        source = write(data, folder, odd)
        with pytest.raises(InputError, match=words):
            read(source)
        found = read(source, **said)
        assert len(found) == len(want)
        if said.get("missing"):  # a hundredth's rounding may cross a threshold
            assert found == want


def interleaved(log: pd.DataFrame) -> pd.DataFrame:
    other = lumen_like(len(log), 777)
    more = pd.DataFrame(other.X, columns=list("EISV"))
    more.insert(0, "t", log["t"].to_numpy() + 0.5)
    return pd.concat([log.drop(columns="agent"), more], ignore_index=True)


REFUSED: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "float32 epoch": (lambda log: log.assign(t=log["t"].astype("float32")), "steps by 128 s"),
    "milliseconds": (lambda log: log.assign(t=log["t"] * 1000), "divide milliseconds by 1000"),
    "ms typed ns": (
        lambda log: log.assign(t=pd.to_datetime((log["t"] * 1000).astype("int64"), unit="ns")),
        "times are in another unit",
    ),
    "spreadsheet days": (lambda log: log.assign(t=log["t"] / 86400 + 25569), "spreadsheet's days"),
    "one time": (lambda log: log.assign(t=log["t"].iloc[0]), "time"),
    "no agent in a row": (
        lambda log: log.assign(agent=[None, *log["agent"].iloc[1:]]), "names no agent"),
    "two agents' columns": (lambda log: log.assign(robot="x"), "could both be whose a row is"),
    "two times": (lambda log: log.assign(time=np.arange(len(log))), "could both be the time"),
    "an id left alone": (
        lambda log: log.drop(columns="agent").assign(group_id=["a", "b"] * (len(log) // 2)),
        "--agent-column group_id",
    ),
    "interleaved": (interleaved, "interleaved"),
    "infinite": (lambda log: log.assign(S=[np.inf, *log["S"].iloc[1:]]), "not finite"),
}  # fmt: skip


@cases(0.05)
@given(st.data())
def test_what_no_reader_can_mend_is_refused_with_the_mend(tmp_path_factory: Any, data: Any) -> None:
    log = clean_log(data.draw(st.integers(0, 50)), 2 * data.draw(st.integers(20, 60)), 1)
    spoil, words = REFUSED[data.draw(st.sampled_from(sorted(REFUSED)))]
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    pq.write_table(pa.Table.from_pandas(spoil(log), preserve_index=False), path)
    with pytest.raises(InputError, match=words):
        read(path)
