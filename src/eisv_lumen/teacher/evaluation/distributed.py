"""Several processes on one evaluation, as torchrun starts them: jobs are dealt, results shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["deal", "together"]

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def together() -> Iterator[None]:
    """Let the processes that torchrun started work together within the block.

    Each takes the GPU of its local rank, where there are GPUs. Without torchrun, nothing happens.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    import torch
    from torch import distributed

    if distributed.is_initialized():  # as training leaves it
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("gloo")  # what is shared are texts and numbers of the CPU
    try:
        yield
    finally:
        distributed.destroy_process_group()


def deal(jobs: Sequence[T], work: Callable[[T], R]) -> list[R]:
    """Do every job once, on one process or another; return all results, in order, on each.

    Parameters
    ----------
    jobs
        The same on every process, and every process must come here.
    work
        Must not depend on the jobs that were done before it.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return [work(job) for job in jobs]
    rank, world = distributed.get_rank(), distributed.get_world_size()
    mine = [work(job) for job in jobs[rank::world]]
    shares: list[Any] = [None] * world
    distributed.all_gather_object(shares, mine)
    return [shares[i % world][i // world] for i in range(len(jobs))]
