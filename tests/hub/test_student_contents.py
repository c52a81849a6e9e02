"""A student as it is published: a stranger speaks with it, without our package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hub_double import HubDouble
from samples import FAST
from typer.testing import CliRunner

from eisv_lumen.cli.student import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import read_report, write_report
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.cards.front_matter import check_front_matter
from eisv_lumen.hub.contents.build import build_contents
from eisv_lumen.hub.contents.context import Material
from eisv_lumen.hub.contents.student import STUDENT, student_card
from eisv_lumen.hub.publishing.plan import make_plan
from eisv_lumen.hub.publishing.publish import to_folder, to_hub
from eisv_lumen.student.distil import DistilRecipe, distil_law
from eisv_lumen.student.evaluate import exact_report
from eisv_lumen.student.fit import NetRecipe
from eisv_lumen.student.format import read_student, summary_laws
from eisv_lumen.student.reader import FORMAT, Student, checksum
from eisv_lumen.trajectory.simulate.lumen_like import summaries_like_real
from eisv_lumen.trajectory.windows import SUMMARY_FIELDS

ROOT = Path(__file__).parents[2]
SUMMARY = [4.0, 6.8, 0.57, 0.88, 0.11, 0.03, 7e-4, 0.0, 4e-4, 0.0, -1.5e-3, 0.0, -8e-4, -1.2e-3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a student that hardly learned to read, and its report."""
    folder = tmp_path_factory.mktemp("run")
    recipe = DistilRecipe(windows=500, net=NetRecipe(hidden=4, steps=30))
    distil_law("initial", folder / "student", recipe, blind=True)
    shape, summary = summaries_like_real(60, 8)
    spoken = summary_laws(read_student(folder / "student" / "student.json"), summary)
    report = exact_report(
        spoken, shape, "initial", name="like", title="on Lumen-like windows", command="here",
        data={"n": 60}, teacher=np.roll(spoken, 1, 0),
    )  # fmt: skip
    write_report(report, folder / "student" / "reports" / "like.json")
    return folder


STRANGER = """
import json, sys
sys.modules["eisv_lumen"] = None  # a stranger has not installed it
from huggingface_hub import snapshot_download
said = []
for where in (snapshot_download("ada/eisv-lumen-student"), sys.argv[1]):
    sys.path.insert(0, where)
    sys.modules.pop("reader", None)
    from reader import Student
    student = Student.load(where + "/student.json")
    said.append([student.speak(summary=json.loads(sys.argv[2]), seed=s) for s in range(20)])
print(json.dumps(said))
"""


def test_a_stranger_lets_it_speak_from_the_hub_and_from_a_folder(
    here: HubDouble, run: Path, tmp_path: Path, script
) -> None:
    plan = make_plan(build_contents(Material(ROOT, "ada", run), ["student"]), version="1.0")
    to_folder(plan, tmp_path)
    to_hub(plan, "ada", backoff=FAST)
    folder = tmp_path / "models" / STUDENT.name
    done = script(STRANGER, folder, json.dumps(SUMMARY))
    hub, local = json.loads(done.stdout.splitlines()[-1])
    ours = read_student(run / "student" / "student.json")
    assert hub == local == [ours.speak(summary=SUMMARY, seed=s) for s in range(20)]


def test_its_card_says_what_the_report_holds(run: Path) -> None:
    files = build_contents(Material(ROOT, "ada", run), ["student"])[STUDENT]
    assert set(files) == {
        "student.json", "reader.py", "distilled.json", "reports/like.json", "README.md",
        "config.json",
    }  # fmt: skip
    student = Student.load(str(run / "student"))
    config = json.loads(bytes(files["config.json"]))  # by which the Hub counts downloads
    assert config["shapes"] == student.shapes and config["sha256"] == checksum(student.body)
    assert config["format"] == FORMAT and config["n_states"] == student.body["net"]["n_states"]
    text = bytes(files["README.md"]).decode()
    head = check_front_matter(text, "model")
    results = json.loads((run / "student" / "reports" / "like.json").read_text())["results"]
    (index,) = head["model-index"]
    values = [m["value"] for r in index["results"] for m in r["metrics"]]
    for result in results:
        for name in ("coherence", "excess_nats"):
            if name in result["metrics"]:
                assert round(result["metrics"][name]["value"], 4) in values
    warm = results[0]["metrics"]["teacher_excess_nats"]
    assert f"{warm['value']:.4f} [{warm['low']:.4f}, {warm['high']:.4f}]" in text
    assert f"{(run / 'student' / 'student.json').stat().st_size:,} bytes" in text


TAUGHT = {"recipe": "tiny-own", "sha256": "0123456789abcdef" * 4}


@pytest.mark.parametrize(
    ("teacher", "style", "speaks", "rows"),
    [
        ({"law": "initial"}, "compact", "it speaks the law itself", "the rows are the law's own"),
        ({"law": "initial"}, "blind", "it speaks the law itself", "learned the true shapes"),
        (
            TAUGHT,
            "compact",
            "Of a shape it says what its teacher says",
            "the mean of the teacher's",
        ),
        (TAUGHT, "series", "so does it, by nine rules", "the mean of the teacher's"),
        (TAUGHT, "blind", "it speaks the voice's own law", "nine rows of shapes are the voice's"),
    ],
)
def test_a_card_says_of_each_kind_of_student_whose_law_it_speaks(run, teacher, style, speaks, rows):
    record = json.loads((run / "student" / "distilled.json").read_text())
    record |= {"teacher": teacher, "style": style}
    report = read_report(run / "student" / "reports" / "like.json")
    text = " ".join(student_card(ROOT, "ada", "s", [report], record, size=9).split())
    assert speaks in text and rows in text
    assert ("Of a summary it says what its teacher says" in text) == (
        teacher is TAUGHT and style == "blind"
    )
    assert (TAUGHT["sha256"] in text) == (teacher is TAUGHT)


def test_nothing_that_is_published_tells_where_it_was_made(
    here: HubDouble, run: Path, tmp_path: Path
) -> None:
    """The commands are typed with whole paths; older reports of that kind are at hand, too."""
    shutil.copytree(run, tmp_path / "run")
    folder = tmp_path / "run" / "student"
    shape, rows = summaries_like_real(12, 3)
    lines = [
        {"id": i, "shape": SHAPES[s]} | dict(zip(SUMMARY_FIELDS, row, strict=True))
        for i, (s, row) in enumerate(zip(shape.tolist(), rows.tolist(), strict=True))
    ]
    data, out = tmp_path / "summaries.jsonl", folder / "reports" / "own.json"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    args = ["evaluate", folder / "student.json", "--data", data, "--out", out]
    assert CliRunner().invoke(app, [str(arg) for arg in args]).exit_code == 0
    assert str(tmp_path) not in out.read_text()
    old = read_report(out)
    typed = old.provenance.model_copy(update={"command": " ".join(["eisv-lumen", *map(str, args)])})
    write_report(old.model_copy(update={"provenance": typed}), folder / "reports" / "old.json")
    plan = make_plan(
        build_contents(Material(ROOT, "ada", tmp_path / "run"), ["student", "explorer"]),
        version="1.0",
    )
    to_hub(plan, "ada", backoff=FAST)
    published = here.repo("model", f"ada/{STUDENT.name}").files()
    command = b"eisv-lumen student evaluate student.json --data summaries.jsonl --out own.json"
    assert command in published["README.md"] and command in published["reports/own.json"]
    for path, content in {**published, **here.repo("space", "ada/explorer").files()}.items():
        assert str(tmp_path).encode() not in content, path


def test_what_is_missing_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="student: make it with `eisv-lumen student distil"):
        build_contents(Material(ROOT, "ada"), ["student"])
    (tmp_path / "student").mkdir()
    with pytest.raises(InputError, match=r"lacks student\.json, reader\.py"):
        build_contents(Material(ROOT, "ada", tmp_path), ["student"])
    for name in ("student.json", "reader.py", "distilled.json"):
        (tmp_path / "student" / name).write_bytes((run / "student" / name).read_bytes())
    with pytest.raises(InputError, match="no report; make one"):
        build_contents(Material(ROOT, "ada", tmp_path), ["student"])
