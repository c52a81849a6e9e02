"""What travels with the explorer: all of it, the same bytes each time, and in the right form."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.cards.front_matter import check_front_matter
from eisv_lumen.hub.contents.explorer import LONG_RUN, explorer_contents
from eisv_lumen.hub.publishing.plan import RepoName, make_plan, stamp
from eisv_lumen.trajectory.windows import classify

ROOT = Path(__file__).parents[2]
POST = {"post.md": b"# A post\n"}


@pytest.fixture(scope="module")
def contents():
    return explorer_contents(ROOT, "ada", post=POST)


def text(contents, path):
    source = contents[path]
    return (source if isinstance(source, bytes) else source.read_bytes()).decode()


def test_the_same_inputs_give_the_same_bytes(contents):
    again = explorer_contents(ROOT, "ada", post=POST)
    assert {p: stamp(s) for p, s in contents.items()} == {p: stamp(s) for p, s in again.items()}


def test_it_can_be_planned_as_a_repo(contents):
    plan = make_plan({RepoName("space", "explorer"): contents}, version="1.2.3")
    assert {
        "app.py",
        "README.md",
        "requirements.txt",
        "post.md",
        "page/style.css",
        "page/law.mjs",
    } <= set(contents)
    assert plan.repos[0].size < 8_000_000


def test_the_card_is_one_that_the_hub_takes(contents):
    head = check_front_matter(text(contents, "README.md"), "space")
    assert head["sdk"] == "gradio" and head["app_file"] in contents
    assert head["python_version"] == "3.11"
    assert len(head["short_description"]) <= 60
    assert "models" not in head and head["datasets"] == ["ada/unitares-eisv-trajectories"]


def test_a_model_that_travels_is_named_in_the_card(space):
    head = check_front_matter((space / "README.md").read_text(), "space")
    assert head["models"] == ["ada/small"]
    assert {"model.safetensors", "tokenizer.json", "training.json", "config.json"} <= {
        path.name for path in (space / "models" / "small").iterdir()
    }


def test_the_wheel_is_the_package_whole_and_works_from_where_it_is_unpacked(contents, tmp_path):
    name = next(path for path in contents if path.endswith(".whl"))
    with zipfile.ZipFile(io.BytesIO(contents[name])) as wheel:
        inside = {
            n
            for n in wheel.namelist()
            if n.startswith("eisv_lumen/") and not n.startswith("eisv_lumen/_templates/")
        }
        wheel.extractall(tmp_path)
    sources = {
        f"eisv_lumen/{path.relative_to(ROOT / 'src' / 'eisv_lumen').as_posix()}"
        for path in (ROOT / "src" / "eisv_lumen").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == sources
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import eisv_lumen as e"
    code += "; print(e.__file__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.startswith(str(tmp_path))


def test_everything_that_the_app_imports_is_required(contents):
    """Packages that the Space's own files import by name come with it, gradio or requirements."""
    asked = {re.split(r"[>=]", line)[0] for line in text(contents, "requirements.txt").split("\n")}
    own = {Path(path).stem for path in contents if path.endswith(".py")} | {
        "tabs",
        "drawing",
        "eisv_lumen",
    }
    imported = set()
    for path in (p for p in contents if p.endswith(".py")):
        imported |= set(re.findall(r"^(?:from|import) (\w+)", text(contents, path), re.MULTILINE))
    outside = imported - own - set(sys.stdlib_module_names) - {"gradio"}
    given = {"huggingface_hub"}  # by gradio
    assert {name.replace("markdown_it", "markdown-it-py") for name in outside - given} <= asked


def test_both_posts_travel_with_their_long_versions_and_link_within(space):
    for name in ("post", "post-appendix", "vectors", "vectors-appendix"):
        written = (space / f"{name}.md").read_text()
        assert "(?tab=" in written or name == "vectors-appendix"
        assert "/spaces/eisv-lumen/explorer?" not in written
        for figure in re.findall(r"\(figures/([\w-]+\.svg)\)", written):
            assert (space / "figures" / figure).is_file()


def test_there_is_an_example_of_each_shape_that_shows_it(contents):
    for shape in SHAPES:
        rows = list(csv.DictReader(io.StringIO(text(contents, f"examples/{shape}.csv"))))
        t = np.array([float(row["t"]) for row in rows])
        X = np.array([[float(row[d]) for d in "EISV"] for row in rows])
        drift = np.array([float(row.get("ethical_drift", 0)) for row in rows])
        codes = classify(t, X, stride=1, ethical_drift=drift)
        assert SHAPES.index(shape) in codes, shape
        assert ("ethical_drift" in rows[0]) == (shape == "drift_dissonance")
    long = list(csv.DictReader(io.StringIO(text(contents, f"examples/{LONG_RUN}.csv"))))
    assert float(long[-1]["t"]) >= 3600


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"root": Path("/nowhere")}, "app.py"),
        ({"post": {"figures/x.svg": b""}}, "post.md"),
        ({"models": {"none": Path("/nowhere")}}, "no trained model"),
    ],
)
def test_what_is_missing_is_named(change, about):
    with pytest.raises(InputError, match=about):
        explorer_contents(**({"root": ROOT, "namespace": "ada", "post": POST} | change))
