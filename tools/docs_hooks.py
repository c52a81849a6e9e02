"""What MkDocs is told besides `mkdocs.yml`: figures and files of the repository that pages link."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/CIRWEL/eisv-lumen/blob/main/"


def on_files(files: Any, config: Any) -> Any:
    """Let the figures of the repository be files of the site."""
    for path in sorted((ROOT / "figures").iterdir()):
        if path.suffix in (".svg", ".png"):
            files.append(
                File(
                    f"figures/{path.name}",
                    str(ROOT),
                    config["site_dir"],
                    config["use_directory_urls"],
                )
            )
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links out of `docs/` to the site's figures, or to the repository."""
    up = "../" * page.file.src_uri.count("/")
    markdown = re.sub(r"\]\((?:\.\./)+figures/", f"]({up}figures/", markdown)

    def outside(found: re.Match[str]) -> str:
        target = (ROOT / "docs" / page.file.src_uri).parent / found[1]
        path = target.resolve()
        if path.is_relative_to(ROOT / "docs") or not path.exists():
            return found[0]
        return f"]({REPOSITORY}{path.relative_to(ROOT).as_posix()})"

    return re.sub(r"\]\(((?:\.\./)+[^)#\s]+)\)", outside, markdown)
