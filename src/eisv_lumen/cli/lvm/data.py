"""From text to sequences, and the gates before training."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...core.outputs import json_with
from .. import print_json
from ..options import new_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...lvm.data.data_gates import GateReport
    from ...lvm.data.embed import Progress

app = typer.Typer()

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
_Seed = Annotated[int, typer.Option(min=0, help="Seed of the draw.")]


class Drawing(StrEnum):
    """How articles are drawn."""

    hash = "hash"
    permutation = "permutation"


_Draw = Annotated[
    Drawing,
    typer.Option(
        "--draw", help="hash: an article more moves no other; permutation: as earlier results."
    ),
]


@app.command()
def embed(
    source: Annotated[
        str,
        typer.Argument(
            help="wiki, kjv, kjv-narrative, pydoc or stdlib; a folder of .txt, .md and .markdown "
            "(or .html made by Sphinx); a .parquet file; owner/name on the Hub."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for vectors.safetensors and chunks.parquet.")],
    encoder: Annotated[
        str, typer.Option(help="A sentence-transformers model: a folder or an id of the Hub.")
    ] = "all-MiniLM-L6-v2",
    by: Annotated[str | None, typer.Option(help="Chunks by words, paragraph or sentence.")] = None,
    words: Annotated[int | None, typer.Option(min=1, help="Aim of --by words.")] = None,
    min_words: Annotated[int | None, typer.Option(min=1, help="Leave out shorter chunks.")] = None,
    at_most: Annotated[
        int | None, typer.Option(min=1, help="Chunks of an article at most, its first.")
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Keep the rest, too, as articles `NAME (2)`, …")
    ] = False,
    articles: Annotated[
        int | None, typer.Option(min=1, help="Draw so many articles; all by default.")
    ] = None,
    seed: _Seed = 0,
    corpus: Annotated[
        str | None, typer.Option(help="Name put before each article's; by default the source's.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Of a Parquet file or dataset.")] = "text",
    id_column: Annotated[
        str | None, typer.Option(help="Names of articles; else by what they say.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of a dataset.")] = "train",
    how_drawn: _Draw = Drawing.hash,
    cache: Annotated[
        Path | None,
        typer.Option(help="Vectors kept between runs; else $EISV_LUMEN_CACHE or ~/.cache."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps.")] = "cpu",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Above 1, a text's neighbours move its vector by some 1e-7.")
    ] = 1,
    as_json: _Json = False,
) -> None:
    """Cut articles into chunks and embed each; kill it, and the same command goes on.

    For instance:

      eisv-lumen lvm embed wiki --out runs/lvm/wiki

      eisv-lumen lvm embed notes/ --out runs/notes --by paragraph --min-words 10

      eisv-lumen lvm embed kjv --out runs/lvm/kjv --parts

      eisv-lumen lvm embed corpus.parquet --out runs/c --encoder sentence-transformers/gtr-t5-base
    """
    from dataclasses import asdict

    from transformers.utils.logging import disable_progress_bar

    from ...lvm.data.corpus import corpus_name, draw, read_articles
    from ...lvm.data.embed import Encoder, default_cache, embed_articles
    from ...lvm.data.splits import whole_of
    from ...lvm.data.storage import check_place, write_chunks
    from ...lvm.data.texts import usual_cut

    check_place(out)
    given = {"by": by, "words": words, "min_words": min_words, "at_most": at_most}
    given["parts"] = parts or None
    how = usual_cut(source, {k: v for k, v in given.items() if v is not None})
    found = read_articles(source, text_column=text_column, id_column=id_column, split=split)
    drawn = draw(found, articles or len(found), seed, how_drawn.value)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    loaded = Encoder.load(encoder, device)
    name = corpus_name(source) if corpus is None else corpus
    with _bar("embedding") as progress:
        chunks = embed_articles(
            drawn,
            how,
            loaded,
            cache or default_cache(),
            corpus=name,
            batch_size=batch_size,
            progress=progress,
        )
    about = loaded.provenance(batch_size) | {
        "source": source,
        "articles": {
            "found": len(found),
            "drawn": len(drawn),
            "kept": len({whole_of(a) for a in chunks.article_ids}),
            "seed": seed,
            "draw": how_drawn.value,
        },
        "cut": asdict(how),
        "longer_than_encoder_reads": len(loaded.longer(chunks.texts)),
    }
    write_chunks(chunks, out, about)
    if as_json:
        print_json({"out": str(out), "chunks": len(chunks), **about})
        return
    typer.echo(
        f"{len(chunks)} chunks of {len(chunks.article_ids)} articles in {out}; "
        f"{about['longer_than_encoder_reads']} are longer than the encoder reads"
    )


def _is_sequences(folder: Path) -> bool:
    return json_with(splits=dict)(folder / "splits.json")


@app.command()
def sequences(
    sources: Annotated[
        list[Path], typer.Argument(help="Folders that `embed` wrote, or the study's .npz files.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder that gets a folder for each split.",
            callback=new_folder(("splits.json",), _is_sequences),
        ),
    ],
    context: Annotated[int, typer.Option(min=1, help="K, chunks before the target.")] = 5,
    shares: Annotated[
        str, typer.Option(help="SPLIT=SHARE,…: of the articles of each corpus; fresh is for last.")
    ] = "train=0.6,validation=0.14,test=0.12,fresh=0.14",
    ood: Annotated[
        list[Path] | None, typer.Option(help="Another corpus, whole, as split ood; repeatable.")
    ] = None,
    recut: Annotated[
        list[Path] | None,
        typer.Option(
            help="The same texts cut otherwise: more of train's articles, as split train-recut; "
            "repeatable."
        ),
    ] = None,
    train_windows: Annotated[
        int | None, typer.Option(min=1, help="Thin train to so many, each article its share.")
    ] = None,
    seed: _Seed = 0,
    how_drawn: _Draw = Drawing.hash,
    drop_copies: Annotated[
        bool,
        typer.Option(
            "--drop-copies", help="Leave near copies of an earlier split's text out of a later one."
        ),
    ] = False,
    encoder: Annotated[str, typer.Option(help="Encoder of .npz files, which do not say.")] = "",
    as_json: _Json = False,
) -> None:
    """Lay windows over chunks and give each article, whole, to one split.

    For instance:

      eisv-lumen lvm sequences runs/lvm/wiki runs/lvm/kjv --out runs/lvm/sequences

      eisv-lumen lvm sequences runs/lvm/kjv --recut runs/lvm/kjv-40 --out runs/lvm/sequences

      eisv-lumen lvm sequences study.npz --out seq --encoder gtr-t5-base
    """
    from ...lvm.data.build import Plan, build_splits, parse_shares

    plan = Plan(
        context_length=context,
        shares=parse_shares(shares),
        train_windows=train_windows,
        seed=seed,
        encoder=encoder,
        draw=how_drawn.value,
        drop_copies=drop_copies,
    )
    record = build_splits(sources, ood or [], out, plan, recut or [])
    if short := record["short_articles"]:
        shown = ", ".join(short[:5]) + (", …" if len(short) > 5 else "")
        typer.echo(f"{len(short)} articles are shorter than a window: {shown}", err=True)
    for split, copies in record["near_copies_left_out"].items():
        shown = ", ".join(copies[:5]) + (", …" if len(copies) > 5 else "")
        typer.echo(f"{split}: {len(copies)} near copies are left out: {shown}", err=True)
    if as_json:
        print_json(record)
        return
    for name, split in record["splits"].items():
        corpora = ", ".join(
            f"{corpus} {c['articles']}/{c['windows']}" for corpus, c in split["corpora"].items()
        )
        typer.echo(f"{name:<11}{split['articles']:>6} articles{split['windows']:>8} windows  "
                   f"({corpora})")  # fmt: skip


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="What `sequences` wrote, or one split of it.")],
    by_corpus: Annotated[bool, typer.Option(help="Check each corpus by itself.")] = False,
    as_json: _Json = False,
) -> None:
    """Hold data against the gates before training; exits with 1 where one fails.

    Shown beside them are three readings of the study that cannot decide, with the reason.

    For instance:

      eisv-lumen lvm check runs/lvm/sequences --by-corpus
    """
    from ...lvm.data.data_gates import check as check_data
    from ...lvm.data.splits import corpora, take_corpus
    from ...lvm.data.storage import read_sequences

    paths = [folder / "train", folder / "validation"] if (folder / "train").is_dir() else [folder]
    sets = [read_sequences(path) for path in paths]
    names = corpora(sets[0].article_ids) if by_corpus else ("all",)
    reports = {
        name: check_data(*((take_corpus(s, name) for s in sets) if by_corpus else sets))
        for name in names
    }
    if as_json:
        print_json({name: report.as_json() for name, report in reports.items()})
    else:
        for name, report in reports.items():
            typer.echo(f"{name}: {'passed' if report.passed else 'FAILED'}")
            for line in _lines(report):
                typer.echo(f"  {line}")
    if not all(report.passed for report in reports.values()):
        raise typer.Exit(1)


def _lines(report: GateReport) -> Iterator[str]:
    yield f"{'gate':<26}{'split':<19}{'value':>8}{'threshold':>11}{'no order':>10}"
    for gate in report.gates:
        floor = "" if gate.floor is None else f"{gate.floor:+.3f}"
        sign = "<=" if gate.name.startswith("parity") else ">="
        yield (
            f"{gate.name:<26}{gate.split:<19}{gate.value:>+8.3f}{sign:>4}{gate.threshold:>+7.2f}"
            f"{floor:>10}{'' if gate.passed else '  FAILS'}"
        )
    yield "cannot decide:"
    for split, n in report.narrative.items():
        yield (
            f"  narrative delta, {split}: {n.measured:+.5f}; the ends of its runs alone give "
            f"{n.telescoped:+.5f}, none could exceed {n.bound:.4f}"
        )
    for split, p in report.next_token.items():
        yield (
            f"  P6 delta, {split}: {p.forward:+.4f}; with time reversed {p.backward:+.4f}: "
            "it measures distance, not direction"
        )
    for split, f in report.distinctness.items():
        yield (
            f"  forward-distinctness, {split}: the published score selects windows with "
            f"cos(c_last, y) {f.last_cosine_of_published_top:.3f}, the corrected one "
            f"{f.last_cosine_of_corrected_top:.3f}; c_last is nearest in {f.last_is_nearest:.3f}"
        )


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    """Show a bar on stderr, or in a file a line now and then, and yield what moves it."""
    if not sys.stderr.isatty():
        yield _lines_of_progress(what)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines_of_progress(what: str, seconds: float = 10.0) -> Progress:
    """Return what says on stderr, at most every few seconds, how far a step is."""
    began = last = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done and (now - last >= seconds or done == total):
            last = now
            left = (now - began) * (total - done) / done
            typer.echo(f"{what}: {done} of {total}, about {left:.0f} s left", err=True)

    return say
