"""Whoever speaks: one `.speak` and one `.law`, for a shape, a summary or a window in any form."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import eisv_lumen
from eisv_lumen import EvalReport, Student, Teacher, Voice
from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.law import ExpressionLaw
from eisv_lumen.expression.voice import Voice as RuleVoice
from eisv_lumen.speakers import Said, hear
from eisv_lumen.student.distil import DistilRecipe, distil_law

RESULTS = Path(__file__).parents[1] / "results"
T = np.arange(20.0)
X = np.tile([0.4, 0.8, 0.1, 0.03], (20, 1)) + np.array([0.3, 0, 0, 0]) * T[:, None] / 19
STATES = np.column_stack([T, X])
COLUMNS = dict(zip(("t", "E", "I", "S", "V"), STATES.T, strict=True))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    distil_law("initial", folder, DistilRecipe())
    return folder


def forms() -> list[object]:
    import pandas

    frame = pandas.DataFrame(COLUMNS)
    return ["basin_transition_up", STATES, STATES.tolist(), COLUMNS, pa.table(COLUMNS),
            frame, frame.rename(columns=str.lower)]  # fmt: skip


@pytest.mark.parametrize("form", range(7))
def test_a_window_in_every_form_is_heard_alike(form: int, student: Path) -> None:
    window = forms()[form]
    assert hear(window).shape == "basin_transition_up"
    for speaker in (Voice(), Student.from_pretrained(student)):
        law = speaker.law(window, temperature=0.5)
        exact = ExpressionLaw.initial("basin_transition_up").tempered(0.5)
        assert law.pmf == pytest.approx(exact.pmf, abs=1e-6)
        said = speaker.speak(window, 3, temperature=0.5, seed=4)
        assert said == speaker.speak("basin_transition_up", 3, temperature=0.5, seed=4)
        assert len(said) == 3 and all(s.tokens and s.primitives and s.pattern for s in said)


def test_draws_follow_the_law(student: Path) -> None:
    for speaker in (Voice(), Student.from_pretrained(student)):
        law = speaker.law(STATES, temperature=0.4)
        said = speaker.speak(STATES, 4000, temperature=0.4, seed=1)
        first = [s[0] for s in said]
        top = max(set(first), key=first.count)
        expected = sum(p for e, p in zip(law.expressions, law.pmf, strict=True) if e[0] == top)
        assert first.count(top) / 4000 == pytest.approx(expected, abs=0.03)


def test_the_voice_without_a_seed_draws_as_it_always_did() -> None:
    assert Voice(3).speak("convergence", 5) == RuleVoice(3).speak("convergence", 5)
    voice = Voice()
    assert repr(voice) == "Voice(initial)"
    voice.feedback("convergence", ("stillness",), 1.0)
    assert repr(voice) == "Voice(1 of 135 weights learned)"


@pytest.mark.parametrize(
    ("what", "said"),
    [("calm", "unknown shape 'calm'"), (9, "shape code 9"), (np.zeros((20, 3)), r"\(20, 3\)"),
     (np.zeros((1, 5)), "at least 2 states"), ({"t": [0.0]}, "no column E, I, S, V"),
     (object(), "give a data frame")],
)  # fmt: skip
def test_what_cannot_be_heard_is_refused(what: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        hear(what)


def test_a_summary_names_no_shape() -> None:
    with pytest.raises(InputError, match="the voice hears shapes"):
        Voice().speak(np.ones(14))


def test_a_student_is_loaded_from_its_file_and_says_what_it_is(student: Path) -> None:
    found = Student.from_pretrained(student / "student.json")
    assert "kB of data" in repr(found) and found.name == "Student of the initial law"
    with pytest.raises(InputError, match="did you mean"):
        Student.from_pretrained(student.parent / (student.name[:-1] + "x"))
    with pytest.raises(InputError):
        Teacher.from_pretrained(student)


def test_an_invalid_answer_is_empty_and_says_why() -> None:
    assert Said(("pulse",)) == ("pulse",) and not Said(invalid="no token")
    assert repr(Said(invalid="no token")) == "Said(invalid='no token')"


def test_a_report_is_a_frame_and_a_table_in_a_notebook() -> None:
    report = EvalReport.load(RESULTS / "tiny" / "v4.json")
    frame = report.to_pandas()
    at = frame[(frame.metric == "coherence") & (frame["shape"] == "") & (frame.temperature == 1)]
    assert at["value"].iloc[0] == report.at(1.0).metrics["coherence"].value
    assert set(frame["shape"]) > {"", "convergence"}
    assert "<table>" in report._repr_html_() and "coherence" in report._repr_html_()
    assert "v4" in repr(report).lower() and len(repr(report)) < 300


def test_every_exported_name_is_found_by_tab() -> None:
    assert {"Teacher", "Student", "Voice", "EvalReport", "label", "explain"} <= set(dir(eisv_lumen))
