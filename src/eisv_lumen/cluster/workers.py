"""Who does the work: processes of this machine, or any Dask cluster by its address."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from ..core.errors import InputError

__all__ = ["Crew", "hire"]

_LEAST: Final = 256 << 20
"""Bytes that a worker takes by itself, about."""

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
    cpu_s
        Processor time [s] that tasks took, by stage.
    wall_s
        Time [s] from a stage's begin to its end, by stage.
    """

    client: Any
    is_here: bool
    say: Callable[[str], None]
    cpu_s: dict[str, float] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)

    def map(self, stage: str, work: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
        """Do tasks; return their results in the order of the tasks.

        A task whose worker dies is done again elsewhere, so it must write what it writes whole,
        and the same each time. Of several tasks that fail, the first tells why.

        Raises
        ------
        InputError
            As a task raised it, or the workers of a task died again and again.
        """
        from distributed import KilledWorker

        started = time.perf_counter()
        futures = self.client.map(_timed, list(tasks), work=work, pure=False)
        results: list[R] = []
        spent = 0.0
        try:
            for future in futures:
                result, cpu = future.result()
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
            self.client.cancel([f for f in futures if not f.done()])
        self.cpu_s[stage] = self.cpu_s.get(stage, 0.0) + spent
        self.wall_s[stage] = self.wall_s.get(stage, 0.0) + time.perf_counter() - started
        return results

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


@contextmanager
def hire(
    scheduler: str | None = None,
    *,
    workers: int | None = None,
    memory: str = "2GiB",
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Crew]:
    """Start workers on this machine, or find those of a cluster.

    Parameters
    ----------
    scheduler
        Address of a Dask scheduler, as `tcp://host:8786`; None: processes of this machine, one
        thread each.
    workers
        So many processes, as many as there are cores by default; no matter with a scheduler.
    memory
        Limit of a process, in Dask's words.
    say
        Told of progress.

    Raises
    ------
    InputError
        Dask is not installed, the scheduler's address or the limit cannot be read, or the
        scheduler does not answer.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            "windows on a cluster need Dask: pip install 'eisv-lumen[cluster]'"
        ) from error
    if scheduler is not None:
        _check_address(scheduler)
        try:
            client = Client(scheduler, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise InputError(
                f"scheduler {scheduler}: does not answer ({error}); start one with `dask scheduler`"
            ) from error
        with client:
            yield Crew(client, False, say)
        return
    _check_memory(memory)
    import logging

    count = workers or os.cpu_count() or 1
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=count,
            threads_per_worker=1,
            memory_limit=memory,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]
    ):
        yield Crew(client, True, say)


def _check_address(scheduler: str) -> None:
    """Refuse an address without a port here: a client made of one ends with a traceback."""
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        protocol, place = parse_address(scheduler)
        if protocol in ("tcp", "tls"):
            parse_host_port(place)
    except ValueError as error:
        raise InputError(
            f"scheduler {scheduler}: no address ({error}); write it as tcp://HOST:8786"
        ) from error


def _check_memory(memory: str) -> None:
    from dask.utils import parse_bytes

    try:
        limit = parse_bytes(memory)
    except ValueError as error:
        raise InputError(f"memory {memory}: no amount of it; write it as 2GiB") from error
    if limit < _LEAST:  # it would be killed as it starts, and started again, without end
        raise InputError(f"memory {memory}: a process needs {_LEAST >> 20} MiB at least")
