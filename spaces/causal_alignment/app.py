"""A page to try the metric on: made processes, or a file of one's own predictions."""

import tempfile
import zipfile
from pathlib import Path

import evaluate
import gradio as gr
import numpy as np
from family import LAUNCH, bars, head, links
from processes import PREDICTORS, PROCESSES, chain, examples, predict

HERE = Path(__file__).parent
METRIC = evaluate.load(str(HERE / "causal_alignment.py"))
MAX_BYTES = 400_000_000
NEEDED = ("predictions", "references", "contexts", "articles", "positions")
ABOUT = """# Does a model know what comes next?

Given the vectors of five consecutive chunks of an article, a model predicts the vector of the next.
The published test asks for cosine and for a margin over the other chunks. **On text that hangs
together no least-squares predictor has that margin, and the negative of the last chunk has one
over the last.** So here a model is asked how many bits it gives of *which* chunk comes next,
between what needs no learning and perfection.
"""
FILE = f"""A NumPy `.npz` with `predictions` (N, D), `references` (N, D), `contexts` (N, 5, D),
`articles` (N; text or numbers) and `positions` (N; the place of each true next chunk there).
Nothing in it is unpickled. At most {MAX_BYTES // 1_000_000} MB, and 8 articles at least."""
TITLE = "Causal alignment: does a model know what comes next?"
LEGEND = "Bar: bits of the next chunk. Grey tick: the best floor. Blue tick: the ceiling."
GATES = ["gate", "reads", "value", "floor", "ceiling", "over the floor [95 %]", "verdict"]
TESTS = ["test", "number", "found", "threshold", "verdict"]


def made(process, predictor):
    """Read a known predictor on a made process, whose optimum is known.

    Args:
        process: One of the processes of the page.
        predictor: One of the predictors of the page.
    """
    angle = PROCESSES[process]
    given = examples(chain(angle))

    def said(contexts):
        return predict(predictor, angle, given, contexts)

    answers = {name: [said(c) for c in those] for name, those in METRIC.questions(**given).items()}
    return show(METRIC.compute(predictions=said(given["contexts"]), answers=answers, **given))


def own(path):
    """Read a file of predictions of the next chunk's vector.

    Args:
        path: A NumPy .npz with predictions, references, contexts, articles and positions.
    """
    if not path:
        raise gr.Error("Choose a file first.")
    try:
        with zipfile.ZipFile(path) as inside:
            size = sum(entry.file_size for entry in inside.infolist())
        if size > MAX_BYTES:
            raise gr.Error(f"{size / 1e6:.0f} MB unpacked: at most {MAX_BYTES // 1_000_000}.")
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in NEEDED if name not in file]
            if missing:
                raise gr.Error(f"{Path(path).name}: the file lacks {', '.join(missing)}.")
            given = {name: file[name] for name in NEEDED}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise gr.Error(f"Not an .npz of plain arrays: {error}") from error
    for name in ("articles", "positions"):
        if given[name].ndim != 1:
            raise gr.Error(f"{name} {given[name].shape}: give one for each prediction, (N,).")
    if given["positions"].dtype.kind not in "iu":
        raise gr.Error("positions: give whole numbers, the place of each true next chunk.")
    given["articles"] = [str(name) for name in given["articles"]]
    try:
        return show(METRIC.compute(**given))
    except ValueError as error:
        raise gr.Error(str(error)) from error


def show(result):
    """Put a result into words and two tables."""
    low, high = result["margin_interval"]
    verdict = "passes every gate read" if result["passed"] else "does not pass"
    summary = (
        f"**{result['bits']:.3f} bits** of {result['ceiling']:.3f} possible; the best floor "
        f"({result['floor_name']}) gives {result['floor']:.3f}. Over the floor: "
        f"**{result['margin']:+.3f}** [{low:+.3f}, {high:+.3f}]. It {verdict}.\n\n"
        f"{result['windows']} windows of {result['articles']} articles."
    )
    gates = [
        [
            f"{g['name']} {g['title']}",
            g["unit"],
            f"{g['value']:.3f}",
            f"{g['floor']:.3f} ({g['floor_name']})",
            f"{g['ceiling']:.3f}",
            f"{g['margin']:+.3f} [{g['margin_low']:+.3f}, {g['margin_high']:+.3f}]",
            _verdict(g["passed"]),
        ]
        for g in result["gates"].values()
    ]
    tests = [
        [f"{letter} {test['title']}", name.replace("_", " "), f"{found:.3f}", f"{bound:g}",
         _verdict(passed)]
        for letter, test in result["published"].items()
        for name, (found, bound, passed) in (
            (name, x) for name, x in test.items() if name not in ("title", "passed")
        )
    ]  # fmt: skip
    drawn = [("bits of the next chunk", result["bits"], result["floor"], result["ceiling"])]
    return summary, bars(drawn, max(result["ceiling"], 1e-9), LEGEND), gates, tests


def sample():
    """Write a file of the form that is asked for, of a made process; return its path."""
    angle = list(PROCESSES.values())[1]
    given = examples(chain(angle))
    said = predict(PREDICTORS[0], angle, given, given["contexts"])
    path = Path(tempfile.mkdtemp()) / "sample.npz"
    kept = {name: np.asarray(given[name]) for name in NEEDED if name != "predictions"}
    np.savez_compressed(path, predictions=said.astype(np.float32), **kept)
    return str(path)


def _verdict(passed):
    return {True: "passed", False: "failed", None: "reported"}[passed]


def build():
    """Build the page."""
    with gr.Blocks(title=TITLE) as page:
        gr.HTML(links("causal_alignment"))
        gr.Markdown(ABOUT)
        with gr.Tabs(overflow_behavior="wrap"):  # else a phone hides the second behind dots
            with gr.Tab("Where the optimum is known"):
                process = gr.Dropdown(list(PROCESSES), value=list(PROCESSES)[1], label="Process")
                predictor = gr.Dropdown(list(PREDICTORS), value=PREDICTORS[0], label="Predictor")
            with gr.Tab("Your predictions"):
                gr.Markdown(FILE)
                file = gr.File(label="Predictions (.npz)", file_types=[".npz"])
                gr.DownloadButton("Download a sample .npz", sample, size="sm")
        summary = gr.Markdown(elem_id="summary")
        chart = gr.HTML(elem_id="chart")
        gates = gr.Dataframe(headers=GATES, label="Calibrated gates", interactive=False, wrap=True)
        tests = gr.Dataframe(headers=TESTS, label="As published", interactive=False, wrap=True)
        outputs = [summary, chart, gates, tests]
        gr.on(
            [page.load, process.change, predictor.change], made, [process, predictor], outputs,
            api_name="made",
        )  # fmt: skip
        file.upload(own, file, outputs, api_name="own")
    return page


if __name__ == "__main__":
    about = "How many bits a model gives of which chunk comes next, between floor and ceiling."
    build().launch(**LAUNCH, head=head(TITLE, about))
