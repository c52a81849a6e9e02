"""The causal alignment tests and the table that compares models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...core.outputs import is_our_drawing, json_with, mark_drawing
from .. import print_json
from ..frame import print_csv, print_table
from ..options import Force, new_file

if TYPE_CHECKING:
    from ...lvm.alignment.report import AlignmentReport

app = typer.Typer()

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def align(
    model: Annotated[str, typer.Argument(help="A trained model's folder, or a baseline's name.")],
    validation: Annotated[
        Path, typer.Option(help="Sequences that temperatures and floors are fitted to.")
    ],
    test: Annotated[Path, typer.Option(help="Sequences of other articles, which are read.")],
    ood: Annotated[Path | None, typer.Option(help="Sequences of another corpus.")] = None,
    train: Annotated[
        Path | None, typer.Option(help="Training sequences: adds ridge's null to the floors.")
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(help="Fit to and read the articles of this corpus alone (CORPUS/…)."),
    ] = None,
    null: Annotated[
        list[str] | None,
        typer.Option(help="A model taught on shuffled articles, as a floor; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the report here (JSON).",
            callback=new_file(json_with(schema_="eisv-lumen-alignment/1")),
        ),
    ] = None,
    replace: Force = False,
    name: Annotated[str | None, typer.Option(help="What tables call the model.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of shuffled contexts and resamples.")] = 0,
    as_published: Annotated[
        bool,
        typer.Option("--as-published", help="Bring the published test's numerical slips back."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Test whether a model predicts the next chunk: as published, and calibrated.

    Each calibrated gate stands between a floor and a ceiling, with an interval over articles.
    Baselines: copy-last, context-mean, minus-last, random, lag-cosine, lag-cosine-centred, ridge,
    ridge-shuffled, oracle.

    For example:

      eisv-lumen lvm align runs/p1 --validation seq/validation --test seq/test --out p1.json

      eisv-lumen lvm align copy-last --validation seq/validation --test seq/test --as-published
    """
    import sys

    from ...core.files import check_file_place
    from ...evaluation.report import provenance
    from ...lvm.alignment.align import align as run
    from ...lvm.alignment.report import rounded, write_alignment
    from ...lvm.data.splits import take_corpus
    from ...lvm.data.storage import read_sequences
    from ...lvm.predictors.baselines import baseline
    from ...lvm.predictors.load import facts_of, predictor

    if out is not None:
        check_file_place(out)
    places = {"validation": validation, "test": test} | ({"ood": ood} if ood else {})
    sets = {key: read_sequences(place) for key, place in places.items()}
    if corpus is not None:
        sets |= {key: take_corpus(sets[key], corpus) for key in ("validation", "test")}
    taught = read_sequences(train) if train else None
    asked = list(sets.values())
    fitted = {"train": taught, "validation": sets["validation"], "asked": asked}
    mine = predictor(model, name, **fitted)  # type: ignore[arg-type]
    nulls = [predictor(other, f"null: {Path(other).name}", **fitted) for other in null or ()]  # type: ignore[arg-type]
    if taught is not None and mine.ahead == 0 and mine.name != "ridge-shuffled":
        typer.echo("fitting ridge's null", err=True)
        nulls.append(baseline("ridge-shuffled", train=taught, validation=sets["validation"]))
    typer.echo(f"asking {mine.name} about {sum(map(len, asked))} windows", err=True)
    report = run(
        mine, validation=sets["validation"], test=sets["test"], ood=sets.get("ood"), nulls=nulls,
        names={
            key: f"{place}, {corpus}" if corpus and key != "ood" else str(place)
            for key, place in places.items()
        },
        seed=seed,
        as_published=as_published,
        provenance=provenance(
            " ".join(["eisv-lumen", *sys.argv[1:]]), seed=seed, model=facts_of(model),
            data={k: str(v) for k, v in (("train", train), ("corpus", corpus)) if v},
        ),
    )  # fmt: skip
    if out is not None:
        write_alignment(report, out)
        typer.echo(f"wrote {out}", err=True)
    if as_json:
        print_json(rounded(report.model_dump(by_alias=True)))
    else:
        _show(report)


@app.command()
def compare(
    reports: Annotated[list[Path], typer.Argument(help="Reports of `align`, or folders of them.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw it, too (.svg or .png).", callback=new_file(is_our_drawing)),
    ] = None,
    replace: Force = False,
    as_json: _Json = False,
) -> None:
    """Set models side by side: floors, ceilings and intervals, from their reports.

    One table, and one figure, for each set of windows: models that predict the chunk after next
    were asked another question. Files of other schemas in a folder are skipped.

    For example:

      eisv-lumen lvm compare results/lvm-wiki --markdown --figure lvm.svg
    """
    from ...core.errors import InputError
    from ...core.files import write_bytes
    from ...lvm.alignment.report import by_question, read_alignments
    from ...lvm.alignment.table import COMPARED, compare_rows

    if figure is not None and figure.suffix not in (".svg", ".png"):
        raise InputError(f"{figure}: name a file that ends in .svg or .png")
    found, skipped = read_alignments(reports)
    if skipped:
        typer.echo(f"skipped, not alignment reports: {', '.join(map(str, skipped))}", err=True)
    parts = by_question(found)
    if figure is not None:
        from ...hub.figures.alignment import compare_models

        for i, part in enumerate(parts):
            place = figure if i == 0 else figure.with_stem(f"{figure.stem}-{i + 1}")
            kind = figure.suffix[1:]
            write_bytes(place, mark_drawing(compare_models(part, kind=kind), kind))
            typer.echo(f"wrote {place}", err=True)
    if as_json:
        tables = [
            {
                "test": part[0].sets["test"].model_dump(),
                "ahead": part[0].ahead,
                "rows": [list(row) for row in compare_rows(part)],
            }
            for part in parts
        ]
        print_json({"columns": list(COMPARED), "tables": tables})
        return
    for i, part in enumerate(parts):
        rows = compare_rows(part)
        if i:
            typer.echo()
        if csv:
            print_csv(COMPARED, rows)
        elif markdown:
            from ...hub.cards.render import markdown_table

            if len(parts) > 1:
                typer.echo(f"**{_question(part[0])}**\n")
            typer.echo(markdown_table(list(COMPARED), [list(row) for row in rows]))
        else:
            print_table(_question(part[0]), COMPARED, rows)


def _question(report: AlignmentReport) -> str:
    what = "the chunk after next" if report.ahead else "the next chunk"
    test = report.sets["test"]
    return f"{what}: {test.name}, {test.windows} windows of {test.articles} articles"


def _show(report: AlignmentReport) -> None:
    from ...lvm.alignment.table import GATES, PUBLISHED, gate_rows, published_rows

    facts = report.sets["test"]
    title = f"{report.name} on {facts.name}: {facts.windows} windows of {facts.articles} articles"
    print_table(title, GATES, gate_rows(report))
    if report.published is None:
        return
    how = "with its slips" if report.published.as_published else "slips mended"
    for place, tests in (("", report.published.inside), (", ood", report.published.outside)):
        if tests:
            typer.echo()
            print_table(f"as published, {how}{place}", PUBLISHED, published_rows(tests))
    both = {None: "no other corpus given", True: "yes", False: "no"}[report.published.all_on_both]
    three = "yes" if report.published.three_of_five else "no"
    typer.echo(f"\nthree of five: {three}; all five on both sets: {both}")
