"""The commands, in processes of their own; the Hub is the double, over HTTP."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_double import TOKEN, HubDouble, environment
from huggingface_hub import HfApi, constants

from eisv_lumen.cluster.storage import find
from eisv_lumen.errors import InputError
from eisv_lumen.trajectory.dataset import build, write_parquet
from eisv_lumen.trajectory.sources.parquet import read_states

MODULE = [sys.executable, "-m", "eisv_lumen.cli", "cluster"]


@pytest.fixture
def log(tmp_path):
    rng = np.random.default_rng(0)
    cells = {"agent": rng.integers(0, 3, 500).astype(str), "t": np.arange(500.0)}
    cells |= dict(zip("EISV", rng.random((4, 500)), strict=True))
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table(cells), path, row_group_size=120)
    return path


def run(*args, **more):
    return subprocess.run(
        [*MODULE, *map(str, args)], capture_output=True, text=True, check=False, **more
    )


def test_states_of_the_hub_become_windows_on_the_hub(log, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        api = HfApi(endpoint=hub.url, token=TOKEN)
        for name in ("log", "windows"):
            api.create_repo(f"ada/{name}", repo_type="dataset")
        api.upload_file(
            path_or_fileobj=log, path_in_repo="data/log.parquet", repo_id="ada/log",
            repo_type="dataset",
        )  # fmt: skip
        done = run(
            "windows", "hf://datasets/ada/log", "--out", "hf://datasets/ada/windows/data",
            "--workers", 1, "--part", 30, "--name", "log", "--json",
            env=environment(hub, tmp_path / "home"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = hub.repo("dataset", "ada/windows").files()
    whole = build(read_states(log))
    assert json.loads(done.stdout)["windows"] == whole.num_rows
    for k, start in enumerate(range(0, whole.num_rows, 30)):
        write_parquet(tmp_path / "part.parquet", whole.slice(start, 30))
        data = files[f"data/part-{k:06d}.parquet"]
        assert data == (tmp_path / "part.parquet").read_bytes()


def test_a_scheduler_by_its_address(log, tmp_path):
    """One that is not of our making: `LocalCluster` stands for any, met over TCP alone."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster:
        done = run(
            "windows", log, "--out", tmp_path / "out", "--scheduler", cluster.scheduler_address,
            )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "windows of 500 states and 3 agents in 1 file; 0 rows had" in done.stdout
    assert "1 worker, at most" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "part-000000.parquet", "run.json", "windows.json",
    ]  # fmt: skip
    write_parquet(tmp_path / "one.parquet", build(read_states(log)))
    assert (tmp_path / "out" / "part-000000.parquet").read_bytes() == (
        tmp_path / "one.parquet"
    ).read_bytes()


def test_no_scheduler_there(log, tmp_path):
    done = run("windows", log, "--out", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "scheduler tcp://127.0.0.1:9: does not answer" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--scheduler", "head"), "scheduler head: no address (missing port"),
        (("--memory", "lots"), "memory lots: no amount of it; write it as 2GiB"),
        (("--memory", "10MB"), "memory 10MB: a process needs 256 MiB at least"),
    ],
)
def test_whom_to_hire_is_said_in_words_that_are_read(log, tmp_path, wrong, said):
    done = run("windows", log, "--out", tmp_path / "out", *wrong)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_folders_place_is_named(log):
    done = run("windows", log, "--out", log / "windows", "--workers", 1)
    assert done.returncode == 2
    assert done.stderr.endswith(f"eisv-lumen: {log}: is a file; choose another folder\n")


def test_a_plan_is_of_a_finite_run(log):
    measured = Path(__file__).parents[2] / "results" / "cluster" / "measured.json"
    for wrong in (("inf", "1"), ("1e9", "inf")):
        done = run("plan", measured, "--cores", 4, "--states", wrong[0], "--price", wrong[1])
        assert done.returncode == 2
        assert done.stderr.endswith(" inf: give a finite number\n")


def test_what_is_no_states_is_named_once_with_the_way_to_them(tmp_path):
    (tmp_path / "anima.db").touch()
    with pytest.raises(InputError, match=r"anima.db: no .parquet or .jsonl there; .* data convert"):
        find(str(tmp_path / "anima.db"), (".parquet", ".jsonl"))
    with pytest.raises(InputError) as error:
        find("nowhere://logs", (".parquet",))
    assert str(error.value).count("nowhere://logs: cannot be reached") == 1
