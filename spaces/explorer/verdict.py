"""What is said of a window: the rule that fired and its margins, and each speaker's words."""

from __future__ import annotations

from collections.abc import Sequence

from folder import speakers
from parts import cards, chips, note, shape_chip
from speakers import Said, Speaker, one_window
from window import View
from words import SHAPE_MEANS

from eisv_lumen.expression.coherence import coherence
from eisv_lumen.trajectory.explain import Condition, Explanation, Rule

__all__ = ["say", "verdict"]

_N_SAID = 3


def verdict(found: Explanation) -> str:
    """Name the shape, the rule that fired and by how much; below it all nine rules."""
    fired = found.rules[found.fired]
    reason = [
        f"{c.quantity} is <b>{_value(c)}</b> ({c.relation} {c.threshold:g}, by {_margin(c)})"
        for c in fired.conditions
    ] or [f"no other holds; convergence was missed, since {_missed(found.rules[7])}"]
    head = (
        f'<div class="verdict" data-shape="{fired.shape}">{shape_chip(fired.shape)}'
        f"<p>{SHAPE_MEANS[fired.shape]}</p>"
        f"<p class='why'>Rule {found.fired + 1} of 9 fired: {'; '.join(reason)}.</p></div>"
    )
    rows = []
    for i, rule in enumerate(found.rules):
        state = "fired" if i == found.fired else "holds" if rule.holds else "fails"
        if i > found.fired:
            state += " later"
        said = {"fired": "✔ fired", "holds": "✔", "fails": "✘"}[state.split()[0]]
        asked = "".join(_condition(c) for c in rule.conditions) or "<div>all else</div>"
        rows.append(
            f'<li class="{state}"><div><b>{i + 1}</b> {shape_chip(rule.shape)}<em>{said}</em></div>'
            f'<div class="asked">{asked}</div></li>'
        )
    return (
        f"{head}<details><summary>All nine rules, with what each found and by how much"
        f'</summary><ol class="rules">{"".join(rows)}</ol></details>'
    )


def _missed(rule: Rule) -> str:
    """Say which conditions of a rule failed."""
    return " and ".join(
        f"{c.quantity} is <b>{_value(c)}</b>, not {c.relation} {c.threshold:g}"
        for c in rule.conditions
        if not c.holds
    )


def _condition(c: Condition) -> str:
    verdict = f"by {_margin(c)}" if c.holds else f"short by {_margin(c)}"
    return (
        f'<div class="{"yes" if c.holds else "no"}"><span>{c.quantity}</span>'
        f"<span>{_value(c)} {c.relation} {c.threshold:g}</span>"
        f"<i>{'✔' if c.holds else '✘'} {verdict}</i></div>"
    )


def _value(c: Condition) -> str:
    unit = c.unit.removesuffix("s") if c.unit == "states" and c.value == 1 else c.unit
    return f"{c.value:.4g} {unit}".rstrip().replace("-", "−")


def _margin(c: Condition) -> str:
    return f"{abs(c.margin):.3g}"


def say(view: View, temperature: float, seed: int) -> str:
    """Let every speaker put the window into words, side by side."""
    shape = view.explanation().shape
    s, at = view.series, view.at
    drift = None if s.ethical_drift is None else s.ethical_drift[at]
    window = one_window(s.t[at], s.X[at], drift, shape)
    everyone, missing = speakers()
    columns = [
        _column(who, who.speak(window, _N_SAID, temperature, seed), shape) for who in everyone
    ]
    return cards(columns, 260) + note(missing)


def _column(who: Speaker, said: Sequence[Said], shape: str) -> str:
    rows = []
    for one in said:
        if one.invalid:
            rows.append(f'<li><span class="invalid">not valid: {note(one.invalid)}</span></li>')
            continue
        score = float(coherence([one.tokens], shape)[0])
        primitives = " ".join(one.primitives)
        rows.append(
            f"<li>{chips(one.tokens, shape)}<small>Lumen says: <b>{primitives}</b> · "
            f"{one.pattern.lower()} · coherence {score:.2f}</small></li>"
        )
    return (
        f'<div class="card said"><h4>{who.name}</h4><small>{who.about}</small>'
        f"<ul>{''.join(rows)}</ul></div>"
    )
