"""The explorer as it is published, laid out in a folder and running in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from .running import running

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The Space's content in a folder, as a publish lays it out; made once for all workers."""
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "explorer"
    with FileLock(f"{shared}.lock"):
        if not shared.is_dir():
            _lay_out(shared, shared.with_name("teacher") / "small")
    return shared


def _lay_out(folder: Path, model: Path) -> None:
    from eisv_lumen.hub.contents.explorer import explorer_contents

    _train(model)
    contents = explorer_contents(ROOT, "ada", models={"small": model})
    aside = folder.with_name("explorer.new")
    for path, source in contents.items():
        place = aside / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    aside.rename(folder)


def _train(out: Path) -> None:
    """Train a small teacher for some seventy steps on random walks."""
    from eisv_lumen.expression.law import initial_laws
    from eisv_lumen.teacher.data.examples import draw_examples
    from eisv_lumen.teacher.prompt.messages import render_windows
    from eisv_lumen.teacher.recipe import Recipe
    from eisv_lumen.teacher.training.train import train
    from eisv_lumen.trajectory.series import windows_from_arrays

    rng = np.random.default_rng(3)
    t = np.cumsum(rng.exponential(2.3, (300, 20)), axis=1)
    walk = rng.random((300, 1, 4)) + np.cumsum(rng.normal(0, 0.05, (300, 20, 4)), axis=1)
    windows = windows_from_arrays(t, np.clip(walk, 0, 1))
    recipe = Recipe.model_validate(
        {
            "name": "small",
            "base": "tiny",
            "model": {"hidden_size": 32, "intermediate_size": 64},
            "data": {"source": "synthetic", "style": "compact"},
            "training": {
                "per_device_train_batch_size": 16, "num_train_epochs": 4, "learning_rate": 1e-2,
                "lr_scheduler_type": "cosine", "adam_beta2": 0.98, "save_strategy": "no",
            },
        }
    )  # fmt: skip
    examples = draw_examples(render_windows(windows, "compact"), windows.shape, initial_laws(), 3)
    train(recipe, examples, out, device="cpu")


@pytest.fixture(scope="session")
def url(space: Path) -> Iterator[str]:
    """The running app. Its start is timed and told, not asserted: the machine may be busy."""
    with running(space) as (address, seconds, _):
        print(f"the explorer answered {seconds:.1f} s after it was started", file=sys.stderr)
        yield address
