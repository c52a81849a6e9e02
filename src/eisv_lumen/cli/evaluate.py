"""`eisv-lumen evaluate`: scores between their floor and their ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import print_json
from .options import Json

if TYPE_CHECKING:
    from ..evaluation.report import EvalReport

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Score a speaker between its floor and its ceiling.",
    rich_markup_mode=None,
)


@app.command()
def law(
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("results/law"),
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
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("results/published"),
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

    for name, content in (("facts", published_facts()), ("standing", standings())):
        path = out.with_name("study") / f"{name}.json"
        write_json(path, content)
        typer.echo(f"wrote {path}", err=True)
    _write(published_reports(), out, as_json)


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
        _print_table(f"{found.title}: {metric}", ("shape", *COLUMNS[2:]), rows)


@app.command()
def compare(
    reports: Annotated[list[Path], typer.Argument(help="Reports, or folders of them.")],
    metric: Annotated[
        str | None,
        typer.Option(help="The metric to compare; macro_coherence, or coherence, by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set reports side by side under each decoding they share.

    Example: eisv-lumen evaluate compare results/tiny results/law/imitator.json
    """
    from ..evaluation.report import gather_reports
    from ..evaluation.tables import metric_of_all

    found, skipped = gather_reports(reports)
    if skipped:
        typer.echo(f"skipped, not reports: {', '.join(map(str, skipped))}", err=True)
    metric = metric_of_all(found, metric)
    rows: list[tuple[str, ...]] = []
    plain = []
    for report in found:
        for result in report.results:
            if (m := result.metrics.get(metric)) is not None:
                interval = "" if m.low is None else f"{m.low:.3f} … {m.high:.3f}"
                perfect = "" if m.perfect is None else f"{m.perfect:.3f}"
                rows.append(
                    (report.title, result.decoding.label, f"{m.value:.3f}", interval, perfect)
                )
                plain.append(
                    {"report": report.name, "decoding": result.decoding.label} | m.model_dump()
                )
    if as_json:
        print_json({"metric": metric, "rows": plain})
    else:
        _print_table(metric, ("report", "decoding", "value", "95 % interval", "perfect"), rows)


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
        _print_table(model, header, rows)
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
        _print_table(title, COLUMNS, metric_rows(report))
    else:
        _print_table(title, BRIEF_COLUMNS, brief_rows(report))
    typer.echo()
    for gate in report.gates:
        verdict = "passed" if gate.passed else "failed"
        typer.echo(f"{verdict}  {gate.name}: {gate.asks} (found {gate.found:.4f})")
    typer.echo()
    for line in explain(report):
        typer.echo(f"- {line}")


def _print_table(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    import shutil

    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < 2 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=max(150, shutil.get_terminal_size().columns), highlight=False).print(table)


def _write(reports: Mapping[str, EvalReport], out: Path, as_json: bool) -> None:
    from ..evaluation.report import write_report

    for name, report in reports.items():
        write_report(report, out / f"{name}.json")
        typer.echo(f"wrote {out / name}.json", err=True)
    if as_json:
        print_json({"reports": [str(out / f"{name}.json") for name in reports]})
