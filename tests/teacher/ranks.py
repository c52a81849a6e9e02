"""What each rank of a torchrun does in test_ranks: train the recipes of a folder, listen to one."""

import sys
from pathlib import Path

from eisv_lumen.core.files import write_json
from eisv_lumen.core.runs import is_first
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.windows import recipe_corpora, recipe_examples, target_laws
from eisv_lumen.teacher.evaluation.distributed import together
from eisv_lumen.teacher.evaluation.evaluate import excess_nats
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.models.load import load_teacher
from eisv_lumen.teacher.prompt.messages import render_windows
from eisv_lumen.teacher.recipe import load_recipe
from eisv_lumen.teacher.training.train import train
from eisv_lumen.trajectory.dataset.schema import synthesize, windows_from_table


def main(folder, model):
    for path in sorted(folder.glob("*.yaml")):
        recipe = load_recipe(path)
        examples = recipe_examples(recipe.data, recipe_corpora(recipe.data, ["train"])["train"])
        train(recipe, examples, folder / path.stem, device="cpu")
    listen(model, folder / "heard.json")


def listen(model, out):
    """Write what a teacher says and thinks of windows enough for several batches of either."""
    windows = windows_from_table(synthesize(dict.fromkeys(SHAPES, 16), window=4, seed=5))
    prompts = render_windows(windows, "compact")
    with together():
        teacher = load_teacher(model, "cpu")
        said = generate(teacher, prompts, temperature=1.0, seed=1, batch_size=30, max_new_tokens=8)
        excess = excess_nats(teacher, prompts, windows.shape, target_laws("initial"), draws=4)
    if is_first():
        write_json(out, {"said": said, "excess": excess.tolist()})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
