"""`lvm demo` as it is typed, small: real text, the real encoder, real training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from eisv_lumen.cli import app as everything
from eisv_lumen.cli.lvm import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.alignment.report import read_alignments
from eisv_lumen.lvm.alignment.table import COMPARED, compare_rows
from eisv_lumen.lvm.data.storage import read_sequences
from eisv_lumen.lvm.data.texts import TEXTS
from eisv_lumen.lvm.demo import meaning
from eisv_lumen.lvm.models import load_predictor
from eisv_lumen.lvm.predictors.predict import predict

pytest.importorskip("sentence_transformers")
ROOT = Path(__file__).parents[2]
NAMES = ["copy-last", "lag-cosine-centred", "ridge", "p1", "ranker", "oracle"]


def demo(*args: object) -> Result:
    small = ("--articles", 40, "--longest", 10, "--epochs", 1)
    return CliRunner().invoke(
        app, ["demo", *map(str, (*small, *args))], catch_exceptions=False
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Forty stretches of the King James Bible, each a file of its own."""
    folder = tmp_path_factory.mktemp("demo")
    verses = "\n\n".join(a.text for a in TEXTS["kjv-narrative"].read()).split("\n\n")
    (folder / "text").mkdir()
    for i in range(40):
        stretch = verses[200 * i : 200 * i + 60]
        (folder / "text" / f"{i:02d}.txt").write_text("\n\n".join(stretch))
    done = demo("--source", folder / "text", "--out", folder / "out", "--json")
    assert done.exit_code == 0, done.output
    return folder / "out", done


def test_from_text_to_the_table(made: tuple[Path, Result]) -> None:
    out, done = made
    found = json.loads(done.stdout)
    assert found["columns"] == list(COMPARED)
    assert [row[0] for row in found["rows"]] == NAMES
    reports = {r.name: r for r in read_alignments([out / "reports"])[0]}
    assert sorted(reports) == sorted(NAMES)
    assert found["rows"] == [list(row) for row in compare_rows([reports[n] for n in NAMES])]
    assert found["meaning"] == meaning(list(reports.values()))
    windows = {n: read_sequences(out / "sequences" / n) for n in ("train", "validation", "test")}
    assert reports["p1"].sets["test"].windows == len(windows["test"])
    assert sum(len(s.article_ids) for s in windows.values()) == 40
    assert (out / "compare.svg").read_bytes().startswith(b"<?xml")


def test_the_floors_are_below_and_the_oracle_above(made: tuple[Path, Result]) -> None:
    reports = {r.name: r for r in read_alignments([made[0] / "reports"])[0]}
    assert reports["oracle"].passed and not reports["copy-last"].passed
    for report in reports.values():
        first = report.gate("G1")
        assert first is not None and first.value <= first.ceiling
        assert "bits, ridge-shuffled" in first.also
    assert "ranker " in meaning(list(reports.values()))


def test_what_is_done_is_not_done_again(made: tuple[Path, Result]) -> None:
    out, first = made
    weights = (out / "p1" / "model" / "model.safetensors").read_bytes()
    text = out.parent / "text"
    again = demo("--source", text, "--out", out)
    assert again.exit_code == 0 and again.stderr.count("already trained") == 2
    assert (out / "p1" / "model" / "model.safetensors").read_bytes() == weights
    shown = [line for line in again.stdout.splitlines() if line.startswith("ranker ")]
    assert json.loads(first.stdout)["meaning"].splitlines()[1] == shown[-1]
    with pytest.raises(InputError, match="holds a run of another recipe, seed or other data"):
        demo("--source", text, "--out", out, "--seed", 1)


def test_what_was_trained_can_be_published_as_it_lies(
    made: tuple[Path, Result], tmp_path: Path
) -> None:
    out, place = made[0], tmp_path / "hub"
    typed = ("publish", "--to", "folder", place, "--run", out / "ranker", "--root", ROOT,
             "--only", "lvm", "--only", "causal_alignment")  # fmt: skip
    done = CliRunner().invoke(everything, [str(word) for word in typed], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    published = place / "models" / "eisv-lumen-lvm"
    asked = read_sequences(out / "sequences" / "test").contexts()
    one, other = load_predictor(out / "ranker"), load_predictor(published)
    assert np.array_equal(predict(one, asked), predict(other, asked))
    [first] = [
        g for g in read_alignments([published / "report.json"])[0][0].gates if g.name == "G1"
    ]
    assert f"{first.value:.3f} bits".replace("-", "−") in (published / "README.md").read_text()


def test_a_text_too_short_is_refused_before_it_is_embedded(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.txt").write_text("Seven words stand in this one sentence. " * 100)
    with pytest.raises(InputError, match=r"5 articles of at least 10 chunks.*need 40"):
        demo("--out", tmp_path / "out", "--source", tmp_path)
    assert not (tmp_path / "out").exists()
