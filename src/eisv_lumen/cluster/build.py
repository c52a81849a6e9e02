"""Windows and labels of many agents and years, in files that do not depend on who made them.

The windows of all agents, one after the other, are cut into parts of equal length; part k is a
file, byte for byte what `data build` and `write_parquet` make of those rows on one machine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from ..core.errors import InputError
from ..core.files import check_file_place, json_bytes
from ..trajectory.sources.governance import MIN_UPDATES
from ..trajectory.windows import STRIDE, WINDOW, count_windows
from .arrange import Merge, Piece, arrange_chunk, in_order, merge_pieces, runs
from .parts import plan_parts, write_part
from .states import Chunk, split_file
from .storage import find, read_bytes, remove, save_json, scheme, sweep
from .workers import Crew

__all__ = ["PART", "Built", "build_windows"]

PART: Final = 1 << 16
"""Windows in a file: of 20 states, 63 MB in memory."""

_RUN: Final = "run.json"
_INDEX: Final = "windows.json"


@dataclass(frozen=True)
class Built:
    """What a run has made, and what it took.

    `already`: parts that lay there from a run that was cut short. `bytes_scratch`: states written
    anew because they were not in order, first by the chunk, then merged. `cpu_s` of all workers
    and `wall_s` are in seconds, by stage.
    """

    windows: int
    states: int
    agents: int
    null_rows: int
    parts: int
    already: int
    bytes_in: int
    bytes_scratch: int
    bytes_out: int
    workers: int
    peak_memory: int
    cpu_s: dict[str, float]
    wall_s: dict[str, float]


def build_windows(
    source: str,
    out: str,
    crew: Crew,
    *,
    window: int = WINDOW,
    stride: int = STRIDE,
    part: int = PART,
    name: str | None = None,
    scratch: str | None = None,
    rows: int = 1 << 18,
) -> Built:
    """Cut states of any number of agents into windows, and label them.

    Parameters
    ----------
    source
        A file, folder or pattern of states (`.parquet`) or of governance updates (`.jsonl`), by
        any address that fsspec knows and all workers reach. Rows may come in any order; agents are
        told apart by their column.
    out
        Folder to write `part-….parquet`, `run.json` and `windows.json` to. A run that was cut short
        goes on. None of them names a folder of this machine.
    crew
        Who does it.
    window, stride
        As for `classify`.
    part
        Windows in a file.
    name
        Column `source` of the rows; the name of `source` without its ending by default, and
        `governance` for updates.
    scratch
        Folder for states that have to be sorted, which all workers reach; by default a temporary
        one for processes of this machine, else one in `out`. It is removed at the end; the crew
        is told where it is and how large it may become.
    rows
        States that a task reads, about.

    Raises
    ------
    InputError
        The source cannot be read (the message names file, row and field), no series is as long as
        a window, or `out` holds another run.
    """
    count_windows(0, window, stride)
    out = out.rstrip("/")
    if scheme(out) == "file":
        check_file_place(f"{out}/{_RUN}")
    files = find(source, (".parquet", ".jsonl"))
    kinds = {file.path.rpartition(".")[2] for file in files}
    if len(kinds) > 1:
        raise InputError(f"{source}: both .parquet and .jsonl; give files of one kind")
    label = name or ("governance" if kinds == {"jsonl"} else _stem(source))
    chunks = [
        chunk
        for found in crew.map(
            "plan", _chunks_of, [(file.path, file.size, rows, rows << 8) for file in files]
        )
        for chunk in found
    ]
    run = {
        "window": window,
        "stride": stride,
        "part": part,
        "source": label,
        "files": [{"name": f.name, "size": f.size, "key": f.key} for f in files],
    }
    _refuse_another(out, run)
    with _scratch_folder(scratch, out, crew) as aside:
        crew.say(
            f"scratch: {aside}, up to {_scratch_bytes(chunks) / 1e9:.1f} GB where states are not "
            "in order; --scratch chooses another folder"
        )
        with _place(out, run):
            tasks = [(i, chunk, aside) for i, chunk in enumerate(chunks)]
            arranged = crew.map("arrange", arrange_chunk, tasks)
            n_states = sum(a.rows - a.null_rows for a in arranged)
            least = max(window, MIN_UPDATES if kinds == {"jsonl"} else window)
            agents = {
                agent: pieces
                for agent, pieces in in_order(arranged).items()
                if sum(map(len, pieces)) >= least
            }
            if not agents:
                raise InputError(
                    f"{source}: a window of {window} states is longer than every series, of "
                    f"{n_states} states in all: give more states or a shorter window"
                )
            agents, merged = _merged(agents, rows, aside, crew)
            parts = list(plan_parts(agents, out, label, window, stride, part))
        made = crew.map("label", write_part, parts)
    for broken in (m["file"] for m in made if m["broken"]):
        crew.say(f"{out}/{broken}: could not be read, so it was made again")
    sweep(out)
    index = {
        "windows": sum(m["windows"] for m in made),
        "states": n_states,
        "agents": len(agents),
        "window": window,
        "stride": stride,
        "source": label,
        "parts": [{key: m[key] for key in ("file", "windows", "bytes", "sha256")} for m in made],
    }
    save_json(f"{out}/{_INDEX}", index)
    return Built(
        windows=index["windows"],
        states=n_states,
        agents=len(agents),
        null_rows=sum(a.null_rows for a in arranged),
        bytes_scratch=merged + sum(a.rewritten for a in arranged),
        parts=len(made),
        already=sum(m["already"] for m in made),
        bytes_in=sum(file.size for file in files),
        bytes_out=sum(m["bytes"] for m in made),
        workers=crew.size(),
        peak_memory=crew.peak_memory(),
        cpu_s=crew.cpu_s,
        wall_s=crew.wall_s,
    )


def _chunks_of(task: tuple[str, int, int, int]) -> list[Chunk]:
    return split_file(*task)


def _merged(
    agents: dict[str, list[Piece]], rows: int, scratch: str, crew: Crew
) -> tuple[dict[str, list[Piece]], int]:
    """Return each agent's pieces, none of which overlaps another in time, and bytes written."""
    planned = {agent: runs(pieces, rows) for agent, pieces in agents.items()}
    merges = [run for found in planned.values() for run in found if isinstance(run, Merge)]
    tasks = [(i, merge, scratch) for i, merge in enumerate(merges)]
    done = crew.map("merge", merge_pieces, tasks) if tasks else []
    made = iter(done)
    found = {
        agent: [
            piece
            for run in mine
            for piece in (next(made).pieces if isinstance(run, Merge) else [run])
        ]
        for agent, mine in planned.items()
    }
    return found, sum(one.rewritten for one in done)


def _refuse_another(out: str, run: dict[str, Any]) -> None:
    there = read_bytes(f"{out}/{_RUN}")
    if there != json_bytes(run) and (there or read_bytes(f"{out}/part-000000.parquet")):
        raise InputError(
            f"{out}: holds windows of other files or settings ({_difference(there, run)}); choose "
            "another --out"
        )


def _difference(there: bytes | None, run: dict[str, Any]) -> str:
    """Say how this run differs from the one whose `run.json` is there."""
    try:
        old = json.loads(there or b"")
        known = {file["name"]: file for file in old.pop("files")}
        settings = [key for key in run if key != "files" and old.get(key) != run[key]]
        said = [f"{key} {old.get(key)} there, {run[key]} here" for key in settings]
    except (AttributeError, KeyError, TypeError, ValueError):
        return f"its {_RUN} says not which"
    given = {file["name"]: file for file in run["files"]}
    for names, what in (
        (given.keys() - known, "new"),
        (known.keys() - given, "gone"),
        ((name for name in given if name in known and given[name] != known[name]), "changed"),
    ):
        some = sorted(names)
        if some:
            said.append(f"{what}: {', '.join(some[:3])}{' …' * (len(some) > 3)}")
    return "; ".join(said)


@contextmanager
def _place(out: str, run: dict[str, Any]) -> Iterator[None]:
    """Hold a run's place while its windows are planned; after that, `run.json` says whose it is.

    On a disk nothing is written before that. In a store elsewhere, only writing shows whether one
    may: there it is written first, and taken away where the plan is refused.
    """
    address = f"{out}/{_RUN}"
    if scheme(out) == "file":
        yield
        save_json(address, run)
        return
    new = read_bytes(address) is None
    save_json(address, run)
    try:
        yield
    except BaseException:
        if new:
            remove(address)
        raise


def _scratch_bytes(chunks: Sequence[Chunk]) -> int:
    """Return how much states may take that are sorted by the chunk, and then merged, at most.

    Six numbers a state, twice; a line of updates has no fewer characters than 72.
    """
    rows = sum(c.stop - c.start if c.is_parquet else (c.stop - c.start) // 72 for c in chunks)
    return 2 * 6 * 8 * rows


@contextmanager
def _scratch_folder(scratch: str | None, out: str, crew: Crew) -> Iterator[str]:
    if scratch is None and crew.is_here:
        with tempfile.TemporaryDirectory(prefix="eisv-lumen-") as folder:
            yield folder
        return
    if scratch is None and scheme(out) == "hf":
        raise InputError(
            f"{out}: give --scratch, a folder that all workers reach; the Hub would keep a commit "
            "of each file that is written in between"
        )
    folder = scratch or f"{out}/.scratch"
    try:
        yield folder
    finally:
        remove(folder)


def _stem(source: str) -> str:
    """Return what a file, folder or pattern is called."""
    names = [n for n in PurePosixPath(source.partition("://")[2] or source).parts if "*" not in n]
    return PurePosixPath(names[-1]).stem if names else "states"
