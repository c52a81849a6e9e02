"""`eisv-lumen cluster`: windows and labels of many agents and years, on many machines."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import print_json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Windows of many agents and years, on many machines.",
    rich_markup_mode=None,
)

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def windows(
    source: Annotated[
        str,
        typer.Argument(
            help="States (.parquet) or governance updates (.jsonl): a file, folder or pattern, by "
            "path or by address (s3://…, hf://datasets/…)."
        ),
    ],
    out: Annotated[str, typer.Option(help="Folder for the windows, by path or by address.")],
    scheduler: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler, tcp://HOST:8786; by default, this machine's cores."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes of this machine; by default, one a core, at most four."
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Limit of a process of this machine; by default 2GiB, or its share."),
    ] = None,
    worker_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a worker while there is none.")
    ] = 60.0,
    window: Annotated[int, typer.Option(min=2, help="States in a window.")] = 20,
    stride: Annotated[
        int, typer.Option(min=1, help="States from one window's start to the next's.")
    ] = 10,
    part: Annotated[int, typer.Option(min=1, help="Windows in a file.")] = 1 << 16,
    name: Annotated[str | None, typer.Option(help="What the rows' column `source` says.")] = None,
    scratch: Annotated[
        str | None,
        typer.Option(
            help="Folder for states to be sorted, which all workers reach; by default the system's "
            "temporary one, or one in --out with --scheduler."
        ),
    ] = None,
    columns: Annotated[str, typer.Option(help="Which column is which, as t=time,E=energy.")] = "",
    agent_column: Annotated[
        str | None, typer.Option(help="The column, or key in the path, that says whose a row is.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Whose all rows are.")] = None,
    tz: Annotated[
        str | None, typer.Option(help="Zone of times written without one; by default UTC.")
    ] = None,
    missing: Annotated[
        list[float] | None,
        typer.Option(help="A value that stands for a failed reading; may be repeated."),
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="What readings are divided by, as 100 for percent.")
    ] = None,
    clamp: Annotated[
        bool, typer.Option("--clamp", help="Clamp values outside [0, 1], however many.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Cut any number of states into windows, and label them; run it again, and it goes on.

    The files hold the same bytes whatever the workers, and whatever files the states came in.

    For instance:

      eisv-lumen cluster windows logs/ --out windows/

      eisv-lumen cluster windows 's3://lake/updates/*.jsonl' --out s3://lake/windows
      --scheduler tcp://head:8786
    """
    from ..cluster.build import build_windows
    from ..cluster.hire import hire
    from ..trajectory.sources.common import counted
    from ..trajectory.sources.options import ReadOptions, parse_columns, parse_zone

    options = ReadOptions(
        columns=parse_columns(columns, agent_column),
        agent=agent,
        zone=None if tz is None else parse_zone(tz),
        missing=tuple(missing or ()),
        scale=scale,
        clamp=clamp,
    )

    def say(text: str) -> None:
        typer.echo(text, err=True)

    with hire(
        scheduler, workers=workers, memory=memory, worker_timeout=worker_timeout, say=say
    ) as crew:
        built = build_windows(
            source, out, crew, window=window, stride=stride, part=part, name=name,
            scratch=scratch, options=options,
        )  # fmt: skip
    if as_json:
        print_json(asdict(built))
        return
    typer.echo(
        f"{counted(built.windows, 'window')} of {counted(built.states, 'state')} and "
        f"{counted(built.agents, 'agent')} in {counted(built.parts, 'file')}"
    )
    for line in built.report.lines():
        say(line)
    typer.echo(
        f"{counted(built.workers, 'worker')}, at most {built.peak_memory / 1e6:.0f} MB each; "
        f"{built.bytes_in / 1e6:.0f} MB read, {built.bytes_scratch / 1e6:.0f} MB sorted anew, "
        f"{built.bytes_out / 1e6:.0f} MB written; "
        + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in built.wall_s.items()),
        err=True,
    )


@app.command()
def plan(
    measured: Annotated[
        Path,
        typer.Argument(
            help="What a run took: what `cluster windows --json` printed, or a results file of "
            "benchmarks.bench_cluster."
        ),
    ],
    states: Annotated[float, typer.Option(min=1, help="States of the run that is planned.")],
    cores: Annotated[int, typer.Option(min=1, help="Cores of the cluster, a worker each.")],
    price: Annotated[
        float, typer.Option(min=0, help="What a core costs an hour, in your currency.")
    ],
    ordered: Annotated[
        bool, typer.Option(help="The states lie by agent and time: nothing has to be sorted.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Plan a larger run on paper, from the rates of a measured one.

    For example:

      eisv-lumen cluster plan results/cluster/measured.json --states 1e9 --cores 64 --price 0.05
    """
    import math

    from ..cluster.plan import plan_run, read_rates
    from ..core.errors import InputError

    for option, value in (("--states", states), ("--price", price)):
        if not math.isfinite(value):
            raise InputError(f"{option} {value}: give a finite number")
    found = plan_run(read_rates(measured, ordered=ordered), int(states), cores, price)
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(
        f"{found.states:,} states: {found.windows:,} windows, {found.core_hours:.1f} core-hours "
        f"({found.cpu_hours:.1f} of them busy), "
        f"{found.wall_s / 60:.0f} min on {found.cores} cores, cost {found.cost:.2f}"
    )
    typer.echo(
        f"reads {found.bytes_in / 1e9:.1f} GB, writes {found.bytes_out / 1e9:.1f} GB and, in "
        f"between, {found.bytes_scratch / 1e9:.1f} GB; {found.memory / 1e6:.0f} MB a worker"
    )
