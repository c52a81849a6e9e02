"""What each part of a publish puts into its repo: the builders, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ..errors import InputError
from .plan import CARD, Contents, RepoName, Source

__all__ = ["PARTS", "build_contents"]

METRIC: Final = RepoName("space", "eisv_coherence")
_METRIC_MODULES: Final = ("vocabulary.py", "law.py", "coherence.py")
_METRIC_FILES: Final = ("eisv_coherence.py", "app.py", "requirements.txt")


def metric(root: Path, namespace: str) -> Contents:
    """Return the metric Space: its own files, and the mathematics copied beside them.

    `evaluate` fetches the metric's module and the files that it imports from its own folder.
    """
    from importlib.metadata import version

    from .. import expression
    from ..expression.vocabulary import SHAPES
    from .render import load_results, render

    here, room = root / "spaces" / METRIC.name, Path(expression.__file__).parent
    files: dict[str, Source] = {name: here / name for name in _METRIC_FILES}
    files |= {name: room / name for name in _METRIC_MODULES}
    results = load_results(root / "results")
    if "imitator" not in results.get("law", {}):
        raise InputError(f"{root / 'results'}: no results of the law; run `make results`")
    card = render(
        "README.md.jinja",
        here,
        namespace=namespace,
        shapes=SHAPES,
        imitator=results["law"]["imitator"],
        gradio_version=version("gradio"),
    )
    return {METRIC: {**files, CARD: card.encode("utf-8")}}


_BUILDERS: Final[dict[str, Callable[[Path, str], Contents]]] = {"metric": metric}
PARTS: Final = tuple(_BUILDERS)
"""What can be published."""


def build_contents(
    root: Path, namespace: str, only: Sequence[str] = ()
) -> dict[RepoName, dict[str, Source]]:
    """Collect the files of what is to be published.

    Parameters
    ----------
    root
        The repository, with `results/` and `spaces/`.
    namespace
        Where it will be published: cards name it.
    only
        Some of `PARTS`; all by default.

    Raises
    ------
    InputError
        There is no such part, or something that it is made of is missing.
    """
    for part in only:
        if part not in _BUILDERS:
            raise InputError(f"--only {part}: use one of {', '.join(PARTS)}")
    if not (root / "spaces").is_dir():
        raise InputError(f"{root}: not the repository of eisv-lumen; give it with --root")
    contents: dict[RepoName, dict[str, Source]] = {}
    for part in only or PARTS:
        contents |= {name: dict(files) for name, files in _BUILDERS[part](root, namespace).items()}
    return contents
