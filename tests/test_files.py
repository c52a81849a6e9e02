import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen import eisv
from eisv_lumen.core.errors import InputError
from eisv_lumen.core.files import (
    atomic_path,
    check_file_place,
    json_bytes,
    make_folder,
    read_json,
    write_bytes,
    write_json,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError), atomic_path(path) as aside:
        aside.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full to meet a full disk")
def test_a_full_disk_is_one_clear_message(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    refused = pytest.raises(InputError, match="No space left on device")
    # What a full disk answers, from a real device.
    with refused, atomic_path(path), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_clear_message(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match="cannot be written"):
        write_bytes(tmp_path / "x" / "a", b"")


@pytest.mark.parametrize("name", ["folder", "file/x", "file/x/y", "n" * 300])
def test_a_place_that_holds_no_file_is_one_clear_message(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("here first")
    with pytest.raises(InputError, match=r"is a folder; name a file|cannot be written"):
        write_bytes(tmp_path / name, b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "here first"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, which takes no files")
def test_a_system_that_takes_no_files_is_one_clear_message() -> None:
    with pytest.raises(InputError, match=r"/proc/x: cannot be written .* choose another folder"):
        write_bytes("/proc/x", b"")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, which takes no files")
def test_a_folder_is_made_before_the_work_or_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("here first")
    for place, about in (
        (tmp_path / "file", "is a file; choose another folder"),
        (tmp_path / "file" / "x", "is a file; choose another folder"),
        (tmp_path / ("n" * 300), "nn: cannot be written"),
        (Path("/proc/x"), "/proc/x: cannot be written"),
    ):
        with pytest.raises(InputError, match=about):
            make_folder(place)
    assert (tmp_path / "file").read_text() == "here first"


def test_another_files_error_is_not_taken_for_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        (tmp_path / "none").read_bytes()


def test_what_cannot_be_read_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{")
    for name, said in ((".", "is a folder"), ("no", "no such file"), ("file/x", "cannot be read")):
        with pytest.raises(InputError, match=said):
            read_json(tmp_path / name)
    for text in ("[" * 100_000, "9" * 10_000):
        (tmp_path / "odd").write_text(text)
        with pytest.raises(InputError, match=r"odd: not JSON \(a number too long, or nested"):
            read_json(tmp_path / "odd")


def test_json_is_one_fixed_form(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, "ä"], "a": None}
    write_json(tmp_path / "a.json", value)
    assert (tmp_path / "a.json").read_bytes() == json_bytes(value)
    assert read_json(tmp_path / "a.json") == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes(float("nan"))
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a text file"):
        read_json(tmp_path / "b.json")


unit = st.floats(0, 1)


@given(st.lists(st.tuples(unit, unit, unit, unit), min_size=1, max_size=5))
def test_anima_and_eisv_are_inverse_on_sane_states(rows: list[tuple[float, ...]]) -> None:
    anima = np.array(rows)
    states = eisv.anima_to_eisv(anima)
    assert (states >= 0).all()
    assert (states[:, 3] <= eisv.V_MAX + 1e-12).all()
    np.testing.assert_allclose(eisv.eisv_to_anima(states), anima, atol=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_insane_states_are_clamped_both_ways(row: list[float]) -> None:
    for mapped in (eisv.anima_to_eisv(row), eisv.eisv_to_anima(row)):
        assert ((mapped >= 0) & (mapped <= 1)).all()


def test_a_place_that_no_file_can_take_is_refused_before_the_work(tmp_path):
    (tmp_path / "letter").write_text("mine")
    for place, about in (
        (tmp_path, f"{tmp_path}: is a folder; name a file"),
        (tmp_path / "letter" / "x" / "report.json", f"{tmp_path / 'letter'}: is a file; choose"),
    ):
        with pytest.raises(InputError) as error:
            check_file_place(place)
        assert str(error.value).startswith(about)
    check_file_place(tmp_path / "new" / "report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]
