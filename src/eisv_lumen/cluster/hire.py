"""Whose work it is: processes started on this machine, or a Dask cluster found by its address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..core.errors import InputError
from .workers import WORKER_TIMEOUT, Crew, no_worker

__all__ = ["hire"]

_LEAST: Final = 256 << 20
"""Bytes that a worker takes by itself, about."""
_USUAL: Final = 2 << 30
"""Bytes that a worker may take, where the machine has them."""
_A_CORE: Final = 4
"""Workers a core at most; each is a process of one thread."""


@contextmanager
def hire(
    scheduler: str | None = None,
    *,
    workers: int | None = None,
    memory: str | None = None,
    worker_timeout: float = WORKER_TIMEOUT,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Crew]:
    """Start workers on this machine, or find those of a cluster.

    Those of this machine end with this process, however it ends: each has a pipe whose other end
    closes then.

    Parameters
    ----------
    scheduler
        Address of a Dask scheduler, as `tcp://host:8786`; None: processes of this machine, one
        thread each.
    workers
        Number of processes, at most four a core; by default one a core, as far as memory allows.
        Of no account with a scheduler.
    memory
        Limit of a process, in Dask's words; 2 GiB by default, or what the machine has for each.
    worker_timeout
        How long to wait for a worker [s] while there is none.
    say
        Told of progress.

    Raises
    ------
    InputError
        Dask is not installed, the scheduler's address or the limit cannot be read, the scheduler
        does not answer, it has no worker, a worker has another version of this package or of
        pyarrow or lacks it, or this machine has no room for so many workers.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError(
            "windows on a cluster need Dask: pip install 'eisv-lumen[cluster]'"
        ) from error
    here = scheduler is None
    with (
        _quiet(),
        _started(workers, memory) if here else _found(str(scheduler), worker_timeout) as client,
    ):
        yield Crew(client, here, say, worker_timeout)


@contextmanager
def _found(scheduler: str, worker_timeout: float) -> Iterator[Any]:
    from distributed import Client

    _check_address(scheduler)
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(
            f"scheduler {scheduler}: does not answer ({error}); start one with `dask scheduler`"
        ) from error
    with client:
        _wait_for_a_worker(client, scheduler, worker_timeout)
        _check_versions(client)
        yield client


@contextmanager
def _started(workers: int | None, memory: str | None) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    count, limit = _room(workers, memory)
    try:
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=count,
            threads_per_worker=1,
            memory_limit=limit,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{count} workers cannot be started on this machine ({error}); give fewer (--workers)"
        ) from error
    with cluster, Client(cluster, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's own log off stderr: what matters of it is said in one sentence."""
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def _wait_for_a_worker(client: Any, scheduler: str, seconds: float) -> None:
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError as error:
        raise InputError(no_worker(scheduler, seconds)) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"scheduler {scheduler}: went away ({error}); start it again") from error


def _check_versions(client: Any) -> None:
    """Refuse workers that lack what decides the bytes of a file, or have another version of it."""

    def versions(names: list[str]) -> dict[str, str]:  # pickled by value: needs no package there
        from importlib import import_module

        found = {}
        for name in names:
            try:
                found[name] = str(import_module(name).__version__)
            except ImportError:
                found[name] = ""
        return found

    ours = versions(["eisv_lumen", "pyarrow"])
    for worker, found in client.run(versions, list(ours), on_error="return").items():
        for name, wanted in ours.items():
            got = found.get(name) if isinstance(found, dict) else ""
            if got != wanted:
                has = f"has {name} {got}" if got else f"lacks {name}"
                package = name.replace("_", "-")
                raise InputError(
                    f"worker {worker}: {has}, and this machine has {wanted}; install the same "
                    f"there: pip install '{package}=={wanted}'"
                )


def _room(workers: int | None, memory: str | None) -> tuple[int, int]:
    """Return how many processes of how many bytes to start; refuse more than there is room for."""
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    cores = int(CPU_COUNT)
    limit = None if memory is None else _bytes(memory)
    if limit is None:
        limit = max(_LEAST, min(_USUAL, MEMORY_LIMIT // (workers or cores)))
    most = min(_A_CORE * cores, MEMORY_LIMIT // limit)
    if (workers or 1) > most:
        raise InputError(
            f"{workers or 1} workers of {limit / 2**30:.2g} GiB: this machine has {cores} cores "
            f"and {MEMORY_LIMIT / 2**30:.3g} GiB of memory; give "
            + (f"--workers {most} or fewer" if most else "less --memory")
        )
    return workers or min(cores, most), limit


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


def _bytes(memory: str) -> int:
    from dask.utils import parse_bytes

    try:
        limit = int(parse_bytes(memory))
    except ValueError as error:
        raise InputError(f"memory {memory}: no amount of it; write it as 2GiB") from error
    if limit < _LEAST:  # it would be killed as it starts, and started again, without end
        raise InputError(f"memory {memory}: a process needs {_LEAST >> 20} MiB at least")
    return limit
