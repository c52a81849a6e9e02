"""What the vector predictors and the student read: `.npz`, folders of vectors, JSON with a sum."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.lvm.data.chunks import Chunks
from eisv_lumen.lvm.data.storage import read_chunks, write_chunks
from eisv_lumen.lvm.data.study_npz import read_npz
from eisv_lumen.lvm.training.recipe import Recipe, load_recipe, recipe_names
from eisv_lumen.student.format import Net, Rows, make_student, read_student, row_laws
from eisv_lumen.student.reader import FORMAT, checksum

from .guard import cases, survives
from .strategies import FLOATS, SCALARS, altered, damaged, dumped
from .test_texts import YAML


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def arrays() -> dict[str, Any]:
    """Five windows of one article, of three chunks and the next one, in four dimensions."""
    rows = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {
        "contexts": np.stack([rows[i : i + 3] for i in range(5)]), "targets": rows[3:8],
        "article_ids": np.zeros(5, np.int64), "target_indices": np.arange(3, 8),
    }  # fmt: skip


def packed(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    return buffer.getvalue()


def with_metadata() -> dict[str, Any]:
    found = arrays()
    rows = [{"article_index": 0, "target_chunk_index": i} for i in range(3, 8)]
    kept = {name: found[name] for name in ("contexts", "targets")}
    return kept | {"metadata": np.array(rows, dtype=object)}


KINDS = ["f4", "f8", "f2", "i8", "u1", "c8", "?", "U3", "S2", "M8[s]", "V4", "O"]


@cases(0.06)
@given(st.data())
def test_an_npz(folder: Path, data: Any) -> None:
    path = folder / "a.npz"
    content = arrays() if data.draw(st.booleans()) else with_metadata()
    name = data.draw(st.sampled_from(sorted(content)))
    match data.draw(st.integers(0, 4)):
        case 0:
            path.write_bytes(data.draw(damaged(packed(content))))
        case 1:  # what stands within, its header too, under a right sum
            raw = io.BytesIO()
            np.save(raw, content[name], allow_pickle=True)
            path.write_bytes(_zipped(content, name, data.draw(damaged(raw.getvalue()))))
        case 2:
            shape = data.draw(st.lists(st.integers(0, 6), max_size=4))
            content[name] = np.zeros(shape, data.draw(st.sampled_from(KINDS)))
            path.write_bytes(packed(content))
        case 3:
            flat = content[name].reshape(-1)
            value = data.draw(st.one_of(FLOATS, SCALARS))
            try:
                flat[data.draw(st.integers(0, flat.size - 1))] = value
            except (TypeError, ValueError, OverflowError):
                return
            path.write_bytes(packed(content))
        case _:
            huge = data.draw(st.sampled_from(["(10**13,)", "(-1,)", "(2**62, 8)", "()", "'x'"]))
            head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {huge}, }}"
            raw = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
            path.write_bytes(_zipped(content, name, raw))
    found = survives(lambda: read_npz(path), path.name)
    assert found is None or np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-3)


def _zipped(content: dict[str, Any], name: str, raw: bytes) -> bytes:
    """Pack arrays, one of them as the bytes that are given."""
    import zipfile

    whole = io.BytesIO(packed(content))
    out = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, raw if entry == f"{name}.npy" else old.read(entry))
    return out.getvalue()


@pytest.fixture(scope="module")
def chunks(folder: Path) -> Path:
    rows = arrays()["contexts"][:, 0]
    made = Chunks(
        rows, np.zeros(5, np.int32), np.arange(5, dtype=np.int32), ("a",), "enc", ("x",) * 5
    )
    write_chunks(made, folder / "chunks")
    return folder / "chunks"


@cases(0.03)
@given(st.data())
def test_a_folder_of_vectors(chunks: Path, data: Any) -> None:
    names = sorted(path.name for path in chunks.iterdir())
    path = chunks / data.draw(st.sampled_from(names))
    whole = path.read_bytes()
    try:
        if path.suffix == ".json" and data.draw(st.booleans()):
            path.write_text(dumped(data.draw(altered(json.loads(whole)))))
        else:
            path.write_bytes(data.draw(damaged(whole)))
        found = survives(lambda: read_chunks(chunks), "chunks")
        assert found is None or len(found.vectors) == len(found.article)
    finally:
        path.write_bytes(whole)


RECIPES = [load_recipe(name).model_dump(mode="json", exclude_unset=True) for name in recipe_names()]


@cases(0.02)
@given(st.data())
def test_a_recipe_of_the_predictors(folder: Path, data: Any) -> None:
    path = folder / "lvm.yaml"
    good = data.draw(st.sampled_from(RECIPES))
    text = data.draw(st.one_of(altered(good).map(dumped), st.sampled_from(YAML)))
    path.write_bytes(text.encode())
    found = survives(lambda: load_recipe(path), path.name)
    assert found is None or isinstance(found, Recipe)


def body_of_a_student() -> dict[str, Any]:
    """One that reads summaries, too: two units, and three rows that it mixes."""
    rng = np.random.default_rng(0)
    net = Net(
        (4, 6), np.full(14, 0.1), rng.normal(size=(2, 14)), rng.normal(size=2),
        rng.normal(size=(3, 2)), rng.normal(size=3), Rows(np.full((3, 5), 0.2), np.ones((3, 15))),
    )  # fmt: skip
    return make_student(Rows(np.full((9, 5), 0.2), np.ones((9, 15))), net).body


BODY = body_of_a_student()
STRANGE: list[Any] = [
    0, 0.5, 2, -20.0, 1e-30, 1e99, 5e-324, -1, float("nan"), float("inf"), 1e308, 10**400, True,
    "1",
]  # fmt: skip


@st.composite
def bodies(draw: Any) -> Any:
    """A student's body in which parts are another thing, or numbers are strange ones."""
    body = draw(altered(BODY)) if draw(st.booleans()) else copy.deepcopy(BODY)
    for _ in range(draw(st.integers(0, 3))):
        lists = list(_lists_of_numbers(body))
        if not lists:
            break
        found = draw(st.sampled_from(lists))
        at = draw(st.integers(0, len(found) - 1))
        length = draw(st.sampled_from([1, 1, 2, len(found)]))
        found[at : at + length] = [draw(st.sampled_from(STRANGE))] * len(found[at : at + length])
    return body


def _lists_of_numbers(value: Any) -> Iterator[list[Any]]:
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, list) and any(isinstance(x, int | float) for x in value):
        yield value
    for item in inner if isinstance(value, dict | list) else ():
        yield from _lists_of_numbers(item)


@cases(0.1)
@given(st.data())
def test_a_student(folder: Path, data: Any) -> None:
    """Whatever is accepted speaks of all that it says it can, at any temperature."""
    path = folder / "student.json"
    body = data.draw(bodies())
    whole = dumped({"format": FORMAT, "sha256": checksum(body), "student": body}).encode()
    path.write_bytes(data.draw(damaged(whole)) if data.draw(st.integers(0, 9)) == 0 else whole)
    student = survives(lambda: read_student(path), path.name)
    if student is None:
        return
    X = data.draw(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2))
    windows: list[dict[str, Any]] = [{"shape": name} for name in student.shapes]
    windows.append({"series": [[float(t), *x] for t, x in enumerate(X)]})
    if student.body.get("net"):
        cell = st.one_of(st.floats(-1, 1), st.floats(-1e100, 1e100))
        duration = data.draw(st.floats(0, 1e100))
        means = data.draw(st.lists(st.floats(0, 1), min_size=4, max_size=4))
        rest = data.draw(st.lists(cell, min_size=8, max_size=8))
        windows += [
            {"summary": [n, duration, *means, *rest]} for n in student.body["net"]["n_states"]
        ]
    temperature = data.draw(st.sampled_from([1.0, 0.3, 0.0, 5e-324, 1e12, 1e300]))
    for window in windows:
        said = student.speak(**window, temperature=temperature, seed=1)
        assert 1 <= len(said) <= 3 and set(said) <= set(student.tokens)
    law = student.law(**windows[-1], temperature=temperature)
    assert sum(law.values()) == pytest.approx(1)
    assert np.isfinite(row_laws(student)[0].pmf).all()
