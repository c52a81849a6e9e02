# /// script
# requires-python = ">=3.11"
# dependencies = ["eisv-lumen", "torch>=2.13"]
#
# [tool.hf-jobs]
# name = "eisv-lumen-teacher"
# flavor = "h200"
# timeout = "6h"
# secrets = ["HF_TOKEN"]
# env = { HF_HUB_DISABLE_TELEMETRY = "1" }
# ///
"""Train a teacher on Hugging Face Jobs, evaluate it, and keep both in a repo of yours.

    hf jobs uv run --dry-run jobs/train_teacher.py v4 you/eisv-lumen-v4    # shows, submits nothing
    hf jobs uv run jobs/train_teacher.py v4 you/eisv-lumen-v4              # h200, 6 h at most
    hf jobs uv run --flavor a100x4 jobs/train_teacher.py v4 you/eisv-lumen-v4

A process a GPU, as many as there are. The settings of the job stand in this file's header, those
of the training in the recipe. Until `eisv-lumen` is on PyPI, add `--with` and where a wheel of it
is. The repo is made private. Checkpoints are not kept: a job that is cut short begins anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from huggingface_hub import HfApi


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", help="name of a packaged recipe, or a YAML file in the job")
    parser.add_argument("repo", help="owner/name: where weights, training.json and report go")
    args = parser.parse_args()

    api = HfApi()
    api.create_repo(args.repo, private=True, exist_ok=True)  # before the hours, not after
    processes = max(torch.cuda.device_count(), 1)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += [f"--nproc_per_node={processes}", "-m", "eisv_lumen.cli", "teacher"]
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "teacher"
        subprocess.run([*torchrun, "train", args.recipe, "--out", out], check=True)
        subprocess.run([*torchrun, "evaluate", out, "--out", out / "report.json"], check=True)
        api.upload_folder(
            repo_id=args.repo, folder_path=out, commit_message=f"Recipe {args.recipe}"
        )


if __name__ == "__main__":
    main()
