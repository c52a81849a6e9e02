"""Windows that somebody brings along: split folders, logs and summaries."""

import json

import pytest
from typer.testing import CliRunner

from eisv_lumen.cli import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.answer import Parsed, parse
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.given import prompts_of_source, split_file
from eisv_lumen.teacher.data.windows import facts_of_file, read_corpus
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.recipe import DataRecipe
from eisv_lumen.trajectory.dataset.schema import read_table, synthesize, write_parquet


@pytest.fixture
def dataset(tmp_path):
    for length in (5, 20):
        folder = tmp_path / "dataset" / f"window_{length}"
        folder.mkdir(parents=True)
        for seed, split in enumerate(("train", "validation", "test")):
            table = synthesize({SHAPES[0]: 2, SHAPES[8]: 3}, window=length, seed=seed)
            write_parquet(folder / f"{split}.parquet", table)
    return tmp_path / "dataset"


def test_a_folder_gives_the_split_of_the_recipes_length(dataset):
    assert split_file(dataset, "test", 5) == dataset / "window_5" / "test.parquet"
    assert split_file(dataset / "window_20", "train", 5) == dataset / "window_20" / "train.parquet"
    one = dataset / "window_5" / "train.parquet"
    assert split_file(one, "test", 20) == one
    with pytest.raises(InputError, match="it has window_20, window_5, and the recipe's windows"):
        split_file(dataset, "train", 10)
    with pytest.raises(InputError, match=r"no later\.parquet in it"):
        split_file(dataset, "later", 5)
    with pytest.raises(InputError, match="no such file or folder"):
        split_file(dataset / "nothing", "train", 5)


def test_a_teacher_is_evaluated_on_the_test_split_of_a_folder(trained, dataset):
    corpus, facts = read_corpus(trained[0], dataset)
    assert facts == facts_of_file(dataset / "window_20" / "test.parquet")
    assert len(corpus) == 5


def test_messages_name_the_shape_where_the_style_does(dataset):
    source = str(dataset / "window_20" / "test.parquet")
    sighted = DataRecipe(source="synthetic", style="compact")
    prompts, shapes = prompts_of_source(source, sighted)
    assert [prompt.split("\n")[0] for prompt in prompts] == [f"SHAPE: {SHAPES[k]}" for k in shapes]
    blind, _ = prompts_of_source(source, DataRecipe(source="synthetic", style="blind"))
    assert [f"SHAPE: {SHAPES[k]}\n{b}" for k, b in zip(shapes, blind, strict=True)] == prompts
    assert read_table(source).num_rows == len(prompts)


def test_a_teacher_speaks_of_windows_and_its_messages_can_be_generated_from(
    trained, teacher, dataset, tmp_path
):
    source = str(dataset / "window_20" / "test.parquet")
    run = CliRunner().invoke
    spoken = run(app, ["teacher", "speak", str(trained[0]), source, "-n", "2", "--seed", "3"])
    assert spoken.exit_code == 0, spoken.output
    rows = [json.loads(line) for line in spoken.stdout.splitlines()]
    assert [row["window"] for row in rows] == [k for k in range(5) for _ in range(2)]
    prompts, _ = prompts_of_source(source, DataRecipe(source="synthetic", style="compact"))
    said = [parse(text) for text in generate(teacher, [p for p in prompts for _ in "ab"],
                                             temperature=1.0, seed=3)]  # fmt: skip
    heard = [list(p.tokens) if isinstance(p, Parsed) else None for p in said]
    assert [row.get("tokens") for row in rows] == heard and any(heard)
    asked = run(app, ["teacher", "speak", str(trained[0]), source, "--messages"])
    (tmp_path / "messages.jsonl").write_text(asked.stdout, "utf-8")
    answered = run(
        app,
        ["teacher", "generate", str(trained[0]), "--prompts", str(tmp_path / "messages.jsonl")],
    )
    assert answered.exit_code == 0 and len(answered.stdout.splitlines()) == 5
