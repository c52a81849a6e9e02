import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.expression import coherence as module
from eisv_lumen.expression.coherence import (
    coherence,
    entropy,
    is_valid,
    jensen_shannon,
    resample_counts,
    token_pmf,
)
from eisv_lumen.expression.vocabulary import AFFINE_TOKENS, SHAPES, TOKENS

words = st.sampled_from([*TOKENS, "joy", "~"])
said = st.lists(words, max_size=6)


@given(st.lists(st.tuples(said, st.sampled_from([*SHAPES, "calm"]), st.integers(0, 2)), max_size=8))
def test_coherence_is_the_definition(cases: list[tuple[list[str], str, int]]) -> None:
    written, expected = [], []
    for tokens, shape, form in cases:
        if form == 0:
            written.append(tuple(tokens))
        elif form == 1:
            written.append([f"~{t}~" for t in tokens])
        else:
            written.append(" ".join(f"~{t}~" for t in tokens))
        affine = AFFINE_TOKENS.get(shape, ())
        expected.append(sum(t in affine for t in tokens) / len(tokens) if tokens else 0.0)
    np.testing.assert_allclose(coherence(written, [shape for _, shape, _ in cases]), expected)


def test_one_shape_for_all_and_lengths_that_differ() -> None:
    assert coherence([("ripple",), ("warmth",)], "rising_entropy").tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="2 expressions, but 1 shapes"):
        coherence([("ripple",), ("warmth",)], ["rising_entropy"])
    with pytest.raises(ValueError, match="one string"):
        coherence("~ripple~", "rising_entropy")


@pytest.mark.parametrize(
    "given", [[None], [3.5], [["warmth", None]], [(["warmth"],)], [b"warmth"], None, 7]
)
def test_what_is_no_expression_is_said(given: object) -> None:
    with pytest.raises(ValueError, match=r"is no expression|give a list of expressions"):
        coherence(given, "convergence")  # type: ignore[arg-type]


def test_validity_and_token_shares() -> None:
    assert is_valid([["~warmth~"], [], "joy", "warmth return"]).tolist() == [
        True,
        False,
        False,
        True,
    ]
    pmf = token_pmf(["~warmth~ ~warmth~", "~return~ joy"])
    assert pmf[TOKENS.index("warmth")] == pytest.approx(2 / 3)
    assert pmf.sum() == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda p: sum(p) > 0.1))
def test_divergence_is_symmetric_bounded_and_zero_at_home(raw: list[float]) -> None:
    p = np.array(raw) / sum(raw)
    q = np.full(p.size, 1 / p.size)
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p))
    assert 0 <= jensen_shannon(p, q) <= np.log(2) + 1e-12
    assert 0 <= entropy(p) <= np.log(p.size) + 1e-12


def test_resampling_keeps_the_strata() -> None:
    strata = np.array([0, 0, 1, 1, 1, 2])
    counts = resample_counts(strata, 50, seed=1)
    for label, size in ((0, 2), (1, 3), (2, 1)):
        assert (counts[:, strata == label].sum(1) == size).all()


def test_the_metrics_files_need_numpy_alone() -> None:
    """What the published metric copies may import NumPy, the standard library, its neighbours."""
    import ast
    import sys
    from pathlib import Path

    folder = Path(module.__file__).parent
    for name in ("shapes", "vocabulary", "law", "coherence", "intervals"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                roots = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= 1, f"{name}.py reaches above its folder"
                roots = set() if node.level else {(node.module or "").split(".")[0]}
            else:
                continue
            assert roots <= set(sys.stdlib_module_names) | {"numpy"}
