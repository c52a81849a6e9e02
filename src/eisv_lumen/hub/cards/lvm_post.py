"""The post on latent vectors, rendered from `blog/latent-vectors.md.jinja` and results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..figures.lvm import between, cosine_against_bits, known_margins, lvm_thumbnail
from .front_matter import check_front_matter
from .post import AUTHORS, NAMESPACE, post_names, space_of
from .render import Results, load_results, render
from .wrap import one_line_each

__all__ = ["CORPORA", "lvm_view", "render_lvm_post"]

CORPORA: Final = {
    "wiki": "Wikipedia",
    "kjv": "the King James Bible",
    "pydoc": "Python's documentation",
}
"""Corpora of `results/lvm-*`, and what they are called within a sentence."""
_POSTS: Final = ("latent-vectors", "latent-vectors-appendix")
_FLOORS: Final = {
    "copy-last": "last chunk again",
    "context-mean": "mean of the context",
    "lag-cosine": "lag-cosine",
    "lag-cosine-centred": "lag-cosine, pool-centred",
    "ridge": "ridge regression",
    "ridge-shuffled": "ridge, shuffled targets",
    "ranker-shuffled": "ranker, shuffled articles",
}
_KNOWN: Final = {
    "oracle": "the oracle",
    "minus-last": "minus the last chunk",
    "late oracle": "oracle of the chunk after it",
    "p1": "P1, trained",
    "ridge": "ridge regression",
    "context-mean": "mean of the context",
    "copy-last": "last chunk again",
}
_SHORT: Final = {
    "copy-last": "copy",
    "context-mean": "mean",
    "ridge": "ridge",
    "ridge-shuffled": "ridge, null",
    "p1-whole": "P1, all",
}
_TWIN: Final = ("p5-pos20",)
"""Falls on P5, and would make both illegible."""
_RANKER: Final = {"ranker": "the ranker"}


def render_lvm_post(
    root: str | os.PathLike[str],
    authors: Sequence[str] = AUTHORS,
    space: str | None = None,
    namespace: str = NAMESPACE,
) -> dict[str, bytes]:
    """Render the post, its long version and their figures: path to bytes, nothing written.

    Parameters
    ----------
    root
        The repository, with `blog/` and `results/`.
    authors
        Hub users.
    space, namespace
        As for `cards.post.render_post`.

    Returns
    -------
    dict
        `blog/latent-vectors.md`, `blog/latent-vectors-appendix.md`, its thumbnail and figures,
        relative to `root`; empty where no latent vector model was tested.

    Raises
    ------
    InputError
        A result that the post rests on is missing.
    """
    base = Path(root)
    results = load_results(base / "results")
    if "lvm" not in results:
        return {}
    view = lvm_view(results)
    here = space_of(namespace) if space is None else space
    texts = {}
    for name in _POSTS:
        text = render(
            f"{name}.md.jinja", base / "blog", results=results, view=view, authors=list(authors),
            space=here, namespace=namespace, **post_names(here),
        )  # fmt: skip
        check_front_matter(text, "post")
        texts[f"blog/{name}.md"] = one_line_each(text).encode("utf-8")
    margins, facts = results["lvm"]["margins"], results["study"]["lvm_published"]
    rows = view["rows"]
    said = {name: _SHORT.get(name, rows[name]) for name in view["vectors"] if name not in _TWIN}
    figures = {
        "margins": known_margins(margins, facts["thresholds"]["margin"], _KNOWN),
        "between": between(view["reports"], rows),
        "orders": cosine_against_bits(view["reports"], said),
    }
    return {
        **texts,
        "blog/latent-vectors.png": lvm_thumbnail(
            margins, ("oracle", "minus-last", "p1", "copy-last")
        ),
        **{f"blog/figures/lvm-{name}.svg": svg for name, svg in figures.items()},
    }


def lvm_view(results: Results) -> dict[str, Any]:
    """Arrange the reports for templates: nothing is measured here.

    Returns
    -------
    dict
        `corpora`: names; `reports`: corpus to model to report, of the models that were tested on
        every corpus; `rows`: those of one seed in the order of the line, floors first, with
        labels; `trained`, `vectors`: of them, the trained ones, and those that say the next
        chunk's vector; `seeds`: model to all its runs; `known`: labels of known predictors;
        `fell_short`: corpora where the ranker's margin is below that of the earlier experiment.
    """
    every = {corpus: results.get(f"lvm-{corpus}", {}) for corpus in CORPORA}
    shared = set.intersection(*(set(reports) for reports in every.values()))
    reports = {corpus: {n: r[n] for n in sorted(shared)} for corpus, r in every.items()}
    line: Mapping[str, Any] = results["study"]["lvm_published"]["runs"]
    ours = {
        "p1-whole": "P1, all windows",
        "p5-pos20": "P5, stronger position",
        "p7-lstm": "P7, LSTM",
    }
    labels = {name: run["model"] for name, run in line.items()} | ours
    order = ("p1", "p1-whole", "v3", "p2", "p3", "p4", "p5", "p5-pos20", "p5.1", "p6", "p6b-v1",
             "p6b-v2.1", "p6b-v2.2", "p6b-v2.3", "p7", "p7-lstm", "p8")  # fmt: skip
    trained = {name: labels[name] for name in order if name in shared} | _RANKER
    floors = {name: label for name, label in _FLOORS.items() if name in shared}
    wiki = reports["wiki"]
    claimed = results["lvm"]["claim"]["corpora"]
    before = results["study"]["lvm_published"]["before"]
    return {
        "corpora": dict(CORPORA),
        "reports": reports,
        "rows": floors | trained,
        "floors": floors,
        "trained": trained,
        "vectors": [
            name for name in floors | trained
            if wiki[name]["ahead"] == 0 and any(g["name"] == "G2" for g in wiki[name]["gates"])
        ],
        "seeds": {
            name: runs for name in trained
            if len(runs := [n for n in shared if n == name or n.startswith(f"{name}-seed")]) > 1
        },
        "known": dict(_KNOWN),
        "fell_short": [
            title for corpus, title in CORPORA.items()
            if claimed[corpus]["over_best_untrained"][0] < before[corpus][0]
        ],
    }  # fmt: skip
