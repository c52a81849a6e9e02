"""What is killed: each job begins anew, or goes on, in the folder that it is given."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, Qwen3ForCausalLM  # noqa: F401 (before the fork)

from eisv_lumen.core.files import write_json
from eisv_lumen.hub.publishing.plan import PublishPlan, RepoName, make_plan
from eisv_lumen.hub.publishing.publish import to_folder, to_hub
from eisv_lumen.hub.publishing.retry import Backoff
from eisv_lumen.student.distil import DistilRecipe, distil
from eisv_lumen.student.fit import NetRecipe
from eisv_lumen.teacher.data.windows import recipe_corpora, recipe_examples
from eisv_lumen.teacher.models.load import load_base
from eisv_lumen.teacher.recipe import Recipe
from eisv_lumen.teacher.training.train import train
from eisv_lumen.trajectory.dataset.configs import config_name, split_lengths
from eisv_lumen.trajectory.dataset.schema import write_together
from eisv_lumen.trajectory.sources import read_source

TOKEN = "hf_testTokenThatMustNeverBeShown"


def build(log: Path, out: Path) -> None:
    """`data build --split`, of three lengths."""
    tables, _ = split_lengths(read_source(log), seed=0)
    files = {
        out / config_name(length) / f"{split}.parquet": table
        for length, splits in tables.items()
        for split, table in splits.items()
    }
    write_together(files)


def teach(out: Path) -> None:
    """`teacher train`, with a checkpoint every few steps."""
    raw = {
        "name": "killed", "base": "tiny",
        "model": {"hidden_size": 32, "intermediate_size": 64, "attention_dropout": 0.1},
        "data": {"source": "synthetic", "style": "blind", "per_shape": 60, "window": 5},
        "training": {"per_device_train_batch_size": 8, "max_steps": 60, "save_steps": 5},
    }  # fmt: skip
    recipe = Recipe.model_validate(raw)
    corpus = recipe_corpora(recipe.data, ["train"])["train"]
    train(recipe, recipe_examples(recipe.data, corpus), out, device="cpu")


def untaught(folder: Path) -> None:
    """Save a small teacher that reads summaries, as `teacher train` would."""
    model = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 64}
    for saved in load_base("tiny", "blind", 0, model):
        saved.save_pretrained(folder / "model")
    data = {"source": "summaries", "style": "blind", "n": 300, "seed": 1}
    write_json(folder / "training.json", {"recipe": {"name": "untaught", "data": data}})


def distil_teacher(teacher: Path, out: Path) -> None:
    """`student distil`, of a teacher that reads summaries."""
    few = NetRecipe(hidden=4, steps=300, batch=32)
    distil(teacher, out, DistilRecipe(per_shape=1, whole=4, windows=200, row_steps=30, net=few))


def planned(version: int) -> PublishPlan:
    """Two repos, of which one changes in every file from version to version."""
    card = b"---\nlicense: apache-2.0\n---\n# %d\n" % version
    big = {f"data/{i}.parquet": b"PAR1" + bytes([version, i]) * 400_000 for i in range(8)}
    contents = {
        RepoName("dataset", "windows"): {"README.md": card, **big},
        RepoName("space", "page"): {"README.md": b"---\nsdk: gradio\n---\n", "app.py": b"print()"},
    }
    return make_plan(contents, version="1.0", tag=f"v{version}")


def publish_to_folder(out: Path) -> None:
    """`publish --to folder`, over what an older version has left."""
    assert {o.status for o in to_folder(planned(2), out)} <= {"published", "unchanged"}


def publish_to_hub(url: str, home: Path) -> None:
    """`publish --to hub`, over an older version."""
    import os

    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    os.environ["HF_TOKEN"] = TOKEN
    constants.ENDPOINT, constants.HF_HUB_DISABLE_XET = url, True
    constants.HUGGINGFACE_CO_URL_TEMPLATE = url + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HF_HUB_CACHE = constants.HF_HOME = str(home)
    outcomes = to_hub(planned(2), "ada", backoff=Backoff(tries=4, base=0.001, cap=0.002))
    assert {o.status for o in outcomes} <= {"published", "unchanged"}
