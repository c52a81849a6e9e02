"""The post, rendered from `blog/eisv-lumen.md.jinja` and results, with its figures."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...evaluation.report import EvalReport
from ..figures.diagrams import architecture, thumbnail
from ..figures.post import agreement, blind_sighted, standing, trajectories
from ..figures.style import thermometer
from .front_matter import check_front_matter
from .render import Results, load_results, markdown_table, render
from .wrap import one_line_each

__all__ = ["AUTHORS", "NAMESPACE", "post_figures", "render_post", "space_of", "words"]

AUTHORS: Final = ("hikewa",)
"""Hub users whom the front matter names: the owner of the published data set."""
NAMESPACE: Final = "eisv-lumen"
"""Where the explorer Space is, whose tabs show what the post claims."""
_TEMPLATE: Final = "eisv-lumen.md.jinja"
_STUDIED: Final[tuple[str, ...]] = ("v1", "v3", "v4", "v5", "v6")
_NEEDED: Final = (("law", "imitator"), ("published", "v6"), ("study", "standing"))


def render_post(
    root: str | os.PathLike[str],
    authors: Sequence[str] = AUTHORS,
    space: str | None = None,
) -> dict[str, bytes]:
    """Render the post: path to bytes, nothing written.

    Sections on runs that were not made are left out; what the law and the study say is needed.

    Parameters
    ----------
    root
        The repository, with `blog/` and `results/`.
    authors
        Hub users.
    space
        Address of the explorer Space, to whose tabs the claims link (`#thermometer` and the like);
        by default that of `NAMESPACE`, "" for the post within it.

    Returns
    -------
    dict
        `blog/eisv-lumen.md`, `blog/thumbnail.png`, `blog/figures/*.svg`, relative to `root`.

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
    text = render(
        _TEMPLATE,
        base / "blog",
        results=results,
        authors=list(authors),
        space=space_of(NAMESPACE) if space is None else space,
        table=markdown_table,
    )
    check_front_matter(text, "post")
    return {"blog/eisv-lumen.md": one_line_each(text).encode("utf-8"), **post_figures(results)}


def space_of(namespace: str) -> str:
    """Return the address of the explorer Space of a user or organisation."""
    return f"https://huggingface.co/spaces/{namespace}/explorer"


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
            study["facts"],
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
