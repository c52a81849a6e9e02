"""A checkpoint with a file cut short is left for the whole one before it."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from eisv_lumen.core.notices import Notice
from eisv_lumen.core.runs import STATE, last_checkpoint


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt"])
def test_the_older_whole_one_is_taken(tmp_path, name):
    for step in (21, 42):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file({"w": np.ones(9, np.float32)}, folder / "model.safetensors")
        torch.save({"lr": torch.ones(9)}, folder / "optimizer.pt")
        (folder / STATE).write_text(json.dumps({"global_step": step}))
    assert last_checkpoint(tmp_path).name == "checkpoint-42"
    spoiled = tmp_path / "checkpoint-42" / name
    spoiled.write_bytes(spoiled.read_bytes()[:-20])
    with pytest.warns(Notice, match=rf"checkpoint-42/{name}: .*cut short.*left out"):
        assert last_checkpoint(tmp_path).name == "checkpoint-21"
