"""`eisv-lumen teacher`: train a language model to imitate the voice, and let it speak."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.outputs import check_result_folder, json_with
from ..core.runs import RUN_NAMES as RUN
from ..core.runs import is_run
from . import print_json
from .options import REPORT, Force, Json, new_file, new_folder

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Train a language model to imitate the voice.",
    rich_markup_mode=None,
)

_Model = Annotated[
    str,
    typer.Argument(
        help="Folder that `teacher train` wrote, a published copy, or owner/name[@revision] on "
        "the Hub."
    ),
]
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
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the model and training.json.", callback=new_folder(RUN, is_run)
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Windows in place of the recipe's: a Parquet file, or the folder that `data build "
            "--split` wrote, of which the train split is taken."
        ),
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
    from ..core.arithmetic import pin_instruction_set
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

    pin_instruction_set()
    chosen = load_recipe(recipe)
    check_recipe(chosen)
    facts = None
    if data is None:
        corpus = recipe_corpora(chosen.data, ["train"])["train"]
    else:
        from ..teacher.data.given import split_file
        from ..trajectory.dataset.schema import read_table, windows_from_table

        file = split_file(data, "train", chosen.data.window)
        corpus = corpus_of_windows([windows_from_table(read_table(file))], chosen.data)
        facts = {"data": facts_of_file(file)}
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


def _is_export(folder: Path) -> bool:
    yaml = folder / "sft.yaml"
    return yaml.is_file() and "dataset_name:" in yaml.read_text(encoding="utf-8", errors="replace")


def _empty_or_hub(out: str) -> str:
    """Refuse a folder that holds something."""
    if not out.startswith("hf://"):
        check_result_folder(Path(out), ("data", "base", "sft.yaml"), _is_export)
    return out


@app.command()
def export(
    recipe: Annotated[str, typer.Argument(help="Name of a packaged recipe, or a YAML file.")],
    out: Annotated[
        str,
        typer.Option(
            help="An empty folder, or hf://owner/name: a private dataset repo on the Hub.",
            callback=_empty_or_hub,
        ),
    ],
    device: _Device = None,
) -> None:
    """Write a recipe for TRL: a prompt/completion dataset, and a YAML for `trl sft --config`.

    For instance:

      eisv-lumen teacher export tiny-v4 --out sft

      trl sft --config sft/sft.yaml
    """
    import tempfile

    from ..teacher.data.windows import recipe_corpora, recipe_examples
    from ..teacher.recipe import load_recipe
    from ..teacher.training.export import export as write
    from ..teacher.training.export import push

    chosen = load_recipe(recipe)
    examples = recipe_examples(chosen.data, recipe_corpora(chosen.data, ["train"])["train"])
    name = out.removeprefix("hf://")
    if name == out:
        typer.echo(f"trl sft --config {write(chosen, examples, out, device=device)}")
        return
    with tempfile.TemporaryDirectory() as folder:
        write(chosen, examples, folder, dataset_name=name, device=device)
        typer.echo(push(chosen, Path(folder), name))


@app.command()
def evaluate(
    model: _Model,
    out: Annotated[
        Path,
        typer.Option(help="The report to write (JSON).", callback=new_file(json_with(**REPORT))),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Windows (Parquet), the folder that `data build --split` wrote (its test split), "
            "or summaries (JSON lines: those kept for evaluation); by default the test part of "
            "the recipe's own data."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws a window, for excess nats.")] = 16,
    replace: Force = False,
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
    from ..teacher.models.load import model_folder
    from .evaluate import show_report

    def say(text: str) -> None:
        if is_first():
            typer.echo(text, err=True)

    check_file_place(out)
    folder = model_folder(model)
    named = Path(model).absolute().name if Path(model).is_dir() else model
    corpus, facts = read_corpus(folder, data)
    with together():
        report = teacher_report(
            folder,
            corpus.prompts,
            corpus.shape,
            name=out.stem,
            title=title or f"teacher {named}",
            # By name: where files lie on this machine is not for those who read the report.
            command=f"eisv-lumen teacher evaluate {named} --out {out.name}"
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
    model: _Model,
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

    A message has to be whole, in the style that the teacher was taught; `teacher speak` writes
    such messages from a log. For instance:

      eisv-lumen teacher speak runs/tiny-v4 anima.db --messages > messages.jsonl

      eisv-lumen teacher generate runs/tiny-v4 --prompts messages.jsonl --seed 7
    """
    import json

    from ..core.errors import InputError
    from ..core.files import read_text
    from ..teacher.evaluation.generate import generate as answer
    from ..teacher.models.load import load_teacher

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
        typer.echo(json.dumps({"text": text, **_said(text)}, ensure_ascii=False))


def _said(text: str) -> dict[str, Any]:
    from ..expression.answer import Parsed, parse

    parsed = parse(text)
    if isinstance(parsed, Parsed):
        return {"tokens": parsed.tokens, "pattern": parsed.pattern}
    return {"invalid": parsed.reason}


@app.command()
def speak(
    model: _Model,
    source: Annotated[
        str,
        typer.Argument(
            help="What to speak of: a log, a dataset (Parquet, folder, owner/name), or summaries "
            "(JSON lines)."
        ),
    ],
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    n: Annotated[
        int, typer.Option("-n", "--n", min=1, help="How often to speak of each window.")
    ] = 1,
    messages: Annotated[
        bool, typer.Option("--messages", help="Print the user messages alone, for `generate`.")
    ] = False,
    device: _Device = None,
) -> None:
    """Let a teacher speak of windows; prints a JSON object a line.

    Where the teacher was taught with the shape's name, the messages name what the rules find.

    For instance:

      eisv-lumen teacher speak runs/tiny-v4 anima.db --temperature 0.3

      eisv-lumen teacher speak you/eisv-lumen-teacher@v0.1.0 summaries.jsonl -n 5
    """
    import json

    from ..expression.vocabulary import SHAPES
    from ..teacher.data.given import prompts_of_source
    from ..teacher.data.windows import training_record
    from ..teacher.evaluation.generate import generate as answer
    from ..teacher.models.load import load_teacher, model_folder

    folder = model_folder(model)
    _, recipe = training_record(folder)
    prompts, shapes = prompts_of_source(source, recipe)
    if messages:
        for prompt in prompts:
            typer.echo(json.dumps(prompt, ensure_ascii=False))
        return
    asked = [prompt for prompt in prompts for _ in range(n)]
    texts = answer(load_teacher(folder, device), asked, temperature=temperature, seed=seed)
    for place, text in enumerate(texts):
        window = place // n
        row: dict[str, Any] = {"window": window}
        if shapes is not None:
            row["shape"] = SHAPES[shapes[window]]
        typer.echo(json.dumps({**row, **_said(text)}, ensure_ascii=False))
