"""The commands, in processes of their own; the Hub is the double, over HTTP."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_double import READER, TOKEN, HubDouble, environment
from huggingface_hub import HfApi, constants

from eisv_lumen.cluster.storage import find
from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.dataset.schema import build, write_parquet
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
    assert json.loads(files["data/run.json"])["files"][0]["name"] == "data/log.parquet"
    for k, start in enumerate(range(0, whole.num_rows, 30)):
        write_parquet(tmp_path / "part.parquet", whole.slice(start, 30))
        data = files[f"data/part-{k:06d}.parquet"]
        assert data == (tmp_path / "part.parquet").read_bytes()


def test_nothing_that_is_published_names_a_folder_of_this_machine(log, tmp_path):
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        api = HfApi(endpoint=hub.url, token=TOKEN)
        api.create_repo("ada/windows", repo_type="dataset")
        for source in (log, tmp_path, tmp_path / "*.parquet"):
            done = run(
                "windows", source, "--out", "hf://datasets/ada/windows/" + source.name[:3],
                "--workers", 1, env=environment(hub, tmp_path / "home"),
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        files = hub.repo("dataset", "ada/windows").files()
    assert len([path for path in files if path.endswith("part-000000.parquet")]) == 3
    for path, data in files.items():
        assert str(tmp_path.parent).encode() not in data, path


@pytest.mark.parametrize("repo", ["ada/nowhere", "bob/windows"])
def test_a_place_where_one_may_not_write_is_refused_before_the_work(log, tmp_path, repo):
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        hub.user(READER, "bob")
        HfApi(endpoint=hub.url, token=READER).create_repo("bob/windows", repo_type="dataset")
        done = run(
            "windows", log, "--out", f"hf://datasets/{repo}/data", "--workers", 1,
            env=environment(hub, tmp_path / "home"),
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"hf://datasets/{repo}/data/run.json: cannot be written" in done.stderr.splitlines()[-1]
    assert "arrange" not in done.stderr


def test_a_refused_run_leaves_nothing_on_the_hub(tmp_path):
    cells = {name: np.ones(3) for name in ("t", "E", "I", "S", "V")}
    pq.write_table(pa.table(cells), tmp_path / "short.parquet")
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        HfApi(endpoint=hub.url, token=TOKEN).create_repo("ada/windows", repo_type="dataset")
        before = set(hub.repo("dataset", "ada/windows").files())
        done = run(
            "windows", tmp_path / "short.parquet", "--out", "hf://datasets/ada/windows/data",
            "--workers", 1, env=environment(hub, tmp_path / "home"),
        )  # fmt: skip
        assert "longer than every series" in done.stderr
        assert set(hub.repo("dataset", "ada/windows").files()) == before


@pytest.mark.parametrize("where", ["source", "out"])
@pytest.mark.parametrize("cut", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_a_hub_that_cannot_be_reached_is_called_that(log, tmp_path, where, cut):
    away = "hf://datasets/ada/log/data"
    given = (away, "--out", tmp_path / "out") if where == "source" else (log, "--out", away)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    done = run("windows", *given, "--workers", 1, env=kept | {"HF_HOME": str(tmp_path)} | cut)
    assert done.returncode == 2
    assert f"eisv-lumen: {away}" in done.stderr and "Traceback" not in done.stderr
    assert "Connection refused" in done.stderr or "offline mode is enabled" in done.stderr
    assert "no .parquet" not in done.stderr


def test_a_scheduler_by_its_address(log, tmp_path):
    """One that is not of our making: `LocalCluster` stands for any, met over TCP alone."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster:
        done = run(
            "windows", log, "--out", tmp_path / "out", "--scheduler", cluster.scheduler_address,
            )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "windows of 500 states and 3 agents in 1 file\n" in done.stdout
    assert "\n500 rows read, 3 agents\n1 worker, at most" in done.stderr
    assert "1 worker, at most" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "part-000000.parquet", "run.json", "windows.json",
    ]  # fmt: skip
    write_parquet(tmp_path / "one.parquet", build(read_states(log)))
    assert (tmp_path / "out" / "part-000000.parquet").read_bytes() == (
        tmp_path / "one.parquet"
    ).read_bytes()


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on_to_the_same_bytes(tmp_path):
    """kill −9 of the command itself: while states are sorted, and again while parts are written."""
    rng = np.random.default_rng(0)
    cells = {"agent": rng.integers(0, 3, 20_000).astype(str)}
    cells |= {"t": rng.permutation(20_000.0 + np.arange(20_000))}
    cells |= dict(zip("EISV", rng.random((4, 20_000)), strict=True))
    pq.write_table(pa.table(cells), tmp_path / "log.parquet", row_group_size=2_000)
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    command = [*MODULE, "windows", tmp_path / "log.parquet", "--out", out, "--scratch", scratch]
    command += ["--workers", "2", "--part", "10"]
    signs = [
        lambda: any(scratch.glob("chunk-*.parquet")),
        lambda: any(out.glob("part-*.parquet")),
    ]
    for sign in signs:
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running:
            while running.poll() is None and not sign():
                time.sleep(0.002)
            running.kill()
        assert running.returncode == -9
        assert not (out / "windows.json").exists()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["already"] > 0
    assert not scratch.exists()
    whole = build(read_states(tmp_path / "log.parquet"))
    found = {path.name: path.read_bytes() for path in out.glob("part-*")}
    assert len(found) == -(-whole.num_rows // 10)
    for k, name in enumerate(sorted(found)):
        write_parquet(tmp_path / "one.parquet", whole.slice(10 * k, 10))
        assert found[name] == (tmp_path / "one.parquet").read_bytes()
    index = json.loads((out / "windows.json").read_bytes())
    assert [part["file"] for part in index["parts"]] == sorted(found)


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
