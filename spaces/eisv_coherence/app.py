"""A page to try the metric on: expressions and shapes in, coherence between its references out."""

import importlib
import sys
import types
from pathlib import Path

import evaluate
import gradio as gr
from family import LAUNCH, bars, head, links

HERE = Path(__file__).parent
_MATHS = types.ModuleType("maths")  # the modules beside this one import each other relatively
_MATHS.__path__ = [str(HERE)]
sys.modules["maths"] = _MATHS
VOCABULARY = importlib.import_module("maths.vocabulary")
METRIC = evaluate.load(str(HERE / "eisv_coherence.py"))
EXAMPLE = [
    ["~stillness~ ~resonance~", "convergence"],
    ["~ripple~ ~warmth~", "rising_entropy"],
    ["~holding~", "settled_presence"],
    ["~releasing~ ~threshold~ ~boundary~", "basin_transition_down"],
]
ABOUT = """# Coherence, and what it has to be read against

Each expression is one to three of fifteen tokens; each shape of a trajectory has its affine tokens.
Coherence is the share of affine tokens. **Colder decoding raises it, whatever was learned:** so it
stands here between what random tokens get and what a perfect imitator gets at your temperature.
"""
TITLE = "EISV coherence: a score between its floor and its ceiling"
NUCLEUS = {"top_k": 20, "top_p": 0.95}
LEGEND = "Bar: your score. Grey tick: random tokens. Blue tick: perfect imitation, decoded alike."


TABLE = "\n".join(
    [f"{', '.join(VOCABULARY.TOKENS)}.", "", "| shape | affine tokens |", "| :-- | :-- |"]
    + [f"| {shape} | {', '.join(own)} |" for shape, own in VOCABULARY.AFFINE_TOKENS.items()]
)


def score(rows, temperature, nucleus=False):
    """Score expressions against the shapes they were meant for, between floor and perfection.

    Args:
        rows: Pairs of an expression, as in ~stillness~ ~resonance~, and a shape, as in convergence.
        temperature: The temperature that the expressions were decoded at.
        nucleus: Whether top_k 20 and top_p 0.95 were on, as Qwen3's generation config sets them.
    """
    if any(len(row) != 2 for row in rows):
        raise gr.Error("Each row needs two cells: an expression and its shape.")
    said = [(str(e or "").strip(), str(s or "").strip()) for e, s in rows]
    said = [(expression, shape) for expression, shape in said if expression or shape]
    if not said:
        raise gr.Error("Write at least one expression and its shape.")
    expressions, shapes = map(list, zip(*said, strict=True))
    try:
        result = METRIC.compute(
            predictions=expressions, references=shapes, temperature=temperature,
            **(NUCLEUS if nucleus else {}),
        )  # fmt: skip
    except ValueError as error:
        raise gr.Error(str(error)) from error
    low, high = result["interval"]
    # A handful of equal scores has an interval of no width, which says nothing.
    interval = f" (95 % interval {low:.3f} to {high:.3f})" if low < high else ""
    summary = (
        f"**Coherence {result['coherence']:.3f}**{interval}; random "
        f"tokens get {result['floor']:.3f}, a perfect imitator at T = {temperature:g}"
        f"{', top-k 20, top-p 0.95' if nucleus else ''} gets {result['perfect']:.3f}.\n\n"
        f"Valid {result['valid_rate']:.0%} · diversity {result['diversity']:.3f} nats · divergence "
        f"from the law {result['divergence']:.3f} nats"
    )
    names = ("coherence", "floor", "perfect", "divergence")
    table = [
        [shape, row["n"], *(f"{row[name]:.3f}" for name in names)]
        for shape, row in result["per_shape"].items()
    ]
    drawn = [("all of them", result["coherence"], result["floor"], result["perfect"])]
    drawn += [
        (shape.replace("_", " "), row["coherence"], row["floor"], row["perfect"])
        for shape, row in result["per_shape"].items()
    ]
    return summary, bars(drawn, 1.0, LEGEND), table


def build():
    """Build the page."""
    with gr.Blocks(title=TITLE) as page:
        gr.HTML(links("eisv_coherence"))
        gr.Markdown(ABOUT)
        with gr.Accordion("The tokens, and which are affine to which shape", open=False):
            gr.Markdown(TABLE)
        rows = gr.Dataframe(
            EXAMPLE,
            headers=["expression", "shape"],
            datatype="str",
            type="array",
            label="Expressions and the shapes they were meant for (click a cell to change it)",
            buttons=None,
        )
        with gr.Row():
            temperature = gr.Slider(0, 1.5, 1.0, step=0.05, label="Temperature of the decoding")
            nucleus = gr.Checkbox(
                False, label="Nucleus: top-k 20, top-p 0.95",
                info="It is the nucleus that bites; Qwen3's own generation config sets it.",
            )  # fmt: skip
        button = gr.Button("Score", variant="primary")
        summary = gr.Markdown(elem_id="summary")
        chart = gr.HTML(elem_id="chart")
        headers = ["shape", "n", "coherence", "floor", "perfect", "divergence"]
        table = gr.Dataframe(headers=headers, label="Shape by shape", interactive=False)
        inputs, outputs = [rows, temperature, nucleus], [summary, chart, table]
        button.click(score, inputs, outputs, api_name="score")
        for change in (temperature.release, nucleus.change):
            change(score, inputs, outputs, api_visibility="private")
        page.load(score, inputs, outputs, api_visibility="private")
    return page


if __name__ == "__main__":
    build().launch(
        **LAUNCH, head=head(TITLE, "Coherence of expressions, between floor and ceiling.")
    )
