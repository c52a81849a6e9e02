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


def arrays(s, order=None):
    """Windows in an order, and where each stands."""
    order = np.arange(len(s)) if order is None else order
    return {
        "contexts": s.contexts()[order], "targets": s.targets()[order],
        "article_ids": s.window_article[order], "target_indices": s.position[s.target_rows[order]],
    }  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 28), st.randoms())
def test_windows_come_back_sorted_and_offsets_lead_to_the_same_vectors(n, random):
    import tempfile
    from pathlib import Path

    s = subsample(WHOLE, n, 0)
    order = np.array(random.sample(range(n), n))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.npz"
        np.savez(path, **arrays(s, order))
        found = read_npz(path, encoder="gtr")
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
    given_arrays = arrays(WHOLE)
    given_arrays["contexts"] = given_arrays["contexts"] * 3
    np.savez(tmp_path / "s.npz", **given_arrays)
    found = read_npz(tmp_path / "s.npz")
    np.testing.assert_allclose(found.vectors, WHOLE.vectors, atol=1e-6)


def pickled(s=WHOLE):
    """Windows as the study wrote them: a pickle says where they stand."""
    rows = [
        {"article_index": int(a), "target_chunk_index": int(p)}
        for a, p in zip(s.window_article, s.position[s.target_rows], strict=True)
    ]
    return {"context_sequences": s.contexts(), "target_vectors": s.targets(),
            "metadata": np.array(rows, dtype=object)}  # fmt: skip


class Hostile:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def test_a_pickle_is_never_read_and_the_message_says_how_to_do_without(tmp_path):
    victim, path = tmp_path / "made", tmp_path / "s.npz"
    given_arrays = pickled()
    np.savez(path, **given_arrays)
    with pytest.raises(InputError, match=r"metadata: is pickled, and .*allow_pickle=True") as told:
        read_npz(path)
    # What the message says is what works.
    mend = str(told.value).partition("save it again as arrays: ")[2]
    scope = {"np": np, "FILE": str(path), "NEW": str(tmp_path / "new.npz")}
    exec(mend, scope)
    assert len(read_npz(tmp_path / "new.npz")) == len(WHOLE)
    given_arrays["metadata"][3] = Hostile(os.mkdir, str(victim))
    np.savez(path, **given_arrays)
    with pytest.raises(InputError, match="is pickled"):
        read_npz(path)
    assert not victim.exists()


def test_pickles_in_other_arrays_are_never_read(tmp_path):
    given_arrays = arrays(WHOLE)
    given_arrays["contexts"] = given_arrays["contexts"].astype(object)
    np.savez(tmp_path / "s.npz", **given_arrays)
    with pytest.raises(InputError, match="an array is pickled"):
        read_npz(tmp_path / "s.npz")


def test_a_small_file_does_not_become_a_large_one(tmp_path):
    """By headers alone: 100 MB of zeros in 100 kB are refused before they are unfolded."""
    given_arrays = arrays(WHOLE)
    given_arrays["contexts"] = np.zeros((5_000_000, 5, 1), np.float32)
    np.savez_compressed(tmp_path / "s.npz", **given_arrays)
    with pytest.raises(InputError, match=r"contexts: [\d,]+ bytes that unfold to 100,000,"):
        read_npz(tmp_path / "s.npz")


@pytest.mark.parametrize("kind", ["longdouble", "float16", "float64", ">f4"])
def test_every_kind_of_floating_point_is_read(tmp_path, kind):
    given_arrays = arrays(WHOLE)
    for name in ("contexts", "targets"):
        given_arrays[name] = (given_arrays[name] * 100).astype(kind)
    np.savez(tmp_path / "s.npz", **given_arrays)
    np.testing.assert_allclose(read_npz(tmp_path / "s.npz").vectors, WHOLE.vectors, atol=1e-3)


def test_names_of_articles_may_be_text_or_bytes(tmp_path):
    for names in (np.array(["x", "é", "y", "z"]), np.char.encode(["x", "é", "y", "z"], "utf-8")):
        given_arrays = arrays(WHOLE)
        given_arrays["article_ids"] = names[given_arrays["article_ids"]]
        np.savez(tmp_path / "s.npz", **given_arrays)
        assert sorted(read_npz(tmp_path / "s.npz").article_ids) == ["x", "y", "z", "é"]


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
    (dropped("target_indices"), "no array target_indices"),
    (lambda a: a.update(targets=a["targets"][:, :3]), r"targets \(28, 3\)"),
    (lambda a: a.update(article_ids=a["article_ids"][:9]), r"articles \(9,\)"),
    (cast("contexts", "i4"), "contexts: int32"),
    (cast("target_indices", "f4"), "target_indices: float32"),
    (
        lambda a: a.update(target_indices=a["target_indices"].astype("i8") + 2**31),
        "target_indices, row 0: 2147",
    ),
    (cast("article_ids", "f8"), "article_ids: float64"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS, ids=[m[:24] for _, m in FAULTS])
def test_faults_are_named_by_array_and_row(tmp_path, change, message):
    given_arrays = arrays(WHOLE)
    change(given_arrays)
    np.savez(tmp_path / "s.npz", **given_arrays)
    with pytest.raises(InputError, match=message):
        read_npz(tmp_path / "s.npz")


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"nothing of the sort")
    with pytest.raises(InputError, match=r"s\.npz"):
        read_npz(tmp_path / "s.npz")
    with pytest.raises(InputError, match="No such file"):
        read_npz(tmp_path / "t.npz")
