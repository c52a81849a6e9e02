"""Distilling a real (small, hardly trained) teacher: the student says what it says."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.files import write_json
from eisv_lumen.evaluation.metrics import kl_rows
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.student import distil as room
from eisv_lumen.student import queries as windows_asked
from eisv_lumen.student import teacher_cache as answers
from eisv_lumen.student.distil import DistilRecipe, distil
from eisv_lumen.student.first_tokens import beginning_pmf
from eisv_lumen.student.fit import SCALES, NetRecipe
from eisv_lumen.student.format import read_student, row_laws, summary_laws
from eisv_lumen.student.queries import ask
from eisv_lumen.student.teacher_cache import answers_name
from eisv_lumen.teacher.data.examples import answer_ids, prompt_ids
from eisv_lumen.teacher.evaluation.score import expression_pmf
from eisv_lumen.teacher.models.load import load_base, load_teacher
from eisv_lumen.teacher.recipe import DataRecipe
from eisv_lumen.trajectory.simulate.lumen_like import round_as_real
from eisv_lumen.trajectory.windows import SUMMARY_FIELDS

RECIPE = DistilRecipe(
    per_shape=2, whole=8, windows=200, row_steps=25, net=NetRecipe(hidden=6, steps=100, batch=64)
)


def teacher_in(folder: Path, style: str, **more: int) -> Path:
    """Save an untrained teacher of one layer: a law of its own, unlike the voice's."""
    model, tokenizer = load_base(
        "tiny", style, 0, {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 64}
    )
    for saved in (model, tokenizer):
        saved.save_pretrained(folder / "model")
    data = {"source": "summaries", "style": style, "n": 300, "seed": 1, **more}
    write_json(folder / "training.json", {"recipe": {"name": f"small-{style}", "data": data}})
    return folder


@pytest.fixture(scope="module")
def blind(tmp_path_factory) -> Path:
    return teacher_in(tmp_path_factory.mktemp("blind"), "blind")


@pytest.fixture(scope="module")
def distilled(blind, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("distilled")
    assert distil(blind, out, RECIPE)["teacher"]["recipe"] == "small-blind"
    return out


def test_beginnings_are_the_chain_of_the_teachers_steps(blind):
    teacher = load_teacher(blind, "cpu")
    prompts = ask(DataRecipe(source="summaries", style="blind", n=9), 5, 3).prompts
    found = beginning_pmf(teacher, prompts, batch_size=2)
    answers = answer_ids(teacher.tokenizer, [("warmth", "curiosity"), ("stillness",)])
    for row, ids in zip(found, prompt_ids(teacher.tokenizer, prompts), strict=True):
        for answer, steps, place in ((answers[0], 3, 15 + 1), (answers[1], 3, 3)):
            total = 0.0
            for k in range(1, steps):  # the head is given; then two tokens, or one and the end
                with torch.inference_mode():
                    logits = teacher.model(torch.tensor([ids + answer[:k]])).logits[0, -1]
                total += torch.log_softmax(logits.double(), -1)[answer[k]].item()
            assert np.log(row[place]) == pytest.approx(total, abs=1e-4)


def test_a_blind_teachers_student_says_what_it_says(blind, distilled):
    student = read_student(distilled / "student.json")
    asked = ask(DataRecipe(source="summaries", style="blind", n=9), 6, 99)
    laws = expression_pmf(load_teacher(blind, "cpu"), asked.prompts)
    laws /= laws.sum(1, keepdims=True)
    apart = kl_rows(laws, summary_laws(student, asked.summary)).mean()
    voice = np.mean(
        [kl_rows(laws, np.tile(law.pmf, (len(laws), 1))).mean() for law in row_laws(student)]
    )
    assert apart < 0.25 * voice  # a row has 20 numbers: the voice's form, not a network's noise


@pytest.mark.parametrize("more", [{}, {"balanced_first": 8, "synthetic_among": 9}])
def test_a_sighted_teachers_rows_are_its_mean_laws(tmp_path, more):
    folder = teacher_in(tmp_path / "teacher", "compact", **more)
    distil(folder, tmp_path / "out", RECIPE)
    student = read_student(tmp_path / "out" / "student.json")
    assert "net" not in student.body
    asked = ask(DataRecipe(source="summaries", style="compact", n=9, **more), 200, RECIPE.seed)
    shown = np.concatenate(asked.first_of_each(2))
    laws = expression_pmf(load_teacher(folder, "cpu"), asked.prompts_at(shown))
    laws /= laws.sum(1, keepdims=True)
    found = np.stack([law.pmf for law in row_laws(student)])[asked.shape[shown]]
    assert kl_rows(laws, found).mean() < 0.3


def test_a_teacher_is_asked_of_what_it_was_taught_each_kind_by_itself():
    data = DataRecipe(source="summaries", style="blind", n=9, balanced_first=8, synthetic_among=9)
    asked = ask(data, 400, 5)
    assert len(asked.prompts) == 700 and asked.synthetic == 100
    lumen_like, synthetic = asked.first_of_each(3)
    assert lumen_like.max() < 600 <= synthetic.min()
    drift = SHAPES.index("drift_dissonance")  # which only a synthetic window has
    assert np.bincount(asked.shape[synthetic]).tolist() == [3] * 9
    assert np.bincount(asked.shape[lumen_like], minlength=9)[drift] == 0
    plain = ask(data.model_copy(update={"synthetic_among": 0}), 400, 5)
    assert plain.prompts == asked.prompts[:600]
    (alone,) = plain.first_of_each(3)
    assert np.array_equal(alone, lumen_like)


REAL = [4, 6.8, 0.57, 0.88, 0.11, 0.03, 7e-4, 0, 4e-4, 0, -1.5e-3, 0, -8e-4, -1.2e-3]


def summaries(path: Path, ids: list[int], n_states: int = 4) -> Path:
    rows = [dict(zip(SUMMARY_FIELDS, [n_states, *REAL[1:]], strict=True)) | {"id": i} for i in ids]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_teacher_is_asked_near_given_windows_but_those_kept_for_evaluation(blind, tmp_path):
    mine = summaries(tmp_path / "mine.jsonl", [1, 2, 8])
    record = distil(blind, tmp_path / "out", RECIPE, like=mine)
    assert record["like"]["windows"] == "mine.jsonl" and record["like"]["n"] == 1
    assert record["like"]["sha256"] == hashlib.sha256(mine.read_bytes()).hexdigest()
    data = DataRecipe(source="summaries", style="blind", n=9)
    plain = ask(data, 400, 5)
    asked = ask(data, 400, 5, np.array([REAL]))
    assert asked.prompts[:500] == plain.prompts and len(asked.prompts) == 600
    near, natural = asked.summary[500:], plain.summary[:400]
    assert (asked.shape[500:] == -1).all()  # nobody says what they are
    np.testing.assert_array_equal(near, round_as_real(near))
    assert (near[:, 0] == 4).all() and (near[:, 1] > 0).all()
    apart = np.abs(np.arcsinh(near / SCALES) - np.arcsinh(np.array(REAL) / SCALES))
    usual = np.arcsinh(natural / SCALES).std(0)
    assert (np.median(apart[:, 1:], axis=0) < 0.2 * usual[1:]).all()
    assert len(np.unique(near, axis=0)) == len(near)
    again = ask(data, 400, 5, np.array([REAL]))
    assert again.prompts == asked.prompts


def test_windows_that_a_teacher_does_not_read_are_refused_before_it_is_asked(blind, tmp_path):
    other = summaries(tmp_path / "other.jsonl", [4], n_states=20)
    with pytest.raises(InputError, match=r"other\.jsonl: n_states=20: .*windows of 4 states"):
        distil(blind, tmp_path / "out", RECIPE, like=other)
    kept = summaries(tmp_path / "kept.jsonl", [1, 2])
    with pytest.raises(InputError, match=r"kept\.jsonl: every id .* kept for evaluation"):
        distil(blind, tmp_path / "out", RECIPE, like=kept)
    told = teacher_in(tmp_path / "told", "compact")
    mine = summaries(tmp_path / "mine.jsonl", [4])
    with pytest.raises(InputError, match=r"mine\.jsonl: .*summaries are not for it"):
        distil(told, tmp_path / "out", RECIPE, like=mine)
    assert not (tmp_path / "out" / "asked").exists()


def test_a_run_that_was_killed_asks_nothing_twice_and_ends_with_the_same_bytes(
    blind, distilled, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:  # killed after the teacher's whole laws
        patch.setattr(answers, "beginning_pmf", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            distil(blind, tmp_path / "killed", RECIPE)
    assert not (tmp_path / "killed" / "student.json").exists()
    asked = []
    distil(blind, tmp_path / "killed", RECIPE, say=asked.append)
    assert [line for line in asked if line.startswith("asked")] == ["asked 250 of 250"]
    for name in ("student.json", "reader.py", "distilled.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (distilled / name).read_bytes()


def test_another_teacher_in_the_same_place_is_asked_anew(distilled, tmp_path):
    shutil.copytree(distilled, tmp_path / "out")
    before = json.loads((tmp_path / "out" / "student.json").read_text())["sha256"]
    other = teacher_in(tmp_path / "other", "blind")
    model, _ = load_base("tiny", "blind", 1, {"num_hidden_layers": 1, "hidden_size": 32,
                                              "intermediate_size": 64})  # fmt: skip
    model.save_pretrained(other / "model")
    distil(other, tmp_path / "out", RECIPE)
    assert json.loads((tmp_path / "out" / "student.json").read_text())["sha256"] != before


@pytest.mark.parametrize("left", [0, 60, 5000])
def test_answers_that_were_cut_are_asked_for_again(blind, distilled, tmp_path, left):
    shutil.copytree(distilled, tmp_path / "out")
    (cut,) = (tmp_path / "out" / "asked").glob("begins-*.npy")
    cut.write_bytes(cut.read_bytes()[:left])
    asked = []
    distil(blind, tmp_path / "out", RECIPE, say=asked.append)
    told = [line for line in asked if line.startswith(("asked", str(cut)))]
    assert told == [f"{cut}: not what was written there; asking again", "asked 250 of 250"]
    for name in ("student.json", "asked/" + cut.name):
        assert (tmp_path / "out" / name).read_bytes() == (distilled / name).read_bytes()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, which takes no files")
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(
    blind, tmp_path, monkeypatch
):
    monkeypatch.setattr(room.Teacher, "laws", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(room, "rows_of_laws", lambda *_: pytest.fail("begun"))
    (tmp_path / "file").write_text("mine")
    for out, about in ((tmp_path / "file", "is a file; choose"), (Path("/proc/x"), "written")):
        with pytest.raises(InputError, match=about):
            distil(blind, out, RECIPE)
        with pytest.raises(InputError, match=about):
            room.distil_law("initial", out, RECIPE)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_asked_in_other_words_is_asked_anew(blind, distilled, tmp_path, monkeypatch):
    shutil.copytree(distilled, tmp_path / "out")
    asked = []
    distil(blind, tmp_path / "out", RECIPE, say=asked.append)
    assert not [line for line in asked if line.startswith("asked")]
    few = [f"states {n}" for n in range(3)]
    assert answers_name("whole", "ab" * 32, few) != answers_name("whole", "ab" * 32, few[:2])
    render = windows_asked.render_summaries
    monkeypatch.setattr(
        windows_asked, "render_summaries", lambda *args: [f"{text} " for text in render(*args)]
    )
    distil(blind, tmp_path / "out", RECIPE, say=asked.append)
    assert [line for line in asked if line.startswith("asked")][-1] == "asked 250 of 250"


def test_a_folder_without_a_teacher_is_refused(tmp_path):
    record = tmp_path / "training.json"
    with pytest.raises(InputError, match=r"training\.json: no such file"):
        distil(tmp_path, tmp_path / "out")
    data = {"source": "summaries", "n": 9}
    write_json(record, {"recipe": {"name": "x", "data": data}})
    with pytest.raises(
        InputError, match=r"(?s)training\.json: not a record of `teacher train` .*style"
    ):
        distil(tmp_path, tmp_path / "out")
    write_json(record, {"recipe": {"name": "x", "data": data | {"style": "blind"}}})
    with pytest.raises(InputError, match="no trained model"):
        distil(tmp_path, tmp_path / "out")
