"""Pieces of the page as HTML text. Whatever comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from drawing.words import plain
from eisv_lumen.expression.vocabulary import AFFINE_TOKENS

__all__ = ["bars", "cards", "chips", "figure", "legend", "note", "shape_chip", "table", "tile"]


def note(text: str, kind: str = "") -> str:
    """Return a sentence in a quiet box; `kind` "alert" for what went wrong."""
    role = ' role="alert"' if kind == "alert" else ""
    return f'<div class="note {kind}"{role}>{escape(text)}</div>' if text else ""


def shape_chip(shape: str) -> str:
    """Return a shape's name with its colour."""
    return f'<span class="shape"><i style="background:var(--{shape})"></i>{plain(shape)}</span>'


def chips(tokens: Sequence[str], shape: str | None = None) -> str:
    """Return tokens as chips, those that are affine to the shape filled."""
    affine = AFFINE_TOKENS[shape] if shape else ()
    return "".join(
        f'<span class="chip{" affine" if token in affine else ""}">{escape(plain(token))}</span>'
        for token in tokens
    )


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return (colour, name) entries in one wrapping line."""
    items = "".join(f'<span><i style="background:{c}"></i>{escape(n)}</span>' for c, n in entries)
    return f'<div class="legend">{items}</div>'


def figure(title: str, drawing: str, subtitle: str = "") -> str:
    """Return a chart under its heading."""
    small = f"<small>{escape(subtitle)}</small>" if subtitle else ""
    return f"<figure><figcaption>{escape(title)}{small}</figcaption>{drawing}</figure>"


def cards(items: Sequence[str], least: int = 280) -> str:
    """Return items side by side where there is room, one below the other on a phone."""
    return f'<div class="cards" style="--least:{least}px">{"".join(items)}</div>'


def tile(name: str, value: str, detail: str = "") -> str:
    """Return one number with its name and what to hold it against."""
    return (
        f'<div class="tile"><small>{escape(name)}</small><b>{value}</b><span>{detail}</span></div>'
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """Return a table that scrolls sideways where it is wider than the page; cells are HTML."""
    cells = [
        "".join(
            f'<td class="{"num" if i >= numbers_from else ""}">{cell}</td>'
            for i, cell in enumerate(row)
        )
        for row in rows
    ]
    head = "".join(
        f'<th class="{"num" if i >= numbers_from else ""}">{escape(name)}</th>'
        for i, name in enumerate(header)
    )
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def bars(rows: Sequence[tuple[str, float, float | None, bool]], most: float, unit: str = "") -> str:
    """Return horizontal bars: (name, value, an earlier value or None, whether it is filled).

    An earlier value is a tick on the bar, so that what moved is seen.
    """
    out = []
    for name, value, before, filled in rows:
        tick = "" if before is None else f'<u style="left:{100 * before / most:.2f}%"></u>'
        out.append(
            f'<div class="bar{" affine" if filled else ""}"><span>{escape(name)}</span>'
            f'<div><i style="width:{100 * value / most:.2f}%"></i>{tick}</div>'
            f"<b>{value:.3f}{unit}</b></div>"
        )
    return f'<div class="bars">{"".join(out)}</div>'
