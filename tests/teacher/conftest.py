import numpy as np
import pytest

from eisv_lumen.expression.law import initial_laws
from eisv_lumen.teacher.data.examples import draw_examples
from eisv_lumen.teacher.prompt.messages import render_windows
from eisv_lumen.teacher.recipe import Recipe
from eisv_lumen.trajectory.series import windows_from_arrays


@pytest.fixture(scope="session")
def windows():
    """Random walks of seven states: several shapes among them."""
    rng = np.random.default_rng(5)
    t = np.cumsum(rng.exponential(2.3, (240, 7)), axis=1)
    walk = rng.random((240, 1, 4)) + np.cumsum(rng.normal(0, 0.08, (240, 7, 4)), axis=1)
    return windows_from_arrays(t, np.clip(walk, 0, 1), 0.35 * rng.random((240, 7)))


@pytest.fixture(scope="session")
def recipe():
    return Recipe.model_validate(
        {
            "name": "test",
            "base": "tiny",
            "model": {"hidden_size": 32, "intermediate_size": 64},
            "data": {"source": "synthetic", "style": "compact"},
            "training": {
                "per_device_train_batch_size": 16,
                "num_train_epochs": 4,
                "learning_rate": 1e-2,
                "lr_scheduler_type": "cosine",
                "adam_beta2": 0.98,
                "logging_steps": 5,
                "save_strategy": "no",
            },
        }
    )


@pytest.fixture(scope="session")
def examples(windows):
    return draw_examples(render_windows(windows, "compact"), windows.shape, initial_laws(), 3)


@pytest.fixture(scope="session")
def trained(recipe, examples, tmp_path_factory):
    """A teacher of 60 steps: its folder and its record."""
    from eisv_lumen.teacher.training.train import train

    out = tmp_path_factory.mktemp("teacher")
    return out, train(recipe, examples, out, device="cpu")


@pytest.fixture(scope="session")
def teacher(trained):
    from eisv_lumen.teacher.models.load import load_teacher

    return load_teacher(trained[0], "cpu")
