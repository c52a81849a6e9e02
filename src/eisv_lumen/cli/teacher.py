"""`eisv-lumen teacher`: train a language model to imitate the voice, and let it speak."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from . import print_json
from .options import Json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Train a language model to imitate the voice.",
    rich_markup_mode=None,
)

_Device = Annotated[
    str | None, typer.Option(help="cuda, mps or cpu; by default the first that is there.")
]


@app.command()
def recipes(as_json: Json = False) -> None:
    """List the recipes that come with the package.

    Example: eisv-lumen teacher recipes
    """
    from ..teacher.recipe import load_recipe, recipe_names

    found = {name: load_recipe(name) for name in recipe_names()}
    if as_json:
        print_json(
            {"recipes": {name: recipe.model_dump(mode="json") for name, recipe in found.items()}}
        )
        return
    for name, recipe in found.items():
        typer.echo(f"{name:<20} {recipe.base:<16} {recipe.note}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a packaged recipe, or a YAML file.")],
    out: Annotated[Path, typer.Option(help="Folder for the model and training.json.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Windows in Parquet, in place of those that the recipe makes."),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on from the last checkpoint of the same run.")
    ] = True,
    device: _Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print training.json on stdout.")] = False,
) -> None:
    """Train a teacher by pure cross-entropy; kill it, and the same command goes on.

    For instance:

      eisv-lumen teacher train tiny-v4 --out runs/tiny-v4

      torchrun --nproc_per_node 2 -m eisv_lumen.cli teacher train v4 --out runs/v4
    """
    from ..core.runs import is_first
    from ..teacher.data.windows import (
        corpus_of_windows,
        facts_of_file,
        recipe_corpora,
        recipe_examples,
    )
    from ..teacher.recipe import load_recipe
    from ..teacher.training.train import check_recipe
    from ..teacher.training.train import train as run

    chosen = load_recipe(recipe)
    check_recipe(chosen)
    facts = None
    if data is None:
        corpus = recipe_corpora(chosen.data, ["train"])["train"]
    else:
        from ..trajectory.dataset.schema import read_table, windows_from_table

        corpus = corpus_of_windows([windows_from_table(read_table(data))], chosen.data)
        facts = {"data": facts_of_file(data)}
    examples = recipe_examples(chosen.data, corpus)
    record = run(chosen, examples, out, resume=resume, device=device, facts=facts)
    if not is_first():
        return
    if as_json:
        print_json(record)
    else:
        loss = record.get("final_loss")  # records of earlier versions do not have it
        typer.echo(
            f"{record['steps']} steps, {record['wall_s']:.0f} s"
            + ("" if loss is None else f", final loss {loss:.4f}")
            + f"; model in {out / 'model'}"
        )


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder that `teacher train` wrote.")],
    out: Annotated[Path, typer.Option(help="The report to write (JSON).")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Windows (Parquet), or summaries (JSON lines: those kept for evaluation); by "
            "default the test part of the recipe's own data."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws a window, for excess nats.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report on stdout.")] = False,
) -> None:
    """Score a teacher at T = 1, 0.7, 0.5, 0.3 and greedily, and once with the inherited nucleus.

    For instance:

      eisv-lumen teacher evaluate runs/tiny-v4 --out report.json

      torchrun --nproc_per_node 2 -m eisv_lumen.cli teacher evaluate runs/v4 --out report.json
    """
    from ..core.files import check_file_place
    from ..core.runs import is_first
    from ..evaluation.report import write_report
    from ..teacher.data.windows import read_corpus
    from ..teacher.evaluation.distributed import together
    from ..teacher.evaluation.evaluate import teacher_report
    from .evaluate import show_report

    def say(text: str) -> None:
        if is_first():
            typer.echo(text, err=True)

    check_file_place(out)
    corpus, facts = read_corpus(model, data)
    with together():
        report = teacher_report(
            model,
            corpus.prompts,
            corpus.shape,
            name=out.stem,
            title=title or f"teacher {model.name}",
            # By name: where files lie on this machine is not for those who read the report.
            command=f"eisv-lumen teacher evaluate {model.absolute().name} --out {out.name}"
            + (f" --data {data.name}" if data else ""),
            data=facts,
            draws=draws,
            seed=seed,
            say=say,
        )
    if not is_first():
        return
    write_report(report, out)
    if as_json:
        print_json(report.model_dump(by_alias=True))
    else:
        show_report(report)


@app.command()
def generate(
    model: Annotated[Path, typer.Argument(help="Folder that `train` wrote.")],
    prompts: Annotated[
        Path | None,
        typer.Option(help="JSON lines, each a user message as a string; stdin by default."),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="0 keeps all.")] = 0,
    top_p: Annotated[float, typer.Option(help="1 keeps all.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    device: _Device = None,
) -> None:
    """Let a teacher answer user messages; prints a JSON object a line: text, tokens, or why not.

    Example: echo '"SHAPE: convergence"' | eisv-lumen teacher generate runs/tiny-v4 --seed 7
    """
    import json

    from ..core.errors import InputError
    from ..core.files import read_text
    from ..teacher.evaluation.generate import generate as answer
    from ..teacher.models.load import load_teacher
    from ..teacher.prompt.messages import Parsed, parse

    if not model.is_dir():
        raise InputError(f"{model}: not a folder that teacher train wrote")
    name = str(prompts or "standard input")
    lines = (sys.stdin.read() if prompts is None else read_text(prompts)).splitlines()
    messages: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            message = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{name}, line {number}: not JSON ({error.msg})") from error
        if not isinstance(message, str):
            raise InputError(f"{name}, line {number}: a user message is a JSON string")
        messages.append(message)
    if not messages:
        raise InputError(f"{name}: no user message; give each as a JSON string on a line")
    texts = answer(
        load_teacher(model, device),
        messages,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    for text in texts:
        parsed = parse(text)
        said = (
            {"tokens": parsed.tokens, "pattern": parsed.pattern}
            if isinstance(parsed, Parsed)
            else {"invalid": parsed.reason}
        )
        typer.echo(json.dumps({"text": text, **said}, ensure_ascii=False))
