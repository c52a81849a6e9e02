"""The explorer's column of a student: what it says, and what is said where it cannot be shown."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.student.distil import DistilRecipe, distil_law
from eisv_lumen.student.fit import NetRecipe
from eisv_lumen.student.format import read_student
from eisv_lumen.trajectory.rules.explain import explain
from eisv_lumen.trajectory.simulate.lumen_like import lumen_like

sys.path.append(str(Path(__file__).parents[2] / "spaces" / "explorer"))

import speakers


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("students")
    recipe = DistilRecipe(windows=400, net=NetRecipe(hidden=3, steps=20))
    distil_law("initial", folder / "small", recipe, blind=True)
    return folder


@pytest.mark.parametrize(("length", "shown"), [(20, "series"), (4, "summary")])
def test_it_reads_the_window_as_it_can(students: Path, length: int, shown: str) -> None:
    (who,), missing = speakers.find_students(students)
    assert missing == "" and who.name == "Student of the initial law" and "kB" in who.about
    s = lumen_like(40, 3)
    t, X = s.t[:length], s.X[:length]
    window = speakers.one_window(t, X, None, explain(t, X).shape)
    student, rng = read_student(students / "small" / "student.json"), random.Random(9)
    states = np.column_stack([t, X]).tolist()
    given = {"series": states} if shown == "series" else {"summary": window.summary[0].tolist()}
    expected = [tuple(student.speak(**given, temperature=0.5, seed=rng)) for _ in range(5)]
    assert [one.tokens for one in who.speak(window, 5, 0.5, 9)] == expected
    assert SHAPES[int(window.shape[0])] == student.shape_of(states)


def test_a_student_that_was_changed_is_not_shown_and_that_is_said(
    students: Path, tmp_path: Path
) -> None:
    for name in ("student.json", "distilled.json"):
        text = (students / "small" / name).read_text()
        (tmp_path / "bad").mkdir(exist_ok=True)
        (tmp_path / "bad" / name).write_text(text.replace("0.4", "0.5", 1))
    found, missing = speakers.find_students(tmp_path)
    assert found == [] and "A student is not shown" in missing and "checksum" in missing
    shutil.copytree(students / "small", tmp_path / "good")  # behind the bad one
    (who,), again = speakers.find_students(tmp_path)
    assert who.name == "Student of the initial law" and again == missing
    assert speakers.find_students(tmp_path / "none") == ([], "")


def test_what_travels_of_it(students: Path, tmp_path: Path) -> None:
    from eisv_lumen.hub.contents.explorer import explorer_contents

    root = Path(__file__).parents[2]
    files = explorer_contents(
        root, "ada", students={"small": students / "small"}, post={"post.md": b""}
    )
    assert files["students/small/student.json"] == students / "small" / "student.json"
    assert b"- ada/small" in bytes(files["README.md"])
    with pytest.raises(InputError, match=r"lacks student\.json"):
        explorer_contents(root, "ada", students={"no": tmp_path}, post={"post.md": b""})
