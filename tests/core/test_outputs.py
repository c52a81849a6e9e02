"""What a command has not written stays as it is; its own result may be replaced."""

import struct
import zlib
from pathlib import Path

import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.outputs import (
    begins_with,
    check_result_file,
    check_result_folder,
    is_our_drawing,
    json_with,
    mark_drawing,
)

VOICE = json_with(format="voice/1", weights=dict)


def test_a_foreign_file_is_refused_and_an_own_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    check_result_file(path, VOICE)
    for foreign in ("# words", "[1]", '{"format": "voice/2", "weights": {}}',
                    '{"format": "voice/1"}', "[" * 100_000):  # fmt: skip
        path.write_text(foreign)
        with pytest.raises(InputError, match="holds something else"):
            check_result_file(path, VOICE)
        check_result_file(path, VOICE, force=True)
    for own in ('{"format": "voice/1", "weights": {}}', ""):
        path.write_text(own)
        check_result_file(path, VOICE)


def test_a_folder_is_refused_only_where_a_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    names = ("model", "training.json")
    check_result_folder(tmp_path, names, lambda folder: False)
    (tmp_path / "model").mkdir()
    with pytest.raises(InputError, match="holds model, which this command has not written"):
        check_result_folder(tmp_path, names, lambda folder: False)
    check_result_folder(tmp_path, names, lambda folder: True)
    with pytest.raises(InputError, match="is a file"):
        check_result_folder(tmp_path / "notes.txt", names, lambda folder: True)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_a_drawing_is_known_by_a_mark_that_keeps_it_whole(tmp_path: Path) -> None:
    from matplotlib import pyplot

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>\n'
    for data, kind in ((png, "png"), (svg, "svg")):
        path = tmp_path / f"drawing.{kind}"
        path.write_bytes(data)
        assert not is_our_drawing(path)
        path.write_bytes(mark_drawing(data, kind))
        assert is_our_drawing(path)
    assert pyplot.imread(tmp_path / "drawing.png").shape == (1, 1)
    assert begins_with(b"\x89PNG")(tmp_path / "drawing.png")
    assert not begins_with(b"\x89PNG")(tmp_path / "no.png")
