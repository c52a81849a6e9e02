"""`lvm align`, `compare` and `retrieve` as they are typed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eisv_lumen.cli.lvm import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.alignment.report import read_alignment, write_alignment
from eisv_lumen.lvm.data.known_processes import ROTATION
from eisv_lumen.lvm.data.storage import write_sequences


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sequences")
    for i, name in enumerate(("train", "validation", "test", "ood")):
        s = ROTATION.sample(40 if name == "train" else 10, 20, seed=i)
        named = tuple(f"{name}/{article}" for article in s.article_ids)
        write_sequences(replace(s, article_ids=named), place / name)
    return place


def run(*args: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def reports(folder: Path) -> Path:
    out = folder / "reports"
    common = ("--validation", folder / "validation", "--test", folder / "test",
              "--ood", folder / "ood", "--train", folder / "train")  # fmt: skip
    for model in ("ridge", "copy-last", "lag-cosine", "oracle"):
        run("align", model, *common, "--out", out / f"{model}.json")
    return out


def test_align_writes_a_report_and_shows_it(folder: Path, reports: Path) -> None:
    report = read_alignment(reports / "ridge.json")
    assert report.name == "ridge" and report.sets["test"].windows == 150
    assert [gate.name for gate in report.gates] == ["G1", "G2", "G3", "G4", "G5", "G6"]
    first = report.gate("G1")
    assert first is not None and "bits, ridge-shuffled" in first.also
    given = ("--validation", folder / "validation", "--test", folder / "test")
    shown = " ".join(run("align", "copy-last", *given).split())
    assert "identific" in shown and "slips mended" in shown
    assert "all five on both sets: no other corpus given" in shown
    slipped = json.loads(run("align", "copy-last", *given, "--as-published", "--json"))
    assert slipped["published"]["as_published"] is True
    again = json.loads(run("align", "copy-last", *given, "--as-published", "--json"))
    assert again["gates"] == slipped["gates"]


def test_compare_sets_models_side_by_side(reports: Path, tmp_path: Path) -> None:
    figures = [tmp_path / name for name in ("a.svg", "b.svg")]
    table = json.loads(run("compare", reports, "--json", "--figure", figures[0]))
    run("compare", reports, "--markdown", "--figure", figures[1])
    assert figures[0].read_bytes() == figures[1].read_bytes()
    [part] = table["tables"]
    assert (part["ahead"], part["test"]["windows"]) == (0, 150)
    assert [row[0] for row in part["rows"]] == ["copy-last", "lag-cosine", "oracle", "ridge"]
    assert {len(row) for row in part["rows"]} == {len(table["columns"])}
    by_name = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in part["rows"]}
    first = read_alignment(reports / "ridge.json").gate("G1")
    assert first is not None
    assert by_name["ridge"]["bits"].startswith(f"{first.value:.3f} [")
    assert by_name["ridge"]["over the floor"].startswith(f"{first.margin:+.3f} [")
    assert by_name["oracle"]["gates"] == "5 of 5" and by_name["lag-cosine"]["cosine"] == "–"
    markdown = run("compare", reports, "--markdown").splitlines()
    assert len(markdown) == 2 + 4 and markdown[2].startswith("| copy-last |")


def test_each_question_has_a_table_of_its_own(folder: Path, reports: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    run("align", "copy-last", "--validation", folder / "validation", "--test", folder / "ood",
        "--out", other)  # fmt: skip
    later = read_alignment(reports / "ridge.json").model_copy(update={"ahead": 1, "name": "later"})
    write_alignment(later, tmp_path / "later.json")
    (tmp_path / "claim.json").write_text('{"schema": "another/1"}')
    figure = tmp_path / "all.svg"
    command = ["compare", reports, tmp_path, "--json", "--figure", figure]
    done = CliRunner().invoke(app, [str(a) for a in command], catch_exceptions=False)
    tables = json.loads(done.stdout)["tables"]
    assert [[row[0] for row in t["rows"]] for t in tables] == [
        ["copy-last", "lag-cosine", "oracle", "ridge"], ["later"], ["copy-last"],
    ]  # fmt: skip
    assert [t["ahead"] for t in tables] == [0, 1, 0]
    said = done.stderr.splitlines()
    assert [line for line in said if "claim.json" in line] == [
        f"skipped, not alignment reports: {tmp_path / 'claim.json'}"
    ]
    for name in ("all.svg", "all-2.svg", "all-3.svg"):
        assert (tmp_path / name).read_bytes().startswith(b"<?xml")
    markdown = run("compare", reports, tmp_path, "--markdown")
    assert markdown.count("**the next chunk: ") == 2 and "**the chunk after next: " in markdown
    with pytest.raises(InputError, match=r"ends in .svg or .png"):
        CliRunner().invoke(
            app, ["compare", str(reports), "--figure", "x.pdf"], catch_exceptions=False
        )


def test_where_there_is_no_report_it_says_so(tmp_path: Path) -> None:
    for message in ("no alignment reports", r"of another schema: claim\.json"):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(app, ["compare", str(tmp_path)], catch_exceptions=False)
        (tmp_path / "claim.json").write_text("{}")
    with pytest.raises(InputError, match=r"claim\.json: "):  # named by itself, it must be one
        CliRunner().invoke(app, ["compare", str(tmp_path / "claim.json")], catch_exceptions=False)


def test_retrieve_measures_both_stages(folder: Path) -> None:
    found = json.loads(
        run("retrieve", folder / "test", "--first", "copy-last", "--first", "lag-cosine",
            "--reranker", "ridge", "--validation", folder / "validation",
            "--train", folder / "train", "--scope", "global", "--k", 20, "--json")
    )["results"]  # fmt: skip
    assert [(r["first"], r["reranker"]) for r in found] == [
        ("copy-last", None), ("copy-last", "ridge"), ("lag-cosine", None), ("lag-cosine", "ridge"),
    ]  # fmt: skip
    assert set(found[0]["contain"]) == {"1", "5", "10", "20"} and found[0]["candidates"] == 200
    assert found[1]["mrr"][0] > found[0]["mrr"][0]
    assert "Contain@20" in run("retrieve", folder / "test", "--k", 20, "--faiss")
    with pytest.raises(InputError, match="moon: no model folder and no baseline"):
        CliRunner().invoke(
            app, ["retrieve", str(folder / "test"), "--first", "moon"], catch_exceptions=False
        )


@pytest.mark.parametrize("command", ["align", "retrieve"])
def test_a_folder_that_holds_no_model_is_called_that(command: str, folder: Path) -> None:
    sets = {
        "align": [folder, "--validation", folder / "validation", "--test", folder / "test"],
        "retrieve": [folder / "test", "--first", folder],
    }
    with pytest.raises(InputError, match=r": no config\.json there, so no model; give a folder"):
        run(command, *sets[command])


def test_no_bar_of_weights_stands_among_what_is_said(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    from eisv_lumen.lvm.models import MODELS

    kind = MODELS["predictor"]
    dim = ROTATION.sample(1, 20, seed=0).dim
    kind(kind.config_class(dim=dim, width=16, layers=1, heads=2)).save_pretrained(
        tmp_path / "model"
    )
    capfd.readouterr()
    logging.enable_progress_bar()
    app(["retrieve", str(folder / "test"), "--first", str(tmp_path), "--k", "5"],
        standalone_mode=False)  # fmt: skip
    said = capfd.readouterr()
    assert "Contain@5" in said.out and said.err == f"{tmp_path}\n"
