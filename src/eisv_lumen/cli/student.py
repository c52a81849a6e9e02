"""`eisv-lumen student`: distil, speak, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.outputs import json_with
from ..core.secrets import Address
from . import print_json
from .options import REPORT, Force, new_file, new_folder

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Distil a voice that the standard library alone can speak.",
    rich_markup_mode=None,
)

_STUDENT = "A student: its JSON file, or the folder that `student distil` wrote."
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def _is_student(folder: Path) -> bool:
    """Whether a folder is what `distil` leaves, or left when it was killed."""
    return (folder / "asked").is_dir() or json_with(sha256=str, student=dict)(
        folder / "student.json"
    )


@app.command()
def distil(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for student.json, reader.py, distilled.json.",
            callback=new_folder(("student.json", "reader.py", "distilled.json"), _is_student),
        ),
    ],
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
        str | None,
        typer.Option(
            help="Windows that a blind student is to read: its teacher is asked of others near "
            "them, too. A log, windows (of a dataset with splits, train), or summaries (JSON "
            "lines; ids that are no multiples of 4 are left out). Labels are not used."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of those windows.")] = 1_000_003,
    as_json: _Json = False,
) -> None:
    """Distil a teacher into data; kill it, and the same command goes on.

    For instance:

      eisv-lumen student distil --teacher runs/tiny-blind-summary --out runs/student

      eisv-lumen student distil --teacher runs/tiny-blind-summary --like anima.db --out runs/mine

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
    student: Annotated[Path, typer.Argument(help=_STUDENT)],
    shape: Annotated[str | None, typer.Option(help="The shape of the window.")] = None,
    data: Annotated[
        Address | None,
        typer.Option(
            parser=Address,
            metavar="SOURCE",
            help="In place of a shape: summaries (JSON lines), windows (a file or folder of `data "
            "build`, owner/name on the Hub), or a log, of which the last `--window` states are "
            "taken.",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=2, help="States in the window [20]; of windows, the length to choose."),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    n: Annotated[
        int, typer.Option("-n", "--n", min=1, help="How often to speak of each window.")
    ] = 1,
) -> None:
    """Speak of a window; prints a JSON object a line.

    For instance:

      eisv-lumen student speak student.json --shape convergence --temperature 0.3 -n 5

      eisv-lumen student speak runs/student --data anima.db
    """
    import json
    import random

    from ..core.errors import InputError
    from ..student.format import read_student
    from ..student.inputs import spoken_of

    if (shape is None) == (data is None):
        raise InputError("give either --shape or --data")
    found = read_student(student)
    rng = random.Random(seed)
    given: list[dict[str, Any]] = [{"shape": shape}] if data is None else spoken_of(data, window)
    for number, row in enumerate(given, 1):
        for _ in range(n):
            try:
                said = found.speak(**row, temperature=temperature, seed=rng)
            except ValueError as error:
                place = str(student) if data is None else f"{data}, window {number}"
                raise InputError(f"{place}: {error}") from error
            typer.echo(json.dumps({"tokens": said}))


@app.command()
def evaluate(
    student: Annotated[Path, typer.Argument(help=_STUDENT)],
    data: Annotated[
        Address,
        typer.Option(
            parser=Address,
            metavar="SOURCE",
            help="Windows with shapes: a log, windows (of a dataset with splits, test), or "
            "summaries (JSON lines: those kept for evaluation).",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="The report to write (JSON).", callback=new_file(json_with(**REPORT))),
    ],
    blind: Annotated[
        bool, typer.Option("--blind/--sighted", help="Whether the shape is kept from it.")
    ] = True,
    window: Annotated[
        int | None,
        typer.Option(min=2, help="States in a window; by default, as the student was taught."),
    ] = None,
    target: Annotated[
        str, typer.Option(help="The law to imitate: initial or learned.")
    ] = "initial",
    replace: Force = False,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    as_json: _Json = False,
) -> None:
    """Score a student exactly, at T = 1, 0.7, 0.5, 0.3 and greedily; nothing is drawn.

    For instance:

      eisv-lumen student evaluate runs/student --data anima.db --out report.json

      eisv-lumen student evaluate student.json --data summaries.jsonl --out report.json
    """
    from ..core.errors import InputError
    from ..core.files import check_file_place
    from ..evaluation.report import read_report, write_report
    from ..student.evaluate import exact_report
    from ..student.format import read_student, row_laws, summary_laws
    from ..student.inputs import labelled
    from .evaluate import show_report

    if target not in ("initial", "learned"):
        raise InputError(f"--target {target}: use initial or learned")
    check_file_place(out)
    found = read_student(student)
    net = found.body.get("net") if blind else None
    if blind and net is None:
        raise InputError(f"{student}: reads no summaries; score it with --sighted")
    given = labelled(data, net["n_states"] if net else (), window)
    import numpy as np

    spoken = (
        summary_laws(found, given.summary, lambda i: given.places[i])
        if blind
        else np.stack([law.pmf for law in row_laws(found)])[given.shape]
    )
    name = given.facts["windows"]
    near = _near_these(student, given.facts)
    if near:
        typer.echo(near, err=True)
    report = exact_report(
        spoken,
        given.shape,
        target,
        name=out.stem,
        title=title or f"student, {'blind' if blind else 'sighted'}, on {name}",
        # By name: where files lie on this machine is not for those who read the report.
        command=f"eisv-lumen student evaluate {student.absolute().name} --data {name} "
        f"--out {out.name} " + ("--blind" if blind else "--sighted"),
        data=given.facts,
        note=near,
    )
    write_report(report, out)
    report = read_report(out)  # as it is rounded there
    if as_json:
        print_json(report.model_dump(by_alias=True))
    else:
        show_report(report)


def _near_these(student: Path, facts: dict[str, Any]) -> str:
    """Say so where a student's teacher was asked near the very windows that it is scored on."""
    from ..core.files import read_json

    record = (student if student.is_dir() else student.parent) / "distilled.json"
    like = read_json(record).get("like", {}) if record.is_file() else {}
    if facts["windows"].endswith(".jsonl") or like.get("sha256") != facts["sha256"]:
        return ""  # of summaries, those kept for evaluation were left out
    return (
        "Its teacher was asked near these very windows (their labels were not used); give others "
        "for a figure of windows that it never saw."
    )
