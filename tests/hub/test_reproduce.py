"""A published teacher, measured again by the command: same figures, or a verdict that says not."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_double import TOKEN, HubDouble
from samples import FAST

from eisv_lumen.cli import main
from eisv_lumen.core.errors import InputError
from eisv_lumen.hub.contents.build import build_contents
from eisv_lumen.hub.contents.context import Material
from eisv_lumen.hub.publishing.fetch import base_beside, fetch_model
from eisv_lumen.hub.publishing.plan import make_plan
from eisv_lumen.hub.publishing.publish import to_folder, to_hub
from eisv_lumen.teacher.evaluation.reproduce import measure_again

ROOT = Path(__file__).parents[2]
NAME = "eisv-lumen-teacher"


def publish(run: Path, folder: Path) -> Path:
    plan = make_plan(build_contents(Material(ROOT, "ada", run), ["teacher"]), version="1.0")
    to_hub(plan, "ada", backoff=FAST)
    to_folder(plan, folder)
    return folder / "models" / NAME


class Done:
    """What the command printed, run in this process, and with what it ended."""

    def __init__(self, capsys: Any, *args: object) -> None:
        command = ["eisv-lumen", "evaluate", "reproduce", *map(str, args), "--json"]
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
            patch.setattr(sys, "argv", command)
            main()
        said = capsys.readouterr()
        self.code, self.told = int(end.value.code or 0), json.loads(said.out)
        assert TOKEN not in said.out + said.err


def spoil(data: bytes) -> bytes:
    """Change a teacher's weights: the largest tensor is turned round."""
    from safetensors.numpy import load, save

    tensors = load(data)
    largest = max(tensors, key=lambda name: tensors[name].size)
    tensors[largest] = np.ascontiguousarray(tensors[largest][::-1])
    return bytes(save(tensors, metadata={"format": "pt"}))


def test_from_the_hub_every_figure_is_the_same_and_other_weights_are_found_out(
    here: HubDouble, run: Path, tmp_path: Path, capsys: Any
) -> None:
    publish(run, tmp_path / "folder")
    repo = here.repo("model", f"ada/{NAME}")
    good = repo.head.oid
    repo.write({"model.safetensors": spoil(repo.files()["model.safetensors"])})
    done = Done(capsys, f"ada/{NAME}", "--revision", good)
    reported = json.loads((run / "report.json").read_text())
    n = sum(len(r["metrics"]) + sum(map(len, r["per_shape"].values())) for r in reported["results"])
    assert (done.told["same"], done.told["within"], done.told["differs"]) == (n, 0, 0) and n > 100
    assert done.code == 0
    spoiled = Done(capsys, f"ada/{NAME}")
    assert spoiled.code == 1 and spoiled.told["differs"] > 10
    for figure in spoiled.told["figures"]:
        inside = figure["low"] is not None and figure["low"] <= figure["found"] <= figure["high"]
        apart = abs(figure["found"] - figure["reported"]) > 1e-6
        assert figure["verdict"] == (
            "within" if apart and inside else "differs" if apart else "same"
        )


def test_an_adapter_is_measured_on_its_base_from_a_folder_and_from_the_hub(
    here: HubDouble, adapter_run: Path, tmp_path: Path, script: Any, capsys: Any
) -> None:
    folder = publish(adapter_run, tmp_path / "folder")
    assert base_beside(folder) == str(folder.with_name(f"{NAME}-base"))
    done = Done(capsys, folder)
    assert done.code == done.told["within"] == done.told["differs"] == 0
    command = f"sys.argv = ['', 'evaluate', 'reproduce', 'ada/{NAME}', '--json']; main()"
    from_hub = script(f"import sys; from eisv_lumen.cli import main; {command}", check=False)
    assert from_hub.returncode == 0, from_hub.stderr
    assert json.loads(from_hub.stdout)["figures"] == done.told["figures"]


def test_what_cannot_be_measured_again_is_said(here: HubDouble, run: Path, tmp_path: Path) -> None:
    folder = publish(run, tmp_path / "folder")
    windows = folder / "reports" / "demo.parquet"
    whole = windows.read_bytes()
    windows.write_bytes((run / "dataset/window_20/test.parquet").read_bytes())
    with pytest.raises(InputError, match="not the windows that the report was made on"):
        measure_again(folder)
    windows.unlink()
    with pytest.raises(InputError, match=r"demo\.parquet: not there, so report demo cannot"):
        measure_again(folder)
    windows.write_bytes(whole)
    shutil.rmtree(folder / "reports")
    with pytest.raises(InputError, match=r"no reports/\*\.json; give a teacher as"):
        measure_again(folder)
    with pytest.raises(InputError, match="moon: no such folder"):
        fetch_model("moon")
    with pytest.raises(InputError, match="leave out --revision"):
        fetch_model(str(folder), "v1")
    for missing in ({"where": "ada/none"}, {"where": f"ada/{NAME}", "revision": "v9"}):
        with pytest.raises(InputError, match=r"fetching ada/.*(404|there is no such repository)"):
            fetch_model(**missing, backoff=FAST)


def test_a_report_on_the_recipes_own_windows_needs_no_file(run: Path, tmp_path: Path) -> None:
    from eisv_lumen.evaluation.report import EvalReport, write_report
    from eisv_lumen.teacher.data.windows import read_corpus
    from eisv_lumen.teacher.evaluation.evaluate import teacher_report

    corpus, facts = read_corpus(run / "teacher")
    report = teacher_report(
        run / "teacher", corpus.prompts, corpus.shape, name="own", title="own", command="x",
        data=facts, draws=2,
    )  # fmt: skip
    assert isinstance(report, EvalReport)
    copy = tmp_path / "copy"
    shutil.copytree(run / "teacher" / "model", copy)
    shutil.copy(run / "teacher" / "training.json", copy)
    write_report(report, copy / "reports" / "own.json")
    [(old, found)] = measure_again(copy)
    assert [r.decoding for r in old.results] == [r.decoding for r in found]
    assert found == report.results


def test_nothing_but_data_is_fetched(here: HubDouble, run: Path, tmp_path: Path) -> None:
    publish(run, tmp_path / "folder")
    repo = here.repo("model", f"ada/{NAME}")
    repo.write({"modeling.py": "raise SystemExit(66)", "pytorch_model.bin": b"\x80\x04."})
    folder = fetch_model(f"ada/{NAME}", backoff=FAST)
    assert not {"modeling.py", "pytorch_model.bin"} & {p.name for p in folder.rglob("*")}
    assert (folder / "reports" / "demo.parquet").is_file()
