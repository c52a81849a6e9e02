"""The post, rendered from `blog/eisv-lumen.md.jinja` and results, with its figures."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...evaluation.report import EvalReport
from ...expression.law import ExpressionLaw
from ...expression.vocabulary import AFFINE_TOKENS, SHAPES
from ...teacher.prompt.messages import render_answer, render_windows
from ...trajectory.series import windows_from_arrays
from ..figures.diagrams import architecture, thumbnail
from ..figures.post import agreement, blind_sighted, same_end, standing, trajectories
from ..figures.style import thermometer
from .front_matter import check_front_matter
from .render import Results, load_results, markdown_table, render
from .wrap import one_line_each

__all__ = [
    "AUTHORS",
    "NAMESPACE",
    "post_figures",
    "post_names",
    "render_post",
    "space_of",
    "words",
    "worked_example",
]

AUTHORS: Final = ("hikewa",)
"""Hub users whom the front matter names: the owner of the published data set."""
NAMESPACE: Final = "eisv-lumen"
"""Where the explorer Space is, whose tabs show what the post claims."""
HUB: Final = "https://huggingface.co"
_TEMPLATES: Final = {
    "eisv-lumen": "eisv-lumen.md.jinja",
    "eisv-lumen-appendix": "eisv-lumen-appendix.md.jinja",
}
_EXAMPLE_SEED: Final = 7
_STUDIED: Final[tuple[str, ...]] = ("v1", "v3", "v4", "v5", "v6")
_NEEDED: Final = (("law", "imitator"), ("published", "v6"), ("study", "standing"))


def render_post(
    root: str | os.PathLike[str],
    authors: Sequence[str] = AUTHORS,
    space: str | None = None,
    namespace: str = NAMESPACE,
) -> dict[str, bytes]:
    """Render the post, its long version and their figures: path to bytes, nothing written.

    Sections on runs that were not made are left out; what the law and the study say is needed.

    Parameters
    ----------
    root
        The repository, with `blog/` and `results/`.
    authors
        Hub users.
    space
        Address of the explorer Space, which the claims link to with what it has to show
        (`?T=0.3&nucleus=1`); by default that of the namespace, "" for the post within it.
    namespace
        Whose dataset, models and metric the text links to.

    Returns
    -------
    dict
        `blog/eisv-lumen.md`, `blog/eisv-lumen-appendix.md`, `blog/thumbnail.png` and
        `blog/figures/*.svg`, relative to `root`.

    Raises
    ------
    InputError
        A result that the post rests on is missing.
    """
    base = Path(root)
    results = load_results(base / "results")
    for run, name in _NEEDED:
        if name not in results.get(run, {}):
            raise InputError(
                f"{base / 'results' / run / name}.json: not there; run `eisv-lumen evaluate law` "
                "and `eisv-lumen evaluate published`"
            )
    given: dict[str, Any] = {
        "results": results,
        "authors": list(authors),
        "space": space_of(namespace) if space is None else space,
        "namespace": namespace,
    }
    files = {}
    for name, template in _TEMPLATES.items():
        text = render(template, base / "blog", **given, **post_names(given["space"]))
        check_front_matter(text, "post")
        files[f"blog/{name}.md"] = one_line_each(text).encode("utf-8")
    return {**files, **post_figures(results)}


def post_names(space: str) -> dict[str, Any]:
    """Return what the templates of posts need beside results.

    Parameters
    ----------
    space
        As for `render_post`.
    """
    long = f"The [long version]({space}?tab=post#appendix) has every table." if space else ""
    return {"hub": HUB, "table": markdown_table, "example": worked_example(), "appendix": long}


def worked_example() -> dict[str, Any]:
    """Return one window as the teacher is shown it, and what the voice says of it.

    Returns
    -------
    dict
        `shape`, the user message `prompt`, the assistant message `answer`, its number of tokens
        `n`, how many of them fit, `n_fit`, and its coherence, `score`.
    """
    t, windows, _ = same_end()
    window = windows_from_arrays(t[None], windows[0][None])
    shape = SHAPES[int(window.shape[0])]
    (spoken,) = ExpressionLaw.initial(shape).sample(1, _EXAMPLE_SEED)
    fits = sum(token in AFFINE_TOKENS[shape] for token in spoken)
    return {
        "shape": shape,
        "prompt": render_windows(window, "study")[0],
        "answer": render_answer(spoken),
        "n": len(spoken),
        "n_fit": fits,
        "score": fits / len(spoken),
    }


def space_of(namespace: str) -> str:
    """Return the address of the explorer Space of a user or organisation."""
    return f"{HUB}/spaces/{namespace}/explorer"


def post_figures(results: Results) -> dict[str, bytes]:
    """Draw the post's figures from the results that are there."""
    published: dict[str, EvalReport] = results["published"]
    law: dict[str, EvalReport] = results["law"]
    study = results["study"]
    tiny: dict[str, EvalReport] = results.get("tiny", {})
    process: Any = results.get("lumen_like", {}).get("distances", {}).get("process_at_20")
    progression = {name: tiny[name] for name in _STUDIED if name in tiny}
    best = sorted(progression.values(), key=_excess)[:1]
    figures = {
        "trajectories": trajectories(),
        "architecture": architecture(),
        "standing": standing(study["standing"]["runs"], progression),
        "thermometer": thermometer(law["imitator"], published, best),
        "agreement": agreement(study["facts"], process),
        "blind": blind_sighted(
            law["imitator"],
            law["ignorant"],
            best[0] if best else None,
            results.get("blind"),
        ),
    }
    return {
        "blog/thumbnail.png": thumbnail(law["imitator"], published),
        **{f"blog/figures/{name}.svg": svg for name, svg in figures.items()},
    }


def _excess(report: EvalReport) -> float:
    return report.at(1.0).metrics["macro_excess_nats"].value


def words(text: str) -> int:
    """Count the words that a reader reads: no front matter, code, tables or addresses."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"[^\W\d_][\w'’]*|\d[\d.,]*", text))
