import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data.known_processes import ar1
from eisv_lumen.lvm.data.splits import subsample
from eisv_lumen.lvm.data.study_npz import read_npz

WHOLE = ar1(0.5, dim=6).sample(4, 12, seed=0)


def arrays(s, *, aliases, order=None):
    """Windows as the study wrote them."""
    order = np.arange(len(s)) if order is None else order
    article, place = s.window_article[order], s.position[s.target_rows[order]]
    if aliases:
        return {
            "contexts": s.contexts()[order], "targets": s.targets()[order],
            "article_ids": article, "target_indices": place,
        }  # fmt: skip
    rows = [
        {"article_index": int(a), "target_chunk_index": int(p), "text": "said"}
        for a, p in zip(article, place, strict=True)
    ]
    return {
        "context_sequences": s.contexts()[order], "target_vectors": s.targets()[order],
        "metadata": np.array(rows, dtype=object),
    }  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 28), st.booleans(), st.randoms())
def test_windows_come_back_sorted_and_offsets_lead_to_the_same_vectors(n, aliases, random):
    import tempfile
    from pathlib import Path

    s = subsample(WHOLE, n, 0)
    order = np.array(random.sample(range(n), n))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.npz"
        np.savez(path, **arrays(s, aliases=aliases, order=order))
        found = read_npz(path, convert_pickle=not aliases, encoder="gtr")
    np.testing.assert_allclose(found.contexts(), s.contexts(), atol=1e-6)
    np.testing.assert_allclose(found.targets(), s.targets(), atol=1e-6)
    assert found.encoder == "gtr"
    assert found.context_length == 5
    for offset in (-6, 1):  # there if any window of the file holds it
        here, there = found.at_offset(offset), s.at_offset(offset)
        assert not (here.present & ~there.present).any()
        np.testing.assert_allclose(
            here.vectors[here.present], there.vectors[here.present], atol=1e-6
        )


def test_rows_are_stored_once_and_scaled(tmp_path):
    given_arrays = arrays(WHOLE, aliases=True)
    given_arrays["contexts"] = given_arrays["contexts"] * 3
    np.savez(tmp_path / "s.npz", **given_arrays)
    found = read_npz(tmp_path / "s.npz")
    np.testing.assert_allclose(found.vectors, WHOLE.vectors, atol=1e-6)


def test_pickled_metadata_is_refused_unless_conversion_is_asked_for(tmp_path):
    np.savez(tmp_path / "s.npz", **arrays(WHOLE, aliases=False))
    with pytest.raises(InputError, match=r"metadata: is pickled.*--allow-pickle-once"):
        read_npz(tmp_path / "s.npz")
    assert len(read_npz(tmp_path / "s.npz", convert_pickle=True)) == len(WHOLE)


def test_numbers_of_numpy_in_metadata_are_plain_values(tmp_path):
    given_arrays = arrays(WHOLE, aliases=False)
    for row in given_arrays["metadata"]:
        row["article_index"] = np.int64(row["article_index"])
    np.savez(tmp_path / "s.npz", **given_arrays)
    assert len(read_npz(tmp_path / "s.npz", convert_pickle=True)) == len(WHOLE)


class Hostile:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("call", [os.mkdir, os.system, eval, exec, print], ids=lambda c: c.__name__)
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path, call):
    victim = tmp_path / "made"
    argument = {os.mkdir: str(victim), os.system: f"mkdir {victim}"}.get(
        call, f"__import__('os').mkdir({str(victim)!r})"
    )
    given_arrays = arrays(WHOLE, aliases=False)
    given_arrays["metadata"][3] = Hostile(call, argument)
    np.savez(tmp_path / "s.npz", **given_arrays)
    for convert in (False, True):
        with pytest.raises(InputError, match="metadata"):
            read_npz(tmp_path / "s.npz", convert_pickle=convert)
    assert not victim.exists()


def test_pickles_in_other_arrays_are_never_read(tmp_path):
    given_arrays = arrays(WHOLE, aliases=True)
    given_arrays["contexts"] = given_arrays["contexts"].astype(object)
    np.savez(tmp_path / "s.npz", **given_arrays)
    with pytest.raises(InputError, match="other than metadata is pickled"):
        read_npz(tmp_path / "s.npz", convert_pickle=True)


def replaced(name, row, value):
    def change(a):
        a[name] = a[name].copy()
        a[name][row] = value

    return change


def dropped(name):
    return lambda a: a.pop(name)


def cast(name, dtype):
    return lambda a: a.update({name: a[name].astype(dtype)})


FAULTS = [
    (replaced("contexts", (2, 1), np.nan), "row 13: the vector is not finite"),
    (replaced("targets", 0, 0), "row 5: the vector is zero"),
    (replaced("contexts", (2, 1), np.ones(6)), r"rows \d+ and \d+, article 0: different vectors"),
    (replaced("target_indices", 1, 5), "row 1, article 0: a second window with target index 5"),
    (replaced("target_indices", 0, 4), "row 0, article 0: target index 4"),
    (replaced("article_ids", slice(None), 0), "a second window"),
    (dropped("contexts"), "no array context_sequences or contexts"),
    (dropped("target_indices"), "neither metadata nor article_ids"),
    (lambda a: a.update(targets=a["targets"][:, :3]), r"targets \(28, 3\)"),
    (lambda a: a.update(article_ids=a["article_ids"][:9]), r"articles \(9,\)"),
    (cast("contexts", "i4"), "contexts: int32"),
    (cast("target_indices", "f4"), "target_indices: float32"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS, ids=[m[:24] for _, m in FAULTS])
def test_faults_are_named_by_array_and_row(tmp_path, change, message):
    given_arrays = arrays(WHOLE, aliases=True)
    change(given_arrays)
    np.savez(tmp_path / "s.npz", **given_arrays)
    with pytest.raises(InputError, match=message):
        read_npz(tmp_path / "s.npz")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"article_index": 0}, "row 4, target_chunk_index: no integer"),
        ({"article_index": "0", "target_chunk_index": 5}, "row 4, article_index: no integer"),
        ("text", "row 4, article_index: no integer"),
    ],
)
def test_metadata_without_its_numbers_is_named_by_row(tmp_path, row, message):
    given_arrays = arrays(WHOLE, aliases=False)
    given_arrays["metadata"][4] = row
    np.savez(tmp_path / "s.npz", **given_arrays)
    with pytest.raises(InputError, match=message):
        read_npz(tmp_path / "s.npz", convert_pickle=True)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"nothing of the sort")
    with pytest.raises(InputError, match=r"s\.npz"):
        read_npz(tmp_path / "s.npz")
    with pytest.raises(InputError, match="No such file"):
        read_npz(tmp_path / "t.npz")
