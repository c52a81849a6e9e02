# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.13"]
#
# [tool.hf-jobs]
# name = "eisv-lumen-teacher"
# flavor = "h200"
# timeout = "6h"
# secrets = ["HF_TOKEN"]
# env = { HF_HUB_DISABLE_TELEMETRY = "1" }
# ///
"""Train a teacher on Hugging Face Jobs, evaluate it, and keep both in a repo of yours.

    WHEEL=https://huggingface.co/spaces/NS/explorer/resolve/REVISION/eisv_lumen-VERSION-py3-none-any.whl
    hf jobs uv run --with $WHEEL --dry-run jobs/train_teacher.py v4 you/eisv-lumen-v4
    hf jobs uv run --with $WHEEL jobs/train_teacher.py v4 you/eisv-lumen-v4  # h200, 6 h at most
    hf jobs uv run --with $WHEEL --flavor a100x4 jobs/train_teacher.py v4 you/eisv-lumen-v4

The dry run shows the job and submits nothing. A process a GPU, as many as there are. The settings
of the job stand in this file's header, those of the training in the recipe. The repo is made
private, and is laid out as `eisv-lumen publish` does: `from_pretrained` and `load_teacher` load it.
The model is uploaded before it is evaluated, the report and the card after. Checkpoints are not
kept: a job that is cut short begins anew.

The package comes from the wheel that you name with `--with`: it lies in the Explorer Space, which
has to be public for that. Never give `eisv-lumen` by that name alone: the name on PyPI is not ours,
and whatever is installed by it would hold your token.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import torch
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    from eisv_lumen.core.errors import InputError
    from eisv_lumen.evaluation.report import EvalReport, read_report
    from eisv_lumen.hub.contents.context import default_root
    from eisv_lumen.hub.contents.teacher import teacher_files
    from eisv_lumen.hub.publishing.retry import Backoff, patiently
    from eisv_lumen.teacher.models.load import SMOLLM2
    from eisv_lumen.teacher.recipe import load_recipe
    from eisv_lumen.teacher.training.train import check_recipe
except ModuleNotFoundError:
    sys.exit(
        "train_teacher: eisv_lumen is not installed; give the address of its wheel: --with "
        "https://huggingface.co/spaces/NS/explorer/resolve/main/eisv_lumen-VERSION-py3-none-any.whl"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", help="name of a packaged recipe, or a YAML file in the job")
    parser.add_argument("repo", help="owner/name: where weights, training.json and report go")
    args = parser.parse_args()
    try:
        run(args.recipe, args.repo)
    except InputError as error:
        parser.error(str(error))


def run(recipe: str, repo: str) -> None:
    """Train, upload, evaluate, upload."""
    api, backoff = HfApi(library_name="eisv-lumen"), Backoff()
    # Before the hours, not after: what is mistyped, and whether one may write there.
    chosen = load_recipe(recipe)
    check_recipe(chosen)
    check_repo(repo)
    if chosen.lora is not None and (chosen.base == SMOLLM2 or Path(chosen.base).is_dir()):
        raise InputError(
            f"recipe {recipe}: its adapter's base {chosen.base!r} is no repo of the Hub, so nobody "
            "could load what the job leaves; name the base by its id"
        )
    patiently(
        lambda: api.create_repo(repo, private=True, exist_ok=True), backoff, f"creating {repo}"
    )
    namespace, _, name = repo.partition("/")

    def upload(what: str, report: EvalReport | None) -> None:
        files = teacher_files(default_root(), namespace, name, out, report)
        adds = [CommitOperationAdd(path, source) for path, source in sorted(files.items())]
        patiently(  # the same files sent twice are one commit
            lambda: api.create_commit(repo, adds, commit_message=f"Recipe {recipe}: {what}"),
            backoff,
            f"uploading the {what} to {repo}",
        )

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "teacher"
        if code := teacher("train", recipe, "--out", out):
            sys.exit(f"train_teacher: training ended with {code}; nothing was uploaded")
        upload("model", None)
        if code := teacher("evaluate", out, "--out", out / "report.json"):
            sys.exit(f"train_teacher: evaluation ended with {code}; the model is in {repo}")
        upload("report", read_report(out / "report.json"))


def check_repo(repo: str) -> None:
    """Refuse what cannot be the name of a repo."""
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise InputError(f"repo: {error}") from error
    if "/" not in repo:
        raise InputError(f"repo {repo!r}: give owner and name, as in you/eisv-lumen-v4")


def teacher(*command: object) -> int:
    """Run `eisv-lumen teacher` with a process a GPU; return how it ended."""
    processes = max(torch.cuda.device_count(), 1)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += [f"--nproc_per_node={processes}", "-m", "eisv_lumen.cli", "teacher"]
    return subprocess.run([*torchrun, *map(str, command)], check=False).returncode


if __name__ == "__main__":
    main()
