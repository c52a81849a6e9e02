"""`eisv-lumen render`: README, post and figures from results files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..core.extras import require
from . import print_json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def render(
    root: Annotated[
        Path | None, typer.Option(help="The repository; by default the checkout, else this folder.")
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(help="Whose Space the posts link to. [eisv-lumen]"),
    ] = None,
    author: Annotated[
        list[str] | None,
        typer.Option(help="Hub user whom the posts name; may be repeated. [hikewa]"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 where a file is stale.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Write README, posts and figures from results files; the same results give the same bytes.

    For example:

      eisv-lumen render --check

      eisv-lumen render --namespace NS --author USER
    """
    require("publish", "Rendering")
    from ..hub.cards.front_matter import check_namespace
    from ..hub.cards.lvm_post import render_lvm_post
    from ..hub.cards.post import AUTHORS, NAMESPACE, render_post, space_of
    from ..hub.cards.render import render_readme, write_all
    from ..hub.contents.context import check_root, default_root

    if root is None:
        root = default_root() if (default_root() / "README.md.jinja").is_file() else Path()
    check_root(root)
    if namespace is not None:
        check_namespace(namespace)
    authors, here = author or AUTHORS, namespace or NAMESPACE
    contents = {
        **render_readme(root),
        **render_post(root, authors, space_of(here), here),
        **render_lvm_post(root, authors, space_of(here), here),
    }
    if check:
        stale = [
            n
            for n, d in contents.items()
            if not (root / n).is_file() or (root / n).read_bytes() != d
        ]
    else:
        stale = write_all(contents, root)
    if as_json:
        print_json({"stale" if check else "written": stale})
    else:
        for name in stale:
            typer.echo(f"{'stale' if check else 'wrote'} {name}", err=True)
    if check and stale:
        sys.exit(1)
