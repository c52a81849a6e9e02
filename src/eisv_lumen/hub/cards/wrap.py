"""Paragraphs of Markdown: numbers of any length leave no ragged lines behind."""

from __future__ import annotations

import re
import textwrap

__all__ = ["one_line_each", "wrapped"]


def one_line_each(text: str) -> str:
    """Join the lines of each paragraph: numbers of any length leave no ragged lines behind.

    Headings, lists, tables, code, captions and the front matter stay as they are.
    """
    parts = re.split(r"(\A---\n.*?\n---\n|```.*?```)", text, flags=re.DOTALL)
    parts[::2] = [_join_paragraphs(part) for part in parts[::2]]
    return re.sub(r"\n{3,}", "\n\n", "".join(parts))


def _join_paragraphs(text: str) -> str:
    joined: list[str] = []
    for line in text.split("\n"):
        before = joined[-1] if joined else ""
        quoted = line.startswith("> ") and before.startswith("> ")
        starts = not line or re.match(r"[|#!]|- |\d+\. |</?(?:!--|details)", line)
        if quoted:
            joined[-1] = f"{before} {line[2:].lstrip()}"
        elif starts or not before or before[0] in "|#!" or before.startswith("<!--"):
            joined.append(line)
        else:
            joined[-1] = f"{before} {line.lstrip()}"
    return "\n".join(joined)


def wrapped(text: str, width: int = 100) -> str:
    """Break the lines of each paragraph and list item anew; all else stays as it is."""
    parts = re.split(r"(```.*?```)", one_line_each(text), flags=re.DOTALL)
    parts[::2] = ["\n".join(_wrap(line, width) for line in p.split("\n")) for p in parts[::2]]
    return "".join(parts)


def _wrap(line: str, width: int) -> str:
    if line[:1] in ("", "|", "#", "!") or line.startswith("<!--"):
        return line
    hang = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
    )
