"""Workers of a Dask cluster, asked for results; what happens to them is said in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from ..core.errors import InputError

__all__ = ["WORKER_TIMEOUT", "Crew", "no_worker"]

WORKER_TIMEOUT: Final = 60.0
"""How long to wait for a worker [s] while there is none."""
_POLL: Final = 1.0
"""Time [s] from one look at whether there are workers to the next."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Crew:
    """Workers, and what they have spent.

    Attributes
    ----------
    client
        A `distributed.Client`.
    is_here
        Whether they are processes of this machine.
    say
        Told of progress.
    worker_timeout
        How long to wait for a worker [s] while there is none.
    cpu_s
        Processor time [s] that tasks took, by stage.
    wall_s
        Time [s] from a stage's begin to its end, by stage.
    """

    client: Any
    is_here: bool
    say: Callable[[str], None]
    worker_timeout: float = WORKER_TIMEOUT
    cpu_s: dict[str, float] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)

    def map(self, stage: str, work: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
        """Do tasks; return their results in the order of the tasks.

        A task whose worker dies is done again elsewhere, so it must write what it writes whole,
        and the same each time. Of several tasks that fail, the first tells why.

        Raises
        ------
        InputError
            As a task raised it; the workers of a task died again and again; the scheduler is gone;
            or for `worker_timeout` there was no worker.
        """
        from distributed import KilledWorker

        started = time.perf_counter()
        futures = self.client.map(_timed, list(tasks), work=work, pure=False)
        results: list[R] = []
        spent = 0.0
        try:
            for future in futures:
                result, cpu = self._result(stage, future)
                results.append(result)
                spent += cpu
                if len(results) * 10 // len(futures) > (len(results) - 1) * 10 // len(futures):
                    self.say(f"{stage}: {len(results):,} of {len(futures):,} tasks")
        except KilledWorker as error:
            raise InputError(
                f"{stage}: a task's workers died again and again, most likely for want of memory; "
                "give each more (--memory), or smaller parts (--part)"
            ) from error
        finally:
            if self.client.status == "running":
                self.client.cancel([f for f in futures if not f.done()])
        self.cpu_s[stage] = self.cpu_s.get(stage, 0.0) + spent
        self.wall_s[stage] = self.wall_s.get(stage, 0.0) + time.perf_counter() - started
        return results

    def _result(self, stage: str, future: Any) -> Any:
        """Wait for a task's result, as long as there is somebody to do it."""
        from distributed import CancelledError

        alone_since = None
        while not future.done():
            try:
                future.exception(timeout=_POLL)  # returned, where the task raised one
            except TimeoutError:
                if self._has_worker(stage):
                    alone_since = None
                    continue
                if alone_since is None:
                    alone_since = time.monotonic()
                    self.say(f"{stage}: no worker is there; waiting {self.worker_timeout:g} s")
                if time.monotonic() - alone_since >= self.worker_timeout:
                    raise InputError(no_worker(self._address(), self.worker_timeout)) from None
            except CancelledError as error:
                self._lost(stage, error)
        try:
            return future.result()
        except CancelledError as error:
            self._lost(stage, error)

    def _has_worker(self, stage: str) -> bool:
        try:
            return bool(self.client.scheduler_info(n_workers=1)["workers"])
        except (OSError, RuntimeError, ValueError) as error:
            self._lost(stage, error)

    def _lost(self, stage: str, error: BaseException) -> NoReturn:
        raise InputError(
            f"{stage}: the scheduler {self._address()} went away; start it and its workers again, "
            "and the same command goes on"
        ) from error

    def _address(self) -> str:
        return str(self.client.scheduler.address)

    def size(self) -> int:
        """Return the number of workers."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    def peak_memory(self) -> int:
        """Return the most memory [bytes] that any living worker has had resident."""
        return max(self.client.run(_peak_memory).values(), default=0)


def _timed(task: Any, work: Callable[[Any], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(task), time.process_time() - start


def _peak_memory() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * next(int(x.split()[1]) for x in status.splitlines() if x[:6] == "VmHWM:")
    except OSError:  # not Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def no_worker(scheduler: str, seconds: float) -> str:
    """Say that there is no worker, and how to get one."""
    return (
        f"scheduler {scheduler}: no worker for {seconds:g} s; start one with `dask worker "
        f"{scheduler}` where eisv-lumen[cluster] is installed, or wait longer (--worker-timeout)"
    )
