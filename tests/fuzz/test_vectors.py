"""What the vector predictors and the student read: `.npz`, folders of vectors, JSON with a sum."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.lvm.chunks import Chunks
from eisv_lumen.lvm.npz import read_npz
from eisv_lumen.lvm.recipe import Recipe, load_recipe, recipe_names
from eisv_lumen.lvm.storage import read_chunks, write_chunks

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
    for convert in (False, True):
        found = survives(lambda convert=convert: read_npz(path, convert_pickle=convert), path.name)
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


@cases(0.03)
@given(st.data())
def test_a_student(folder: Path, data: Any) -> None:
    export = pytest.importorskip("eisv_lumen.student.export")
    reader = pytest.importorskip("eisv_lumen.student.reader")
    body = {
        "shapes": ["a", "b"], "tokens": ["x", "y"], "inquiry": ["y"], "rules": {"still": 0.1},
        "patterns": [[0.2] * 5] * 2, "weights": [[1.0, 2.0], [1.0, 1.0]],
    }  # fmt: skip
    path = folder / "student.json"
    changed = data.draw(st.one_of(altered(body), st.just(copy.deepcopy(body))))
    try:
        digest = reader.checksum(changed)
    except (TypeError, ValueError):
        digest = "0"
    whole = dumped({"format": reader.FORMAT, "sha256": digest, "student": changed}).encode()
    path.write_bytes(data.draw(st.one_of(st.just(whole), damaged(whole))))
    survives(lambda: export.read_student(path), path.name)
