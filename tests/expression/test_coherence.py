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


@given(st.lists(st.tuples(said, st.sampled_from(SHAPES), st.integers(0, 3)), max_size=8))
def test_coherence_is_the_definition(cases: list[tuple[list[str], str, int]]) -> None:
    written, expected = [], []
    for tokens, shape, form in cases:
        if form == 0:
            written.append(tuple(tokens))
        elif form == 1:
            written.append([f"~{t}~" for t in tokens])
        else:
            spoken = " ".join(f"~{t}~" for t in tokens)
            written.append(spoken if form == 2 else answer(spoken))
        affine = AFFINE_TOKENS[shape]
        broken = form == 3 and not all(t in TOKENS for t in tokens)
        hit = sum(t in affine for t in tokens) / len(tokens) if tokens and not broken else 0.0
        expected.append(hit)
    shapes = [shape for _, shape, _ in cases]
    np.testing.assert_allclose(coherence(written, shapes), expected)
    codes = np.array([SHAPES.index(shape) for shape in shapes], np.int8)
    np.testing.assert_allclose(coherence(written, codes), expected)


def answer(spoken: str) -> str:
    """Write a teacher's whole answer."""
    return f"EISV_TOKENS: {spoken}\nLUMEN_TOKENS: quiet with\nPATTERN: PAIR"


@pytest.mark.parametrize(
    "given",
    ["Convergence", "calm", 9, -1, ["convergence", "x"], [None, 8], [8, 1.5], [8, True], [[8], 8]],
)
def test_an_unknown_shape_is_refused_with_the_known_ones(given: object) -> None:
    with pytest.raises(ValueError, match=r"unknown shapes \[.*\]: use settled_presence"):
        coherence([["stillness"], "~ripple~"], given)  # type: ignore[arg-type]


def test_shapes_may_be_names_codes_or_what_classify_gives() -> None:
    said = [["stillness"], ["ripple"]]
    for shapes in (["convergence", "rising_entropy"], [8, "rising_entropy"], iter([8, 1]),
                   np.array([8, 1], np.int8)):  # fmt: skip
        assert coherence(said, shapes).tolist() == [1.0, 1.0]
    assert coherence(said, 8).tolist() == [1.0, 0.0]


def test_a_whole_answer_counts_by_its_own_line() -> None:
    broken = answer("~stillness~").replace("PATTERN: PAIR", "PATTERN: SONG")
    said = [answer("~stillness~ ~ripple~"), broken, "LUMEN_TOKENS: quiet", "~stillness~"]
    assert coherence(said, "convergence").tolist() == [0.5, 0.0, 0.0, 1.0]
    assert is_valid(said).tolist() == [True, False, False, True]
    assert token_pmf(said).sum() == pytest.approx(1)


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
