"""The file holds what the arrays hold, to the digits that are stated; the reader reads the same."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.law import initial_laws
from eisv_lumen.student.format import (
    laws_of_rows,
    make_student,
    read_student,
    row_laws,
    summary_laws,
    write_student,
)
from eisv_lumen.student.reader import Student


def test_what_is_written_is_read_again_and_equal_students_give_equal_bytes(student, tmp_path):
    for name in ("a", "b"):
        write_student(student, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_student(tmp_path / "a").body == student.body


def test_the_reader_reads_as_the_arrays_do(student, some_net, summaries):
    """Every exported prediction beside its source: the network in NumPy, before rounding."""
    source = some_net.read(summaries)
    read = np.array([student.read(row) for row in summaries.tolist()])
    np.testing.assert_allclose(read, source, rtol=0, atol=2e-5)  # six digits in the file
    np.testing.assert_allclose(
        summary_laws(student, summaries), source @ laws_of_rows(some_net.rows), atol=1e-5
    )


def test_the_arrays_of_the_file_and_the_reader_agree_to_rounding(student, summaries):
    whole = summary_laws(student, summaries[:2])
    for row, summary in zip(whole, summaries[:2].tolist(), strict=True):
        law = sorted(student.law(summary=summary).values())
        np.testing.assert_allclose(law, np.sort(row), rtol=1e-9, atol=1e-16)


def test_the_laws_own_rows_lose_nothing_in_six_digits(student):
    for law, found in zip(initial_laws(), row_laws(student), strict=True):
        assert 0 <= law.divergence(found) < 1e-10


def test_a_student_of_the_law_is_two_kilobytes(law_rows, tmp_path):
    write_student(make_student(law_rows), tmp_path / "student.json")
    assert (tmp_path / "student.json").stat().st_size < 3_000


@pytest.mark.parametrize(
    ("change", "about"),
    [
        (lambda f: f["student"]["weights"][0].__setitem__(0, 9.0), "checksum"),
        (lambda f: f.update(format="eisv-lumen-student/9"), "format is 'eisv-lumen-student/9'"),
        (lambda f: f.pop("sha256"), "not a student: field 'sha256' is missing"),
        (lambda f: f.pop("student"), "not a student: field 'student' is missing"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused(student, tmp_path, change, about):
    path = tmp_path / "student.json"
    write_student(student, path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=about) as caught:
        read_student(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("field", ["shapes", "tokens", "inquiry"])
def test_a_student_of_other_names_is_refused(student, tmp_path, field):
    """Its rows would be scored as those of ours."""
    other = {**student.body, field: student.body[field][::-1]}
    write_student(Student(other), tmp_path / "student.json")
    with pytest.raises(InputError, match=rf"student\.json: {field} must be, in this order: "):
        read_student(tmp_path / "student.json")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_student(tmp_path / "none.json")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    with pytest.raises(InputError):
        read_student(tmp_path / "noise")


def test_windows_of_another_length_are_refused(student, law_rows, summaries):
    other = summaries.copy()
    other[3, 0] = 20
    with pytest.raises(InputError, match=r"^row 3: n_states=20: .* windows of 4 states"):
        summary_laws(student, other)
    with pytest.raises(InputError, match="reads no summaries"):
        summary_laws(make_student(law_rows), summaries)
