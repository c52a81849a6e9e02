"""What is said of a window: the rule that fired and its margins, and each speaker's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drawing.parts import cards, chips, note, shape_chip
from drawing.window import View
from drawing.words import SHAPE_MEANS, plain
from express import window_seed
from folder import speakers
from speakers import Said, Speaker, one_window

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.coherence import coherence
from eisv_lumen.trajectory.rules.explain import Condition, Explanation, Rule

__all__ = ["rules", "say", "verdict"]

_N_SAID = 3


def verdict(found: Explanation) -> str:
    """Name the shape, the rule that fired and by how much."""
    fired, missed = found.rules[found.fired], found.rules[-2]
    reason = [
        f"{c.quantity} is <b>{_value(c)}</b> ({c.relation} {_threshold(c)}, by {_margin(c)})"
        for c in fired.conditions
    ] or [f"no other holds; {plain(missed.shape)} was missed, since {_missed(missed)}"]
    return (
        f'<div class="verdict" data-shape="{fired.shape}">{shape_chip(fired.shape)}'
        f"<p>{SHAPE_MEANS[fired.shape]}</p>"
        f"<p class='why'>Rule {found.fired + 1} of {len(found.rules)} fired: "
        f"{'; '.join(reason)}.</p></div>"
    )


def rules(found: Explanation) -> str:
    """List the rules in order: what each asked, what it found, and by how much."""
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
    return f'<ol class="rules">{"".join(rows)}</ol>'


def _missed(rule: Rule) -> str:
    """Say which conditions of a rule failed."""
    return " and ".join(
        f"{c.quantity} is <b>{_value(c)}</b>, not {c.relation} {_threshold(c)}"
        for c in rule.conditions
        if not c.holds
    )


def _condition(c: Condition) -> str:
    verdict = f"by {_margin(c)}" if c.holds else f"short by {_margin(c)}"
    return (
        f'<div class="{"yes" if c.holds else "no"}"><span>{c.quantity}</span>'
        f"<span>{_value(c)} {c.relation} {_threshold(c)}</span>"
        f"<i>{'✔' if c.holds else '✘'} {verdict}</i></div>"
    )


def _threshold(c: Condition) -> str:
    return f"{c.threshold:g}".replace("e-09", "e-9").replace("-", "−")


def _value(c: Condition) -> str:
    unit = c.unit.removesuffix("s") if c.unit == "states" and c.value == 1 else c.unit
    return f"{c.value:.4g} {unit}".rstrip().replace("-", "−")


def _margin(c: Condition) -> str:
    return f"{abs(c.margin):.3g}"


def say(view: View, temperature: float, seed: int) -> Iterator[str]:
    """Let every speaker put the window into words, side by side; a slow one keeps no other waiting.

    Yields
    ------
    str
        The page's part, with one more speaker heard each time.
    """
    shape = view.explanation().shape
    s, at = view.series, view.at
    drift = None if s.ethical_drift is None else s.ethical_drift[at]
    window = one_window(s.t[at], s.X[at], drift, shape)
    everyone, missing = speakers()
    heard: list[str] = []
    key = note("A filled word fits the shape; the draws are this window’s own.")
    for who in everyone:
        try:
            said = who.speak(window, _N_SAID, temperature, window_seed(window) % 2**31 + seed)
        except InputError as error:  # its weights cannot be read
            said = [Said(invalid=str(error))]
        heard.append(_column(who, said, shape))
        waiting = [_column(other, [], shape) for other in everyone[len(heard) :]]
        yield key + cards(heard + waiting, 260) + note(missing)


def _column(who: Speaker, said: Sequence[Said], shape: str) -> str:
    rows = [] if said else ["<li><small>is thinking …</small></li>"]
    for one in said:
        if one.invalid:
            rows.append(f"<li>{note(f'No valid answer: {one.invalid}.')}</li>")
            continue
        score = float(coherence([one.tokens], shape)[0])
        primitives = " ".join(one.primitives)
        rows.append(
            f"<li>{chips(one.tokens, shape)}<small>Lumen says: <b>{primitives}</b> · "
            f"{one.pattern.lower()} · coherence {score:.2f}</small></li>"
        )
    return (
        f'<div class="card said"><h3>{who.name}</h3><small>{who.about}</small>'
        f"<ul>{''.join(rows)}</ul></div>"
    )
