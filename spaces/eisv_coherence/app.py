"""A page to try the metric on: expressions and shapes in, coherence between its references out."""

import importlib
from pathlib import Path

import evaluate
import gradio as gr

HERE = Path(__file__).parent
METRIC = evaluate.load(str(HERE / "eisv_coherence.py"))
# The tables as the metric has them: its files are a package only where evaluate keeps them.
_tables = importlib.import_module(type(METRIC).__module__.rpartition(".")[0] + ".vocabulary")
AFFINE_TOKENS, TOKENS = _tables.AFFINE_TOKENS, _tables.TOKENS
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


TABLE = "\n".join(
    [f"{', '.join(TOKENS)}.", "", "| shape | affine tokens |", "| :-- | :-- |"]
    + [f"| {shape} | {', '.join(own)} |" for shape, own in AFFINE_TOKENS.items()]
)


def score(rows, temperature):
    """Score a table of expressions and shapes."""
    if any(len(row) != 2 for row in rows):
        raise gr.Error("Each row needs two cells: an expression and its shape.")
    said = [(str(e or "").strip(), str(s or "").strip()) for e, s in rows]
    said = [(expression, shape) for expression, shape in said if expression or shape]
    if not said:
        raise gr.Error("Write at least one expression and its shape.")
    expressions, shapes = map(list, zip(*said, strict=True))
    try:
        result = METRIC.compute(predictions=expressions, references=shapes, temperature=temperature)
    except ValueError as error:
        raise gr.Error(str(error)) from error
    low, high = result["interval"]
    summary = (
        f"**Coherence {result['coherence']:.3f}** (95 % interval {low:.3f} to {high:.3f}); random "
        f"tokens get {result['floor']:.3f}, a perfect imitator at T = {temperature:g} gets "
        f"{result['perfect']:.3f}.\n\n"
        f"Valid {result['valid_rate']:.0%} · diversity {result['diversity']:.3f} nats · divergence "
        f"from the law {result['divergence']:.3f} nats"
    )
    names = ("coherence", "floor", "perfect", "divergence")
    table = [
        [shape, row["n"], *(f"{row[name]:.3f}" for name in names)]
        for shape, row in result["per_shape"].items()
    ]
    return summary, table


def build():
    """Build the page."""
    with gr.Blocks(title="EISV coherence") as page:
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
        temperature = gr.Slider(0, 1.5, 1.0, step=0.05, label="Temperature of the decoding")
        button = gr.Button("Score", variant="primary")
        summary = gr.Markdown()
        headers = ["shape", "n", "coherence", "floor", "perfect", "divergence"]
        table = gr.Dataframe(headers=headers, label="Shape by shape", interactive=False)
        inputs, outputs = [rows, temperature], [summary, table]
        button.click(score, inputs, outputs, api_name="score")
        temperature.release(score, inputs, outputs, api_visibility="private")
        page.load(score, inputs, outputs, api_visibility="private")
    return page


if __name__ == "__main__":
    build().launch()
