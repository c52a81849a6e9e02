"""Windows and labels of many agents and years, in files that do not depend on who made them.

The windows of all agents, one after the other, are cut into parts of equal length; part k is a
file, byte for byte what `data build` and `write_parquet` make of those rows on one machine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np

from ..core.errors import InputError
from ..core.files import check_file_place, json_bytes
from ..trajectory.sources.common import Report
from ..trajectory.sources.governance import MIN_UPDATES
from ..trajectory.sources.options import DEFAULT, ReadOptions
from ..trajectory.sources.ordering import spacing_notes
from ..trajectory.sources.values import check_share
from ..trajectory.windows import STRIDE, WINDOW, count_windows
from .arrange import Arranged, Merge, Piece, arrange_chunk, in_order, merge_pieces, runs
from .parts import plan_parts, write_part
from .settle import Settled, check_agent, median_step, settle_piece, untouched
from .states import Chunk, split_file
from .storage import File, find, read_bytes, remove, save_json, scheme, sweep
from .workers import Crew

__all__ = ["PART", "Built", "build_windows"]

PART: Final = 1 << 16
"""Windows in a file: of 20 states, 63 MB in memory."""

_RUN: Final = "run.json"
_INDEX: Final = "windows.json"


@dataclass(frozen=True)
class Built:
    """What a run has made, and what it took.

    `agents`: those with a window. `report`: what reading met with, as `read_states` counts it of
    the same rows in one file. `already`: parts that lay there from a run that was cut short.
    `bytes_scratch`: states written anew because they were not in order, first by the chunk, then
    merged. `cpu_s` of all workers and `wall_s` are in seconds, by stage.
    """

    windows: int
    states: int
    agents: int
    report: Report
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
    options: ReadOptions = DEFAULT,
    rows: int = 1 << 18,
) -> Built:
    """Cut states of any number of agents into windows, and label them.

    Parameters
    ----------
    source
        A file, folder or pattern of states (`.parquet`) or of governance updates (`.jsonl`), by
        any address that fsspec knows and all workers reach. Rows may come in any order, and stand
        in any file; agents are told apart by a column, or by a key in the path (`agent=ada/`).
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
    options
        How states are to be understood, as for `read_source`; `max_gap` is not for a cluster.
    rows
        States that a task reads, about.

    Raises
    ------
    InputError
        The source cannot be read (the message names file, row and field) or is refused as
        `read_source` refuses it, no series is as long as a window, or `out` holds another run.
    """
    count_windows(0, window, stride)
    out = out.rstrip("/")
    if scheme(out) == "file":
        check_file_place(f"{out}/{_RUN}")
    files, updates = _files(source)
    label = name or ("governance" if updates else _stem(source))
    given = [((file.path, file.size), options, rows, rows << 8) for file in files]
    chunks = [chunk for found in crew.map("plan", _chunks_of, given) for chunk in found]
    run = {
        "window": window,
        "stride": stride,
        "part": part,
        "source": label,
        "files": [{"name": f.name, "size": f.size, "key": f.key} for f in files],
    } | ({} if options == DEFAULT else {"options": str(options)})
    _refuse_another(out, run)
    with _scratch_folder(scratch, out, crew) as aside:
        crew.say(
            f"scratch: {aside}, up to {_scratch_bytes(chunks) / 1e9:.1f} GB where states are not "
            "in order; --scratch chooses another folder"
        )
        with _place(out, run):
            agents, report, n_states, written = _series(
                source, chunks, rows, aside, crew, MIN_UPDATES if updates else 1, options
            )
            agents = {a: mine for a, mine in agents.items() if sum(map(len, mine)) >= window}
            if not agents:
                raise InputError(
                    f"{source}: a window of {window} states is longer than every series, of "
                    f"{n_states} states in all: give more states or a shorter window"
                )
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
        "report": asdict(report),
        "parts": [{key: m[key] for key in ("file", "windows", "bytes", "sha256")} for m in made],
    }
    save_json(f"{out}/{_INDEX}", index)
    return Built(
        windows=index["windows"],
        states=n_states,
        agents=len(agents),
        report=report,
        bytes_scratch=written,
        parts=len(made),
        already=sum(m["already"] for m in made),
        bytes_in=sum(file.size for file in files),
        bytes_out=sum(m["bytes"] for m in made),
        workers=crew.size(),
        peak_memory=crew.peak_memory(),
        cpu_s=crew.cpu_s,
        wall_s=crew.wall_s,
    )


def _files(source: str) -> tuple[list[File], bool]:
    """Return the files of a source, and whether they hold updates in place of states."""
    files = find(source, (".parquet", ".jsonl"))
    kinds = {file.path.rpartition(".")[2] for file in files}
    if len(kinds) > 1:
        raise InputError(f"{source}: both .parquet and .jsonl; give files of one kind")
    return files, kinds == {"jsonl"}


def _series(
    source: str,
    chunks: list[Chunk],
    rows: int,
    scratch: str,
    crew: Crew,
    fewest: int,
    options: ReadOptions,
) -> tuple[dict[str, list[Piece]], Report, int, int]:
    """Put each agent's states in the order of time, as `sources.assemble` does.

    Returns
    -------
    agents, report, states, written
        Pieces of each agent with at least `fewest` states, none of which overlaps another in time;
        what was met with; usable states of all agents; and bytes written anew.
    """
    tasks = [(i, chunk, scratch) for i, chunk in enumerate(chunks)]
    arranged = crew.map("arrange", arrange_chunk, tasks)
    everybody = in_order(arranged)
    came = {a: mine for a, mine in everybody.items() if sum(map(len, mine)) >= fewest}
    agents, merged = _merged(came, rows, scratch, crew)
    settled = _settled(agents, scratch, crew)
    orders = [
        check_agent(
            came[a], mine, f"{source}, agent {a}" if len(everybody) > 1 else source, options
        )
        for a, mine in settled.items()
    ]
    _check_shares(arranged, options)
    kept = {a: [one.piece for one in mine] for a, mine in settled.items()}
    total, nulls = sum(a.rows for a in arranged), sum(a.null_rows for a in arranged)
    steps = [median_step(mine) for mine in kept.values()]
    report = Report(
        rows=total,
        null_rows=nulls,
        moved=sum(order.moved for order in orders),
        clamped=sum(a.clamped for a in arranged),
        agents=len(kept),
        agents_dropped=len(everybody) - len(kept),
        repeated=sum(order.repeated for order in orders),
        same_time=sum(order.same_time for order in orders),
        notes=(
            *dict.fromkeys(note for chunk in chunks for note in chunk.notes),
            *spacing_notes(np.array([float(np.median(steps))] if steps else []), options),
        ),
    )
    written = merged + sum(a.rewritten for a in arranged)
    written += sum(one.rewritten for mine in settled.values() for one in mine)
    return kept, report, total - nulls, written


def _chunks_of(task: tuple[tuple[str, int], ReadOptions, int, int]) -> list[Chunk]:
    return split_file(*task)


def _check_shares(arranged: Sequence[Arranged], options: ReadOptions) -> None:
    """Refuse a file of which too many values were clamped."""
    shares: dict[str, tuple[int, int]] = {}
    for one in arranged:
        for place, (values, outside) in one.limited.items():
            before = shares.get(place, (0, 0))
            shares[place] = before[0] + values, before[1] + outside
    for place, (values, outside) in shares.items():
        check_share(outside, values, place, options)


def _settled(agents: dict[str, list[Piece]], scratch: str, crew: Crew) -> dict[str, list[Settled]]:
    """Return each agent's pieces without rows that stand there twice, and how they had come."""
    known: dict[str, list[Settled | None]] = {}
    tasks: list[tuple[int, Piece, int, str]] = []
    for agent, pieces in agents.items():
        at = 0
        known[agent] = []
        for piece in pieces:
            known[agent].append(untouched(piece, at))
            if known[agent][-1] is None:
                tasks.append((len(tasks), piece, at, scratch))
            at += len(piece)
    made = iter(crew.map("settle", settle_piece, tasks) if tasks else [])
    return {a: [one or next(made) for one in mine] for a, mine in known.items()}


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
