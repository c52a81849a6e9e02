import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data.chunks import unit_rows, windows_of
from eisv_lumen.lvm.data.storage import (
    read_about,
    read_chunks,
    read_sequences,
    write_chunks,
    write_sequences,
)


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def same(a, b):
    for field in ("vectors", "article", "position", "starts"):
        if hasattr(a, field):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert a.article_ids == b.article_ids
    assert a.encoder == b.encoder


def test_what_is_written_is_read_again(chunks, tmp_path):
    windows = windows_of(chunks, 3)
    write_sequences(windows, tmp_path / "s", provenance={"seed": 7})
    same(read_sequences(tmp_path / "s"), windows)
    again = read_chunks(tmp_path / "s")
    same(again, chunks)
    assert again.texts == chunks.texts
    assert read_about(tmp_path / "s").provenance == {"seed": 7}
    assert read_sequences(tmp_path / "s").context_length == 3


def test_equal_sets_give_equal_bytes_also_over_an_older_folder(chunks, tmp_path):
    windows = windows_of(chunks, 3)
    write_sequences(windows, tmp_path / "a")
    write_chunks(chunks, tmp_path / "b")
    write_sequences(windows, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_failure_leaves_the_older_folder_whole(chunks, tmp_path, monkeypatch):
    write_chunks(chunks, tmp_path / "c")
    before = files(tmp_path / "c")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eisv_lumen.lvm.data.storage.write_vectors", full)
    with pytest.raises(InputError, match="free some space"):
        write_chunks(replace(chunks, encoder="new"), tmp_path / "c")
    assert files(tmp_path / "c") == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_somebody_elses_folder_is_not_replaced(chunks, tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(InputError, match="holds other files"):
        write_chunks(chunks, tmp_path)
    assert files(tmp_path) == {"letters.txt": b"dear"}


def changed(array, row, value):
    new = array.copy()
    new[row] = value
    return new


BAD_ROWS = {
    "nan": (lambda c: {"vectors": changed(c.vectors, 10, np.nan)}, "'wiki/B', position 1.*finite"),
    "zero": (lambda c: {"vectors": changed(c.vectors, 0, 0)}, "'wiki/A', position 0.*zero"),
    "long": (lambda c: {"vectors": c.vectors * 2}, "length 2.0000"),
    "twice": (lambda c: {"position": changed(c.position, 15, 1)}, "'kjv/C', position 1: stands"),
    "falls": (lambda c: {"position": changed(c.position, 15, 0)}, "'kjv/C', position 0: is out"),
    "apart": (lambda c: {"article": changed(c.article, 0, 2)}, "'wiki/A', position 1.*apart"),
    "unnamed": (lambda c: {"article": changed(c.article, 19, 3)}, "outside the 3 names"),
    "same name": (lambda c: {"article_ids": ("x", "y", "x")}, "'x': named twice"),
    "lengths": (lambda c: {"position": c.position[:-1]}, r"position \(19,\)"),
    "texts": (lambda c: {"texts": ("one",)}, "1 texts for 20 vectors"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_named_and_nothing_is_written(chunks, tmp_path, case):
    change, message = BAD_ROWS[case]
    with pytest.raises(InputError, match=message):
        write_chunks(replace(chunks, **change(chunks)), tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", [-1, 5, 17])
def test_a_window_out_of_its_article_is_named(chunks, tmp_path, start):
    windows = replace(windows_of(chunks, 4), starts=np.array([0, start]))
    with pytest.raises(InputError, match=rf"window 1 \(row {start}\)"):
        write_sequences(windows, tmp_path / "s")


def spoil_vectors(folder):
    (folder / "vectors.safetensors").write_bytes(b"\x00" * 30)


def halve_vectors(folder):
    save_file({"vectors": np.zeros((20, 8), np.float16)}, folder / "vectors.safetensors")


def drop_column(folder):
    path = folder / "chunks.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["position"]), path)


def cut_windows(folder):
    path = folder / "windows.parquet"
    path.write_bytes(path.read_bytes()[:40])


def odd_windows(folder):
    pq.write_table(pa.table({"start": [100]}), folder / "windows.parquet")


def later_format(folder):
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "format": "eisv-lumen-vectors/9"}))


def no_encoder(folder):
    about = json.loads((folder / "about.json").read_text())
    del about["encoder"]
    (folder / "about.json").write_text(json.dumps(about))


def no_windows(folder):
    (folder / "windows.parquet").unlink()


SPOILS = [
    (spoil_vectors, "vectors.safetensors"),
    (halve_vectors, "not float32"),
    (drop_column, "chunks.parquet"),
    (cut_windows, "windows.parquet"),
    (odd_windows, "window 0"),
    (later_format, "format"),
    (no_encoder, "encoder"),
    (no_windows, "without windows"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_spoilt_folder_is_refused_by_file(chunks, tmp_path, spoil, message):
    write_sequences(windows_of(chunks, 3), tmp_path)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        read_sequences(tmp_path)


def test_a_folder_without_vectors_says_how_to_make_them(tmp_path):
    with pytest.raises(InputError, match="lvm embed"):
        read_sequences(tmp_path)


def test_rows_are_scaled_to_length_one_or_named():
    rows = np.array([[3.0, 4.0], [0.0, 2.0]])
    np.testing.assert_allclose(unit_rows(rows, "x"), [[0.6, 0.8], [0, 1]], rtol=1e-6)
    rows[1] = 0
    with pytest.raises(InputError, match="x, row 1: the vector is zero"):
        unit_rows(rows, "x")
    rows[0, 0] = np.inf
    with pytest.raises(InputError, match="row 0: the vector is not finite"):
        unit_rows(rows, "x")
    with pytest.raises(InputError, match="one vector a row"):
        unit_rows(np.ones(3), "x")
