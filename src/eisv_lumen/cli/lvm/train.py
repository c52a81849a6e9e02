"""Train a model of the line P1 to P8."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...core.runs import RUN_NAMES as RUN
from ...core.runs import is_run
from .. import print_json
from ..options import Json, new_folder

app = typer.Typer()


@app.command()
def recipes(as_json: Json = False) -> None:
    """List the recipes that come with the package.

    Example: eisv-lumen lvm recipes
    """
    from ...lvm.training.recipe import load_recipe, recipe_names

    found = {name: load_recipe(name) for name in recipe_names()}
    if as_json:
        print_json({"recipes": {n: r.model_dump(mode="json") for n, r in found.items()}})
        return
    for name, recipe in found.items():
        typer.echo(f"{name:<10} {recipe.note}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a packaged recipe, or a YAML file.")],
    training: Annotated[Path, typer.Option("--train", help="Folder of sequences to train on.")],
    validation: Annotated[
        Path, typer.Option(help="Folder of sequences of other articles, for stopping and gates.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the model and training.json.", callback=new_folder(RUN, is_run)
        ),
    ],
    size: Annotated[
        str, typer.Option(help="study, or small: width 128 and 2 layers, for a CPU.")
    ] = "study",
    seed: Annotated[int, typer.Option(min=0, help="Of weights, batches and draws.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Train although the data fail their gates.")
    ] = False,
    resume: Annotated[
        bool, typer.Option(help="Go on from the last checkpoint of the same run.")
    ] = True,
    device: Annotated[
        str | None, typer.Option(help="cuda, mps or cpu; by default the first that is there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print training.json on stdout.")] = False,
) -> None:
    """Train a recipe; kill it, and the same command goes on.

    For instance:

      eisv-lumen lvm train ranker --train seq/train --validation seq/validation --out runs/ranker

      eisv-lumen lvm train p1 --size small --train seq/train --validation seq/validation --out p1
    """
    from typing import cast

    from ...lvm.data.data_gates import check, refuse_or_go
    from ...lvm.data.storage import read_sequences
    from ...lvm.training.recipe import Size, check_recipe, load_recipe
    from ...lvm.training.train import train as run

    chosen = load_recipe(recipe, cast(Size, size))
    check_recipe(chosen)
    parts = read_sequences(training), read_sequences(validation)
    refuse_or_go(check(*parts), force)
    record = run(chosen, *parts, out, seed=seed, resume=resume, device=device)
    if as_json:
        print_json(record)
        return
    readings = "  ".join(f"{name} {value:.3f}" for name, value in record["readings"].items())
    typer.echo(f"{record['outcome']}; {record['steps']} steps, {record['wall_s']:.0f} s")
    typer.echo(f"on validation: {readings}")
    typer.echo(f"model in {out / 'model'}")
