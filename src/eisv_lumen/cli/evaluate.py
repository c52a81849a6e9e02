"""`eisv-lumen evaluate`: scores between their floor and their ceiling."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.outputs import check_result_folder, json_with
from . import print_json
from .frame import print_csv, print_markdown, print_table
from .options import REPORT, Force, Json, new_file

if TYPE_CHECKING:
    from ..evaluation.report import EvalReport

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Score a speaker between its floor and its ceiling.",
    rich_markup_mode=None,
)


def _reports_only(out: Path) -> Path:
    """Refuse a folder that holds JSON files which are no reports: one may have a report's name."""
    is_report = json_with(**REPORT)
    foreign = [path.name for path in sorted(out.glob("*.json")) if not is_report(path)]
    check_result_folder(out, foreign, lambda folder: False)
    return out


_WIDE = 140
_NARROW = ("decoding", "mean coherence", "macro coherence", "perfect", "macro excess nats", "valid")
"""Columns of a brief table on a terminal with fewer than `_WIDE` columns; --full has all."""


@app.command()
def law(
    out: Annotated[
        Path, typer.Option(help="Folder for the reports.", callback=_reports_only)
    ] = Path("results/law"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the voice that learns.")] = 0,
    as_json: Json = False,
) -> None:
    """Compute what the law alone says of every baseline and of perfect imitation, exactly.

    Example: eisv-lumen evaluate law --out results/law
    """
    from ..evaluation.exact import exact_reports

    _write(exact_reports(seed), out, as_json)


@app.command()
def published(
    out: Annotated[
        Path, typer.Option(help="Folder for the reports.", callback=_reports_only)
    ] = Path("results/published"),
    as_json: Json = False,
) -> None:
    """Write the study's published figures in the schema of our own reports.

    Its other facts, and where each score stands against perfect imitation, are no reports: they
    go to the folder `study` beside it.

    Example: eisv-lumen evaluate published --out results/published
    """
    from ..core.files import write_json
    from ..study.distance_to_perfect import standings
    from ..study.facts import published_facts
    from ..study.published import published_reports

    folder = out.with_name("study")
    beside = {f"{name}.json": content for name, content in (
        ("facts", published_facts()), ("standing", standings())
    )}  # fmt: skip
    reports = published_reports()
    check_result_folder(folder, beside, lambda found: all(
        json_with(**dict.fromkeys(content, object))(found / name)
        for name, content in beside.items() if (found / name).exists()
    ))  # fmt: skip
    for name, content in beside.items():
        write_json(folder / name, content)
        typer.echo(f"wrote {folder / name}", err=True)
    _write(reports, out, as_json)


@app.command()
def show(
    report: Annotated[Path, typer.Argument(help="A report (JSON).")],
    metric: Annotated[
        str | None, typer.Option(help="Show this metric by shape, at the given temperature.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="With --metric.")] = 0.3,
    full: Annotated[bool, typer.Option("--full", help="Every metric, with its ceiling.")] = False,
    as_json: Json = False,
) -> None:
    """Show a report as a table, and say what its numbers mean.

    Example: eisv-lumen evaluate show results/tiny/v4.json --metric coherence
    """
    from ..core.errors import InputError
    from ..evaluation.report import read_report
    from ..evaluation.tables import COLUMNS, shape_rows

    found = read_report(report)
    if as_json:
        print_json(found.model_dump(by_alias=True))
    elif metric is None:
        show_report(found, full)
    else:
        try:
            rows = shape_rows(found.at(temperature), metric)
        except KeyError as error:
            raise InputError(f"{report}: {error.args[0]}") from error
        if not rows:
            raise InputError(f"{report}: no metric {metric!r} by shape")
        print_table(f"{found.title}: {metric}", ("shape", *COLUMNS[2:]), rows)


@app.command()
def score(
    answers: Annotated[
        Path,
        typer.Argument(
            help="What a speaker said: JSON lines with answer (a whole answer, an expression, a "
            "list of tokens) and shape (a name, a class code)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The report to write (JSON).", callback=new_file(json_with(**REPORT))),
    ] = None,
    replace: Force = False,
    temperature: Annotated[
        float, typer.Option(min=0, help="At which it was decoded; 0 is greedy.")
    ] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="Its top-k; 0 keeps all.")] = 0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Its top-p; 1 keeps all.")] = 1.0,
    target: Annotated[
        str, typer.Option(help="The law to imitate: initial or learned.")
    ] = "initial",
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    as_json: Json = False,
) -> None:
    """Score answers that any speaker gave, from vLLM, an API or a person, like our own.

    Example: eisv-lumen evaluate score predictions.jsonl --temperature 0.3 --out report.json
    """
    from ..core.files import check_file_place
    from ..evaluation.answers import report_of_answers
    from ..evaluation.report import Decoding, write_report

    if out is not None:
        check_file_place(out)
    report = report_of_answers(
        answers,
        Decoding(temperature=temperature, top_k=top_k, top_p=top_p),
        name=answers.stem,
        title=title or answers.stem,
        target=target,
        command=f"eisv-lumen evaluate score {answers.name} --temperature {temperature:g} "
        f"--top-k {top_k} --top-p {top_p:g} --target {target} --seed {seed}",
        seed=seed,
    )
    if out is not None:
        write_report(report, out)
        typer.echo(f"wrote {out}", err=True)
    if as_json:
        print_json(report.model_dump(by_alias=True))
    else:
        show_report(report, full=True)


@app.command()
def compare(
    reports: Annotated[list[Path], typer.Argument(help="Reports, or folders of them.")],
    metric: Annotated[
        str | None,
        typer.Option(help="The metric to compare; macro_coherence, or coherence, by default."),
    ] = None,
    temperature: Annotated[
        list[float] | None, typer.Option(help="Only decodings at this one; may be repeated.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="The largest value first.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_json: Json = False,
) -> None:
    """Set reports side by side under each decoding they share.

    For instance:

      eisv-lumen evaluate compare results/tiny results/law/imitator.json

      eisv-lumen evaluate compare results/tiny --temperature 0.3 --sort --markdown
    """
    from ..evaluation.report import gather_reports
    from ..evaluation.tables import metric_of_all

    found, skipped = gather_reports(reports)
    if skipped:
        typer.echo(f"skipped, not reports: {', '.join(map(str, skipped))}", err=True)
    metric = metric_of_all(found, metric)
    chosen = [
        (report, result.decoding, m)
        for report in found
        for result in report.results
        if (m := result.metrics.get(metric)) is not None
        and (not temperature or result.decoding.temperature in temperature)
    ]
    if sort:
        chosen.sort(key=lambda row: -row[2].value)
    rows = [
        (
            report.title,
            decoding.label,
            f"{m.value:.3f}",
            "" if m.low is None else f"{m.low:.3f} … {m.high:.3f}",
            "" if m.perfect is None else f"{m.perfect:.3f}",
        )
        for report, decoding, m in chosen
    ]
    header = ("report", "decoding", "value", "95 % interval", "perfect")
    if as_json:
        plain = [{"report": r.name, "decoding": d.label} | m.model_dump() for r, d, m in chosen]
        print_json({"metric": metric, "rows": plain})
    elif csv:
        print_csv(header, rows)
    elif markdown:
        print_markdown(header, rows)
    else:
        print_table(metric, header, rows)


@app.command()
def reproduce(
    model: Annotated[
        str, typer.Argument(help="A published teacher: NS/NAME on the Hub, a folder.")
    ],
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit on the Hub; main by default.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Up to this difference two figures count as the same.")
    ] = 1e-6,
    as_json: Json = False,
) -> None:
    """Measure a published teacher again, and compare with the reports that it carries.

    Same weights, windows, decodings and seed: on the same kind of machine every figure is the
    same, on another one it stays within its interval. A figure that does neither is shown, and
    the command ends with exit code 1.

    For instance:

      eisv-lumen evaluate reproduce NS/eisv-lumen-teacher --revision v0.1.0

      eisv-lumen evaluate reproduce published/models/eisv-lumen-teacher --json
    """
    from dataclasses import asdict

    from ..evaluation.compare import compare as set_beside
    from ..hub.publishing.fetch import base_beside, fetch_model
    from ..teacher.evaluation.reproduce import measure_again

    folder = fetch_model(model, revision)
    pairs = measure_again(
        folder, base=base_beside(folder), say=lambda text: typer.echo(text, err=True)
    )
    figures = [figure for old, new in pairs for figure in set_beside(old, new, tolerance)]
    counts = {v: sum(f.verdict == v for f in figures) for v in ("same", "within", "differs")}
    if as_json:
        print_json({"model": model, **counts, "figures": [asdict(figure) for figure in figures]})
    else:
        shown = [f for f in figures if not f.shape or f.verdict == "differs"]
        rows: list[tuple[str, ...]] = [
            (f.decoding, f.metric, f.shape, f"{f.reported:.6f}", f"{f.found:.6f}", f.verdict)
            for f in shown
        ]
        header = ("decoding", "metric", "shape", "reported", "found", "verdict")
        print_table(model, header, rows)
        typer.echo(
            f"\n{len(figures)} figures, by shape too: {counts['same']} the same, "
            f"{counts['within']} within their interval, {counts['differs']} differ"
        )
    if counts["differs"]:
        raise typer.Exit(1)


def show_report(report: EvalReport, full: bool = False) -> None:
    """Print a report's table, gates and meaning on stdout."""
    from ..evaluation.tables import BRIEF_COLUMNS, COLUMNS, brief_rows, explain, metric_rows

    title = f"{report.title} ({report.kind}; target: {report.target} law)"
    if full:
        print_table(title, COLUMNS, metric_rows(report))
    else:
        narrow = shutil.get_terminal_size().columns < _WIDE
        shown = [BRIEF_COLUMNS.index(n) for n in _NARROW] if narrow else range(len(BRIEF_COLUMNS))
        rows = [tuple(row[i] for i in shown) for row in brief_rows(report)]
        print_table(title, [BRIEF_COLUMNS[i] for i in shown], rows, left=1)
    typer.echo()
    for gate in report.gates:
        verdict = "passed" if gate.passed else "failed"
        typer.echo(f"{verdict}  {gate.name}: {gate.asks} (found {gate.found:.4f})")
    typer.echo()
    for line in explain(report):
        typer.echo(f"- {line}")


def _write(reports: Mapping[str, EvalReport], out: Path, as_json: bool) -> None:
    from ..evaluation.report import write_report

    for name, report in reports.items():
        write_report(report, out / f"{name}.json")
        typer.echo(f"wrote {out / name}.json", err=True)
    if as_json:
        print_json({"reports": [str(out / f"{name}.json") for name in reports]})
