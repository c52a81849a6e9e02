"""Windows that somebody brings along: which file of a folder, and how a teacher is shown them."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.errors import InputError
from ...trajectory.dataset.schema import windows_from_table
from ...trajectory.load import build_table, read_any
from ...trajectory.sources import Source
from ...trajectory.sources.summaries import read_summaries, read_unlabelled
from ...trajectory.windows import STRIDE
from ..prompt.messages import render_summaries, render_windows
from ..recipe import DataRecipe

__all__ = ["prompts_of_source", "split_file"]


def split_file(data: str | os.PathLike[str], split: str, window: int) -> Path:
    """Return the file of one split, of a folder that `data build --split` wrote.

    Parameters
    ----------
    data
        A file, which is returned as it is; a configuration's folder; or the folder of all
        configurations, of which the one with windows of `window` states is taken.
    split
        `train`, `validation` or `test`.
    window
        States in a window, as the recipe has them.

    Raises
    ------
    InputError
        There is no such file, or several configurations and none of that length.
    """
    path = Path(data)
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    if (path / f"{split}.parquet").is_file():
        return path / f"{split}.parquet"
    there = sorted(found.parent for found in path.glob(f"*/{split}.parquet"))
    if not there:
        raise InputError(
            f"{path}: no {split}.parquet in it, nor in a folder of it; give a Parquet file, or the "
            "folder that `data build --split` wrote"
        )
    fitting = [folder for folder in there if folder.name == f"window_{window}"]
    if not fitting and len(there) > 1:
        names = ", ".join(folder.name for folder in there)
        raise InputError(f"{path}: it has {names}, and the recipe's windows have {window} states; "
                         "give one of these folders")  # fmt: skip
    return (fitting or there)[0] / f"{split}.parquet"


def prompts_of_source(source: str, data: DataRecipe) -> tuple[list[str], list[int] | None]:
    """Return the user messages of a log's windows, of a dataset's, or of summaries.

    Parameters
    ----------
    source
        Anything that `load_trajectories` reads, or summaries as JSON lines.
    data
        How the teacher was taught: style, and states in a window.

    Returns
    -------
    prompts : list of str
    shapes : list of int or None
        Positions in `SHAPES`, by the rules or as the source says; None where it does not.

    Raises
    ------
    InputError
        The source cannot be read, or the style names a shape that summaries do not have.
    """
    if Path(source).suffix == ".jsonl" and Path(source).is_file() and _holds_summaries(source):
        if data.style == "blind":
            return render_summaries(read_unlabelled(source), data.style), None
        labelled = read_summaries(source)
        texts = render_summaries(labelled.values, data.style, labelled.shape)
        return texts, labelled.shape.tolist()
    found = read_any(source, window=data.window)
    stride = min(STRIDE, data.window) if isinstance(found, Source) else None  # cut already
    windows = windows_from_table(build_table(found, str(source), data.window, stride))
    return render_windows(windows, data.style), windows.shape.tolist()


def _holds_summaries(source: str) -> bool:
    with Path(source).open(encoding="utf-8", errors="replace") as file:
        return '"mean_E"' in file.readline()
