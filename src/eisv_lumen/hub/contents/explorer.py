"""What the explorer Space consists of: its own files, and all that has to travel with it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.files import json_bytes, read_json
from ...eisv import EISV_DIMS
from ...expression.vocabulary import SHAPES
from ...trajectory.windows import WINDOW, classify
from ..cards.gradio_version import gradio_version
from ..cards.render import load_results, render
from ..publishing.plan import CARD, Source
from .context import without_paths
from .wheel import build_wheel

__all__ = ["EXPLORER", "FAMILY", "LONG_RUN", "example_series", "explorer_contents"]

EXPLORER: Final = "explorer"
FAMILY: Final = "family.py"
"""What the three Spaces share: it lies beside their folders, and is copied into each."""
LONG_RUN: Final = "an_hour_like_lumens"
_APP: Final = ("*.py", "*/*.py", "page/*.css", "page/*.mjs", "requirements.txt")
_MODEL: Final = ("*.json", "*.jinja", "*.safetensors", "*.txt", "*.model")
_STUDENT: Final = ("student.json", "distilled.json")
_SEED: Final = 7
_LONG: Final = 1600
_AROUND: Final = 25  # states of context on either side of a window that shows a shape
_SEARCHED: Final = 400_000  # states of the run in which the shapes are looked for

Floats = npt.NDArray[np.float64]


def explorer_contents(
    root: Path,
    namespace: str,
    *,
    models: Mapping[str, Path] | None = None,
    students: Mapping[str, Path] | None = None,
    post: Mapping[str, Source] | None = None,
) -> dict[str, Source]:
    """Collect the files of the explorer Space.

    Parameters
    ----------
    root
        The repository, with `spaces/explorer/` and `results/`.
    namespace
        Where it will be published: its card names the models and the dataset there.
    models
        Folders of small trained models by name: safetensors, tokenizer and `training.json`, as
        `teacher.train` writes them. They travel in `models/<name>/`.
    students
        Folders of students by name, as `student.distil` writes them. They travel in
        `students/<name>/`.
    post
        The rendered post, `post.md`, and its figures, by path; by default it is rendered here.

    Returns
    -------
    dict
        Path in the Space to a local file or bytes; the same inputs give the same bytes.

    Raises
    ------
    InputError
        A part is missing; the message names it and how to make it.
    """
    here = root / "spaces" / EXPLORER
    files: dict[str, Source] = {
        path.relative_to(here).as_posix(): path for form in _APP for path in sorted(here.glob(form))
    }
    files[FAMILY] = root / "spaces" / FAMILY
    if "app.py" not in files:
        raise InputError(f"{here}: no app.py; give the repository of eisv-lumen")
    results = load_results(root / "results")
    if "imitator" not in results.get("law", {}):
        raise InputError(f"{root / 'results'}: no results of the law; run `make results`")
    files |= {
        f"results/{path.parent.name}/{path.name}": path
        for path in sorted((root / "results").glob("*/*.json"))
        if not path.parent.name.startswith("lvm")  # another subject
    }
    files |= {f"examples/{name}.csv": text for name, text in _examples().items()}
    for name, folder in (models or {}).items():
        files |= _model(name, folder)
    for name, folder in (students or {}).items():
        files |= _student(name, folder)
    post = _posts(root, namespace) if post is None else post
    if "post.md" not in post:
        raise InputError(f"the post has no post.md, only {', '.join(post) or 'nothing'}")
    files |= dict(post)
    wheel, data = build_wheel(root)
    files[wheel] = data
    card = _card(here, namespace, (*(models or ()), *(students or ())))
    return files | {CARD: card}


def example_series() -> Iterator[tuple[str, Floats, Floats, Floats]]:
    """Cut the examples from the Lumen-like process: a long run, and a stretch for each shape.

    Yields
    ------
    name : str
        `LONG_RUN`, then each of `SHAPES`.
    t : ndarray, shape (n,)
        Seconds since the example's first state, to the millisecond.
    X : ndarray, shape (n, 4)
        E, I, S, V to six decimals.
    ethical_drift : ndarray, shape (n,)
        All 0 but for drift_dissonance.
    """
    from ...trajectory.simulate.lumen_like import lumen_like

    plain = lumen_like(_SEARCHED, _SEED)
    adrift = lumen_like(_SEARCHED, _SEED, drift=True)
    t, X = np.round(plain.t - plain.t[0], 3), np.round(plain.X, 6)
    drift = np.round(np.asarray(adrift.ethical_drift), 4)
    none = np.zeros_like(drift)
    yield LONG_RUN, t[:_LONG], X[:_LONG], none[:_LONG]
    for code, shape in enumerate(SHAPES):
        d = drift if shape == "drift_dissonance" else none
        codes = classify(t, X, stride=1, ethical_drift=d)
        at = _clearest(t, codes == code)
        t_cut = t[at] - t[at][0]
        yield shape, np.round(t_cut, 3), X[at], d[at]


def _clearest(t: Floats, shows: npt.NDArray[np.bool_]) -> slice:
    """Return a stretch around a window that shows a shape, with time running on evenly.

    Of all windows that show it, those whose surroundings hold no long gap come first; of these,
    the first after which the shape holds for a few windows more.
    """
    steps = np.diff(t)
    starts = np.flatnonzero(shows[_AROUND : len(shows) - _AROUND]) + _AROUND
    if not starts.size:
        raise InputError("the Lumen-like process shows too few windows of a shape in this run")
    reach = np.lib.stride_tricks.sliding_window_view(steps, WINDOW + 2 * _AROUND - 1)
    around = reach[starts - _AROUND]
    uneven = around.max(1) / np.maximum(np.median(around, axis=1), 1e-3)
    lasting = shows[starts] & shows[np.minimum(starts + 2, len(shows) - 1)]
    best = starts[np.lexsort((starts, ~lasting, uneven > 20))[0]]
    return slice(int(best) - _AROUND, int(best) + WINDOW + _AROUND)


@cache
def _examples() -> dict[str, bytes]:
    out = {}
    for name, t, X, drift in example_series():
        columns = ["t", *EISV_DIMS] + (["ethical_drift"] if drift.any() else [])
        rows = np.column_stack([t, X] + ([drift] if drift.any() else []))
        text = io.StringIO()
        text.write(",".join(columns) + "\n")
        for row in rows.tolist():
            text.write(",".join(f"{x:.6g}" if i else f"{x:.3f}" for i, x in enumerate(row)) + "\n")
        out[name] = text.getvalue().encode("ascii")
    return out


def _model(name: str, folder: Path) -> dict[str, Source]:
    """Return a model's files, from the folder that training wrote or a published copy of it."""
    inner = folder / "model" if (folder / "model").is_dir() else folder
    record = folder / "training.json"
    if not (inner / "config.json").is_file() or not record.is_file():
        raise InputError(f"{folder}: no trained model (config.json, training.json)")
    found: dict[str, Source] = {p.name: p for form in _MODEL for p in sorted(inner.glob(form))}
    found[record.name] = json_bytes(without_paths(read_json(record)))
    return {f"models/{name}/{path}": source for path, source in sorted(found.items())}


def _student(name: str, folder: Path) -> dict[str, Source]:
    missing = [file for file in _STUDENT if not (folder / file).is_file()]
    if missing:
        raise InputError(f"{folder}: lacks {', '.join(missing)}; make it with `student distil`")
    return {f"students/{name}/{file}": folder / file for file in _STUDENT}


_POSTS: Final = {
    "eisv-lumen": "post",
    "eisv-lumen-appendix": "post-appendix",
    "latent-vectors": "vectors",
    "latent-vectors-appendix": "vectors-appendix",
}
"""Posts of `blog/`, and what their files are called in the Space."""


def _posts(root: Path, namespace: str) -> dict[str, bytes]:
    """Return both posts and their figures as they lie in the Space, whose own page they link to."""
    from ..cards.lvm_post import render_lvm_post
    from ..cards.post import render_post

    rendered = render_post(root, space="", namespace=namespace)
    rendered |= render_lvm_post(root, space="", namespace=namespace)
    found = {}
    for path, data in rendered.items():
        name = path.removeprefix("blog/")
        if name.endswith(".md"):
            found[f"{_POSTS[name.removesuffix('.md')]}.md"] = data
        elif name.startswith("figures/") or name == "thumbnail.png":
            found[name] = data
    return found


def _card(here: Path, namespace: str, models: tuple[str, ...]) -> bytes:
    text = render(
        "README.md.jinja",
        here,
        namespace=namespace,
        gradio_version=gradio_version(),
        models=models,
    )
    return text.encode("utf-8")
