"""Tab 3: the voice that learns from feedback, and the laws of two shapes side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

import gradio as gr
import numpy as np
from drawing.charts import Line, chart, overview
from drawing.parts import bars, cards, chips, figure, note, shape_chip, table, tile
from drawing.words import DIMENSIONS, SHAPE_MEANS, plain
from picture import nine

from eisv_lumen.expression.coherence import coherence, jensen_shannon
from eisv_lumen.expression.law import EXPRESSIONS, ExpressionLaw
from eisv_lumen.expression.lumen import to_primitives
from eisv_lumen.expression.vocabulary import AFFINE_TOKENS, SHAPES, TOKENS, UnknownNameError
from eisv_lumen.expression.voice import Voice

__all__ = ["Session", "build", "law"]

INTRO = """
The **voice** chooses one to three of fifteen words by weighted dice; each shape has its own
weights, at first 3 for the words that fit it and 1 for the others. Told how well an expression
did, it nudges the weights of the words it used. Its whole law can be written down: so here is what
your feedback does to it, exactly. One press counts 25 times, so that you see it move.
"""
_TOP = 8
_PRESS = 25
"""How often one press counts: a single piece of feedback moves a law by less than a pixel."""


@dataclass
class Session:
    """One visitor's voice, and how its law has moved for the shape in view."""

    voice: Voice = field(default_factory=lambda: Voice(seed=0))
    shape: str = "settled_presence"
    said: tuple[str, ...] = ()
    told: int = 0
    path: list[float] = field(default_factory=list)

    def speak(self) -> None:
        """Say something of the shape."""
        self.said = self.voice.speak(self.shape)[0]

    def hear(self, score: float) -> None:
        """Learn from a score of what was said."""
        self.voice.feedback(self.shape, self.said, score)
        self.told += 1
        self.path.append(self.voice.law(self.shape).coherence())

    def turn_to(self, shape: str) -> None:
        """Look at another shape; what it learned of the others stays."""
        self.shape, self.told = shape, 0
        self.path = [self.voice.law(shape).coherence()]
        self.speak()


def fresh() -> Session:
    """Return a session with the initial voice."""
    session = Session()
    session.turn_to(session.shape)
    return session


def _window(shape: str) -> str:
    """Draw the window of the shape that the first tab shows."""
    view = nine()[shape]
    t, X = view.series.t[view.at], view.series.X[view.at]
    columns = [(X[:, j], f"var(--dim-{dim})") for j, dim in enumerate(DIMENSIONS)]
    return f"<figure>{overview(t, columns, None)}</figure>"


def show(session: Session) -> tuple[str, str]:
    """Return what was said, and the law before and after."""
    shape = session.shape
    score = float(coherence([session.said], shape)[0])
    said = (
        f'<div class="verdict">{shape_chip(shape)}<p>{SHAPE_MEANS[shape]}</p>'
        f"{_window(shape)}"
        f'<p class="spoken" aria-live="polite">{chips(session.said, shape)}</p>'
        f"<small>Lumen says: <b>{' '.join(to_primitives(session.said))}</b> · filled words fit "
        f"the shape: coherence {score:.2f}</small></div>"
    )
    now, before = session.voice.law(shape), ExpressionLaw.initial(shape)
    affine = AFFINE_TOKENS[shape]
    p, q = now.token_pmf(), before.token_pmf()
    order = np.argsort(-q, kind="stable")
    words = bars(
        [(plain(TOKENS[i]), p[i], q[i], TOKENS[i] in affine) for i in order],
        float(max(p.max(), q.max())),
    )
    top = np.argsort(-now.pmf, kind="stable")[:_TOP]
    likely = table(
        ["likeliest expressions", "now", "at first"],
        [[chips(EXPRESSIONS[i], shape), f"{now.pmf[i]:.3f}", f"{before.pmf[i]:.3f}"] for i in top],
    )
    path = np.array(session.path)
    drawn = chart(
        "coherence of the law as feedback comes in",
        [Line(np.arange(len(path)), path, "var(--law)", "coherence", 2.4)],
        x_range=(0.0, float(max(len(path) - 1, 10))),
        y_range=(0.0, 1.0),
        x_label="times it was told",
        levels=[(session.path[0], "at first")],
        height=220,
    )
    tiles = [
        tile("coherence at T = 1", f"{now.coherence():.3f}", f"at first {before.coherence():.3f}"),
        tile("entropy of the law", f"{now.entropy():.2f} nats", f"at first {before.entropy():.2f}"),
        tile(
            "moved from the first law",
            f"{before.divergence(now):.4f} nats",
            f"told {session.told} time{'s' * (session.told != 1)}",
        ),
    ]
    panels = [
        figure("Share of each word", words, "the tick is where it began"),
        figure("What it says most", likely),
        figure("How the law's coherence moved", drawn),
    ]
    return said, cards(tiles, 200) + cards(panels, 300)


def _told(session: Session, score: float) -> tuple:
    for _ in range(_PRESS):
        session.hear(score)
    session.speak()
    return session, *show(session)


def _told_by_rule(session: Session, times: float) -> tuple:
    """Score by coherence itself, which is how the study's voice learned."""
    for _ in range(int(times)):
        session.hear(float(coherence([session.said], session.shape)[0]))
        session.speak()
    return session, *show(session)


def _turned(session: Session, shape: str) -> tuple:
    session.turn_to(shape)
    return session, *show(session)


def _forgotten(session: Session) -> tuple:
    new = Session()
    new.turn_to(session.shape)
    return new, *show(new)


def compare(session: Session, first: str, second: str) -> str:
    """Set the laws of two shapes side by side."""
    a, b = session.voice.law(first), session.voice.law(second)
    p, q = a.token_pmf(), b.token_pmf()
    most = float(max(p.max(), q.max()))
    order = np.argsort(-(p + q), kind="stable")

    def side(law: ExpressionLaw, shares: np.ndarray, shape: str, other: str) -> str:
        rows = [
            (plain(TOKENS[i]), shares[i], None, TOKENS[i] in AFFINE_TOKENS[shape]) for i in order
        ]
        return (
            f'<div class="card">{shape_chip(shape)}{bars(rows, most)}<small>coherent with '
            f"{plain(shape)} {law.coherence():.3f}, with {plain(other)} "
            f"{law.coherence(shape=other):.3f}</small></div>"
        )

    apart = float(jensen_shannon(a.pmf, b.pmf))
    shared = [t for t in AFFINE_TOKENS[first] if t in AFFINE_TOKENS[second]]
    words = f"They share {', '.join(map(plain, shared))}." if shared else "They share no word."
    text = (
        f"The two laws are {apart:.3f} nats apart (Jensen–Shannon; 0 is the same, "
        f"{np.log(2):.3f} the most). {words}"
    )
    return note(text) + cards([side(a, p, first, second), side(b, q, second, first)], 300)


def law(
    shape: str, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, top: int = 10
) -> dict:
    """Return the exact law of a shape's expressions under a decoding: its likeliest, its scores.

    Args:
        shape: One of the nine shapes, as in settled_presence.
        temperature: Decoding temperature, 0 or more; 1 is the voice's own distribution, 0 greedy.
        top_k: Keep the k likeliest continuations of each step; 0 keeps all.
        top_p: Keep the likeliest continuations that reach this mass; 1 keeps all.
        top: How many of the likeliest expressions to list.
    """
    try:
        decoded = ExpressionLaw.initial(shape).tempered(temperature, top_k=top_k, top_p=top_p)
    except (UnknownNameError, ValueError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    order = np.argsort(-decoded.pmf, kind="stable")[: max(0, int(top))]
    return {
        "shape": shape,
        "coherence": decoded.coherence(),
        "entropy_nats": decoded.entropy(),
        "diversity_nats": decoded.diversity(),
        "expressions": [
            {
                "tokens": list(EXPRESSIONS[i]),
                "primitives": list(to_primitives(EXPRESSIONS[i])),
                "probability": float(decoded.pmf[i]),
            }
            for i in order
        ],
    }


def speak(shape: str, n: int = 3, temperature: float = 1.0, seed: int = 0) -> list[dict]:
    """Let the voice speak of a shape.

    Args:
        shape: One of the nine shapes, as in settled_presence.
        n: How often, at most 1,000.
        temperature: Decoding temperature, 0 or more.
        seed: Seed of the draws.
    """
    try:
        decoded = ExpressionLaw.initial(shape).tempered(temperature)
        said = decoded.sample(min(max(int(n), 0), 1000), int(seed))
    except (UnknownNameError, ValueError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    return [{"tokens": list(e), "primitives": list(to_primitives(e))} for e in said]


def build(tab: gr.Tab) -> None:
    """Build the tab."""
    gr.Markdown(INTRO)
    choices = [(plain(s), s) for s in SHAPES]
    session = gr.State(fresh())
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            shape = gr.Dropdown(choices, value="settled_presence", label="A window of the shape")
            said_html = gr.HTML(elem_id="spoken")
        with gr.Column(scale=1, min_width=300):
            gr.Markdown("**How well did it say that?**")
            with gr.Row():
                good = gr.Button("That fits", variant="primary", min_width=120, elem_id="fits")
                bad = gr.Button("That does not", min_width=120)
            with gr.Row():
                rule = gr.Button("100 times, scored by coherence", min_width=250, elem_id="hundred")
                reset = gr.Button("Forget it all", min_width=120)
    law_html = gr.HTML(elem_id="law")
    gr.Markdown("## Two shapes side by side")
    with gr.Row():
        first = gr.Dropdown(choices, value="settled_presence", label="This shape", min_width=200)
        second = gr.Dropdown(choices, value="convergence", label="And that", min_width=200)
    pair = gr.HTML(elem_id="pair")

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    outputs = [session, said_html, law_html]
    compared = {"fn": compare, "inputs": [session, first, second], "outputs": pair}
    for event, fn, inputs in (
        (good.click, lambda s: _told(s, 1.0), session),
        (bad.click, lambda s: _told(s, 0.0), session),
        (rule.click, lambda s: _told_by_rule(s, 100), session),
        (reset.click, _forgotten, session),
        (shape.input, _turned, [session, shape]),
    ):
        event(fn, inputs, outputs, **quiet).then(**compared, **quiet)
    for choice in (first, second):
        choice.input(**compared, **quiet)
    tab.select(lambda s: (s, *show(s)), session, outputs, **quiet).then(**compared, **quiet)
    gr.api(law, api_name="law")
    gr.api(speak, api_name="speak")
