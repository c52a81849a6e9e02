"""`eisv-lumen student`: distil, speak, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import print_json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Distil a voice that the standard library alone can speak.",
    rich_markup_mode=None,
)

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def distil(
    out: Annotated[Path, typer.Option(help="Folder for student.json, reader.py, distilled.json.")],
    teacher: Annotated[Path | None, typer.Option(help="Folder that `teacher train` wrote.")] = None,
    law: Annotated[
        str | None,
        typer.Option(help="In place of a teacher, a law itself: initial, or learned by feedback."),
    ] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="With --law: learn to read window summaries, too.")
    ] = False,
    windows: Annotated[
        int, typer.Option(min=100, help="Windows of which a blind teacher is asked.")
    ] = 80_000,
    per_shape: Annotated[
        int, typer.Option(min=1, help="Windows a shape whose whole law is asked for.")
    ] = 24,
    hidden: Annotated[
        int, typer.Option(min=1, help="Units of the network that reads summaries.")
    ] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Steps in which it is fitted.")] = 80_000,
    like: Annotated[
        Path | None,
        typer.Option(
            help="Summaries (JSON lines) of windows that a blind student is to read: its teacher "
            "is asked of others near them, too. Labels are not used; where there are ids, those "
            "kept for evaluation (no multiples of 4) are left out."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of those windows.")] = 1_000_003,
    as_json: _Json = False,
) -> None:
    """Distil a teacher into data; kill it, and the same command goes on.

    For instance:

      eisv-lumen student distil --teacher runs/tiny-blind-summary --out runs/student

      eisv-lumen student distil --teacher runs/tiny-blind-summary --like mine.jsonl --out runs/mine

      eisv-lumen student distil --law learned --out runs/student-law
    """
    from ..core.errors import InputError
    from ..student.distil import DistilRecipe, distil_law
    from ..student.distil import distil as run
    from ..student.fit import NetRecipe

    recipe = DistilRecipe(
        per_shape=per_shape,
        windows=windows,
        seed=seed,
        net=NetRecipe(hidden=hidden, steps=steps),
    )
    if (teacher is None) == (law is None):
        raise InputError("give either --teacher or --law")
    if teacher is not None:
        if blind:
            raise InputError("--blind goes with --law; a teacher's recipe says what it reads")
        record = run(teacher, out, recipe, like=like, say=lambda text: typer.echo(text, err=True))
    elif like is not None:
        raise InputError("--like goes with --teacher; a law is not asked")
    elif law in ("initial", "learned"):
        record = distil_law(law, out, recipe, blind=blind)
    else:
        raise InputError(f"--law {law}: use initial or learned")
    size = (out / "student.json").stat().st_size
    if as_json:
        print_json(record | {"bytes": size})
    else:
        typer.echo(f"{out / 'student.json'}: {size:,} bytes; reader.py beside it speaks it")


@app.command()
def speak(
    student: Annotated[Path, typer.Argument(help="A student (JSON).")],
    shape: Annotated[str | None, typer.Option(help="The shape of the window.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="In place of a shape: summaries (JSON lines), or states (CSV, Parquet, "
            "anima.db), of which the last `--window` are taken."
        ),
    ] = None,
    window: Annotated[int, typer.Option(min=2, help="States in the window.")] = 20,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    n: Annotated[
        int, typer.Option("-n", "--n", min=1, help="How often to speak of each window.")
    ] = 1,
) -> None:
    """Speak of a window; prints a JSON object a line.

    For instance:

      eisv-lumen student speak student.json --shape convergence --temperature 0.3 -n 5

      eisv-lumen student speak student.json --data summaries.jsonl
    """  # fmt: skip
    import json
    import random
    from typing import Any

    from ..core.errors import InputError
    from ..student.format import read_student
    from ..student.inputs import windows_of_file

    if (shape is None) == (data is None):
        raise InputError("give either --shape or --data")
    found = read_student(student)
    rng = random.Random(seed)
    given: list[dict[str, Any]] = (
        [{"shape": shape}] if data is None else windows_of_file(data, window)
    )
    for number, row in enumerate(given, 1):
        for _ in range(n):
            try:
                said = found.speak(**row, temperature=temperature, seed=rng)
            except ValueError as error:
                place = student if data is None else f"{data}, window {number}"
                raise InputError(f"{place}: {error}") from error
            typer.echo(json.dumps({"tokens": said}))


@app.command()
def evaluate(
    student: Annotated[Path, typer.Argument(help="A student (JSON).")],
    data: Annotated[
        Path, typer.Option(help="Summaries with shapes (JSON lines): those kept for evaluation.")
    ],
    out: Annotated[Path, typer.Option(help="The report to write (JSON).")],
    blind: Annotated[
        bool, typer.Option("--blind/--sighted", help="Whether the shape is kept from it.")
    ] = True,
    target: Annotated[
        str, typer.Option(help="The law to imitate: initial or learned.")
    ] = "initial",
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    as_json: _Json = False,
) -> None:
    """Score a student exactly, at T = 1, 0.7, 0.5, 0.3 and greedily; nothing is drawn.

    Example: eisv-lumen student evaluate student.json --data summaries.jsonl --out report.json
    """
    from ..core.errors import InputError
    from ..core.files import check_file_place
    from ..evaluation.report import read_report, write_report
    from ..student.evaluate import exact_report
    from ..student.format import read_student, row_laws, summary_laws
    from ..teacher.data.windows import facts_of_file
    from ..trajectory.sources.summaries import for_fitting, read_summaries
    from .evaluate import show_report

    if target not in ("initial", "learned"):
        raise InputError(f"--target {target}: use initial or learned")
    check_file_place(out)
    found = read_student(student)
    kept = read_summaries(data)
    kept = kept.take(~for_fitting(kept.id))
    if not len(kept):
        raise InputError(f"{data}: every id is a multiple of 4; none is kept for evaluation")
    import numpy as np

    spoken = (
        summary_laws(found, kept.values, lambda i: f"{data}, id {kept.id[i]}")
        if blind
        else np.stack([law.pmf for law in row_laws(found)])[kept.shape]
    )
    report = exact_report(
        spoken,
        kept.shape,
        target,
        name=out.stem,
        title=title or f"student, {'blind' if blind else 'sighted'}, on {data.name}",
        # By name: where files lie on this machine is not for those who read the report.
        command=f"eisv-lumen student evaluate {student.name} --data {data.name} --out {out.name} "
        + ("--blind" if blind else "--sighted"),
        data=facts_of_file(data),
    )
    write_report(report, out)
    report = read_report(out)  # as it is rounded there
    if as_json:
        print_json(report.model_dump(by_alias=True))
    else:
        show_report(report)
