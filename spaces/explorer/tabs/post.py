"""The two posts: contents list, text, and the picture of the first screen within the text."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import gradio as gr
from folder import HERE
from markdown_it import MarkdownIt

from tabs.picture import PICTURE

__all__ = ["POSTS", "Post", "build", "page"]


class Post(NamedTuple):
    """A post's files in this folder: the text, and its long version."""

    short: str
    long: str


POSTS = {
    "post": Post("post.md", "post-appendix.md"),
    "vectors": Post("vectors.md", "vectors-appendix.md"),
}


_SCROLLING = '<div class="scroll" tabindex="0" role="region" aria-label="table">'


def build(tab: gr.Tab, name: str) -> None:
    """Build a tab whose text is brought when it is first looked at, so that the page is light."""
    text = gr.HTML(elem_id=f"{name}-text", padding=False)
    tab.select(
        lambda: page(POSTS[name], HERE), None, text, api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip


def page(post: Post, folder: Path) -> str:
    """Return a post as HTML: a list of contents, its text, and the long version folded below.

    Parameters
    ----------
    post
        Names of the files, in `folder`; one that is not there is left out.
    folder
        Where figures lie as well. A figure that is not there keeps its description alone.
    """
    if not (folder / post.short).is_file():
        return "<p>This copy travels without the post.</p>"
    title, body, headings = _rendered((folder / post.short).read_text("utf-8"), folder, "")
    contents = "".join(f'<li><a href="#{at}">{name}</a></li>' for at, name in headings)
    more = ""
    if (folder / post.long).is_file():
        long_title, long, _ = _rendered((folder / post.long).read_text("utf-8"), folder, "long-")
        contents += '<li><a href="#appendix">Appendix: the long version</a></li>'
        more = (
            f'<details id="appendix"><summary>Appendix, the long version: {long_title}</summary>'
            f"{long}</details>"
        )
    return (
        f'<div class="article"><nav aria-label="Contents"><b>Contents</b><ol>{contents}</ol></nav>'
        f'<article class="post"><h1>{title}</h1>{body}{more}</article></div>'
    )


def _rendered(text: str, folder: Path, prefix: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Return title, HTML, and the (id, text) of second-level headings, ids with a prefix."""
    title = ""
    if head := re.match(r"---\n(.*?)\n---\n", text, re.DOTALL):
        text = text[head.end() :]
        found = re.search(r"^title:\s*[\"']?(.*?)[\"']?\s*$", head[1], re.MULTILINE)
        title = escape(found[1]) if found else ""
    text = re.sub(r"\A\s*# .*\n", "", text)  # the title stands above
    text = re.sub(r"<!-- picture -->.*?<!-- /picture -->", f"\n{PICTURE}\n", text, flags=re.DOTALL)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    html = re.sub(r"<img ([^>]*)>", lambda m: _image(m[1], folder), html)
    headings = []

    def named(match: re.Match[str]) -> str:
        at = prefix + re.sub(r"\W+", "-", re.sub(r"<.*?>", "", match[2]).lower()).strip("-")
        if match[1] == "2":
            headings.append((at, match[2]))
        return f'<h{match[1]} id="{at}">{match[2]}</h{match[1]}>'

    html = re.sub(r"<h([23])>(.*?)</h\1>", named, html)
    html = html.replace("<table>", f"{_SCROLLING}<table>").replace("</table>", "</table></div>")
    return (
        title,
        html.replace('href="https://', 'target="_blank" rel="noopener" href="https://'),
        headings,
    )


def _image(attributes: str, folder: Path) -> str:
    source = re.search(r'src="([^"]*)"', attributes)
    name = re.search(r'alt="([^"]*)"', attributes)
    path = (folder / source[1]).resolve() if source else folder
    described = name[1] if name else ""
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return f"<em>{described}</em>"
    address = f"gradio_api/file={quote(str(path))}"
    return f'<img loading="lazy" src="{address}" alt="{described}">'
