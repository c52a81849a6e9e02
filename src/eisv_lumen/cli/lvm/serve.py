"""Retrieval and the service."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import print_json

if TYPE_CHECKING:
    from ...lvm.alignment.predictions import Predictor
    from ...lvm.serving.retrieval import Retrieved
    from ...lvm.serving.service import Service

app = typer.Typer()

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


class Where(StrEnum):
    """Where candidates come from."""

    article = "article"
    everywhere = "global"


class How(StrEnum):
    """How a predicted vector becomes text."""

    nearest = "nearest"
    vec2text = "vec2text"


@app.command()
def retrieve(
    sequences: Annotated[Path, typer.Argument(help="Sequences whose next chunks are looked for.")],
    first: Annotated[
        list[str] | None,
        typer.Option(help="Makes the shortlist: a model's folder or a baseline; repeatable."),
    ] = None,
    reranker: Annotated[
        list[str] | None,
        typer.Option(help="Puts the shortlist in order: a model's folder or a baseline."),
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Chunks to search; by default the sequences' own.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Sequences that baselines are fitted to.")
    ] = None,
    train: Annotated[Path | None, typer.Option(help="Sequences that ridge is fitted to.")] = None,
    scope: Annotated[
        Where, typer.Option(help="Search the window's article, or all chunks.")
    ] = Where.article,
    k: Annotated[int, typer.Option(min=1, help="Length of the shortlist.")] = 50,
    approximate: Annotated[
        bool, typer.Option("--faiss", help="Search through FAISS's graph instead of exactly.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
    as_json: _Json = False,
) -> None:
    """Retrieve the next chunk: a shortlist, perhaps reranked; Contain@k, R@k, MRR.

    For example:

      eisv-lumen lvm retrieve seq/test --first copy-last --first context-mean

      eisv-lumen lvm retrieve seq/test --scope global --first copy-last --reranker runs/ranker
    """
    from ...lvm.data.storage import read_sequences
    from ...lvm.predictors.load import predictor
    from ...lvm.serving.index import ChunkIndex
    from ...lvm.serving.retrieval import measure

    found = read_sequences(sequences)
    held = read_sequences(validation) if validation else None
    taught = read_sequences(train) if train else None

    def load(name: str) -> Predictor:
        return predictor(name, train=taught, validation=held, asked=[found])

    searched = ChunkIndex.open(index or sequences, approximate=approximate)
    rows = []
    for name in first or ["copy-last", "context-mean"]:
        one = load(name)
        for other in [None, *(reranker or [])]:
            second = None if other is None else load(other)
            typer.echo(f"{name}{'' if other is None else f', then {other}'}", err=True)
            rows.append(
                measure(searched, found, one, reranker=second, scope=scope.value, k=k, seed=seed)
            )
    if as_json:
        print_json({"results": [row.as_json() for row in rows]})
    else:
        _show(rows)


@app.command()
def serve(
    model: Annotated[Path, typer.Option(help="A trained model's folder.")],
    index: Annotated[Path, typer.Option(help="Folder of `lvm embed`: encoder, chunks, texts.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 9007,
    decoder: Annotated[How, typer.Option(help="How vectors become text.")] = How.nearest,
    approximate: Annotated[
        bool, typer.Option("--faiss", help="Search through FAISS's graph instead of exactly.")
    ] = False,
    at_once: Annotated[
        int, typer.Option(min=1, help="Requests worked on at once; one more is answered 429.")
    ] = 8,
    connections: Annotated[
        int, typer.Option(min=1, help="Open at once; one more closes the longest idle.")
    ] = 512,
    patience: Annotated[
        float, typer.Option(min=0.1, help="Seconds for a request to arrive whole; later 408.")
    ] = 20.0,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="A web page's origin whose scripts may ask (* for all); repeatable."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="What a proxy takes from the front of a path, as /lvm.")
    ] = "",
    body_bytes: Annotated[
        int, typer.Option(min=1000, help="Of a request; more is answered 413.")
    ] = 1_000_000,
) -> None:
    """Serve predictions: GET /health, POST /predict, POST /chat.

    A ranker serves ranks: chunks in its order, and no vector. GET /live answers as soon as the port
    is open, GET /ready once the model is loaded and a place is free.

    For example:

      eisv-lumen lvm serve --model runs/p1 --index runs/lvm/wiki --port 9007

      curl localhost:9007/chat --json '{"paragraph": "It rained. It poured."}'
    """
    from ...core.errors import InputError

    try:
        from ...lvm.serving.app import Limits
        from ...lvm.serving.app import serve as run
        from ...lvm.serving.load import open_service
    except ModuleNotFoundError as error:
        raise InputError(
            f"serving needs {error.name}, which is not installed: pip install 'eisv-lumen[lvm]'"
        ) from error

    def load() -> Service:
        return open_service(model, index, decoder=decoder.value, approximate=approximate)

    def ready() -> None:
        typer.echo(f"listening on http://{host}:{port} (Ctrl-C stops it)", err=True)

    limits = Limits(
        body_bytes=body_bytes,
        at_once=at_once,
        connections=connections,
        request_seconds=patience,
        origins=tuple(cors_origin or ()),
        root_path=root_path,
    )
    run(load, host, port, limits, ready)


def _show(rows: list[Retrieved]) -> None:
    from rich.console import Console
    from rich.table import Table

    head = rows[0]
    title = (
        f"{head.windows} windows of {head.articles} articles; shortlists of {head.k}, "
        f"scope {head.scope}; R@1 can be {head.ceiling:.3f} at most"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(
        ("first", "reranked by", *(f"Contain@{n}" for n in head.contain), "R@1", "R@5", "MRR")
    ):
        table.add_column(column, justify="left" if i < 2 else "right", no_wrap=True)
    for row in rows:
        found = (row.recall_1, row.recall_5, row.mrr)
        table.add_row(
            row.first,
            row.reranker or "–",
            *(f"{value:.3f}" for value, _, _ in row.contain.values()),
            *(f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in found),
        )
    Console(width=200, highlight=False).print(table)
