"""What happens to workers, schedulers and the command itself is said, in time and in one sentence.

Schedulers and workers are processes of Dask's own commands, met over TCP.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from dask.system import CPU_COUNT

from eisv_lumen.cluster.hire import hire
from eisv_lumen.core.errors import InputError

DASK = [sys.executable, "-m", "dask"]
WITHOUT_US = """
import sys


class Away:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "eisv_lumen":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Away())
"""


@contextmanager
def process(*command, **more):
    with subprocess.Popen(
        [*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def scheduler():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with process(*DASK, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard") as it:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"tcp://127.0.0.1:{port}", it


def worker(address, **more):
    return process(*DASK, "worker", address, "--nthreads", 1, "--no-dashboard", "--no-nanny",
                   "--death-timeout", 60, **more)  # fmt: skip


def long(seconds):
    time.sleep(seconds)


def test_a_scheduler_without_workers_is_said_in_time():
    with scheduler() as (address, _):
        started = time.monotonic()
        with (
            pytest.raises(InputError, match=rf"{address}: no worker for 1 s; start one with"),
            hire(address, worker_timeout=1),
        ):
            pass
        assert time.monotonic() - started < 20


def test_a_worker_without_this_package_is_named(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_US)
    away = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with (
        scheduler() as (address, _),
        worker(address, env=away),
        pytest.raises(InputError, match=r"worker tcp://\S+: lacks eisv_lumen, .* pip install 'eis"),
        hire(address, worker_timeout=60),
    ):
        pass


def test_workers_that_leave_are_waited_for_and_a_scheduler_that_dies_is_named():
    said = []
    with scheduler() as (address, running):
        with worker(address) as first, hire(address, worker_timeout=2, say=said.append) as crew:
            threading.Timer(1.0, first.kill).start()
            with pytest.raises(InputError, match=rf"{address}: no worker for 2 s; start one with"):
                crew.map("nap", long, [60])
            assert said == ["nap: no worker is there; waiting 2 s"]
        with worker(address), hire(address, worker_timeout=30) as crew:
            threading.Timer(1.0, running.kill).start()
            started = time.monotonic()
            with pytest.raises(InputError, match=rf"nap: the scheduler {address} went away; start"):
                crew.map("nap", long, [60])
            assert time.monotonic() - started < 20


def test_a_worker_that_comes_back_in_time_is_enough():
    said = []
    with (
        scheduler() as (address, _),
        worker(address) as first,
        hire(address, worker_timeout=60, say=said.append) as crew,
    ):
        first.kill()
        first.wait()
        time.sleep(0.5)
        late = threading.Timer(2.5, lambda: second.enter_context(worker(address)))
        with ExitStack() as second:
            late.start()
            assert crew.map("double", abs, [-1, -2]) == [1, 2]
            late.join()
    assert "double: no worker is there; waiting 60 s" in said


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"workers": 500}, rf"500 workers of .*: this machine has {CPU_COUNT} cores and "),
        ({"workers": 1, "memory": "900TiB"}, "1 workers of .*give less --memory"),
        ({"workers": 2, "memory": "900TiB"}, "give less --memory"),
    ],
)
def test_more_than_the_machine_has_room_for_is_refused(given, about):
    with pytest.raises(InputError, match=about), hire(**given):
        pass


def test_a_share_of_the_machine_is_a_limit_that_workers_can_live_with():
    from distributed.system import MEMORY_LIMIT

    from eisv_lumen.cluster.hire import _room

    for workers in (None, 1, 2, 4 * CPU_COUNT):
        count, limit = _room(workers, None)
        assert count == (workers or count) and 256 << 20 <= limit <= 2 << 30
        assert count * limit <= MEMORY_LIMIT


ALONE = """
import sys, time
from eisv_lumen.cluster.hire import hire

if __name__ == "__main__":
    with hire(workers=2) as crew:
        pids = crew.client.run(__import__("os").getpid).values()
        print(*pids, flush=True)
        crew.map("nap", time.sleep, [60] * 4)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc to see who is alive")
def test_a_command_that_is_killed_leaves_no_worker_behind(tmp_path):
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as command:
        assert command.stdout is not None
        pids = [int(pid) for pid in command.stdout.readline().split()]
        time.sleep(1)
        command.send_signal(signal.SIGKILL)
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while (left := of_session(command.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def of_session(leader):
    """Return the processes that a command has left, by its session: workers and whatever else."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
