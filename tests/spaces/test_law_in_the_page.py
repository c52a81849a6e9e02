"""The page's law, in the browser's language, is the package's: held to it in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen.expression.law import EXPRESSIONS, ExpressionLaw
from eisv_lumen.expression.vocabulary import (
    AFFINE_TOKENS,
    INQUIRY_TOKENS,
    PATTERN_PMF,
    SHAPES,
    TOKENS,
)

EXPLORER = Path(__file__).parents[2] / "spaces" / "explorer"
NODE = shutil.which("node")
DECODINGS = [(T, top_p) for T in (0.0, 0.05, 0.3, 0.65, 1.0, 1.2) for top_p in (1.0, 0.95)]
SCRIPT = """
import * as law from "%s";
let text = "";
for await (const part of process.stdin) text += part;
const { shapes, decodings, inquiry, packed } = JSON.parse(text);
const out = shapes.map(({ affine, patterns }) => {
  const first = law.initialLaw(affine, patterns, inquiry);
  return decodings.map(([T, topP]) => {
    const told = law.tempered(first, T, topP);
    return {
      law: Array.from(told), share: Array.from(law.wordShares(told)),
      coherence: law.coherence(told, affine),
    };
  });
});
const unpacked = law.unpack(packed);
const base = law.initialLaw(shapes[0].affine, shapes[0].patterns, inquiry);
console.log(JSON.stringify({
  out, unpacked: Array.from(unpacked), nats: law.excessNats(base, unpacked),
  words: Array.from({ length: law.SIZE }, (_, i) => law.expression(i)),
}));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="no test of the page's law: node is missing")


@pytest.fixture(scope="module")
def packed_law() -> tuple[str, np.ndarray]:
    """A law with zeros and rare expressions, as it travels to the page."""
    rng = np.random.default_rng(5)
    pmf = rng.dirichlet(np.full(len(EXPRESSIONS), 0.05))
    pmf[::7] = 0.0
    pmf /= pmf.sum()
    sys.path.append(str(EXPLORER))
    from picture import packed

    return packed(pmf), pmf


@pytest.fixture(scope="module")
def page(packed_law):
    """What the page's module computes of each shape under each decoding."""
    asked = {
        "shapes": [
            {"affine": [TOKENS.index(t) for t in AFFINE_TOKENS[s]],
             "patterns": PATTERN_PMF[i].tolist()}
            for i, s in enumerate(SHAPES)
        ],
        "decodings": DECODINGS,
        "inquiry": [TOKENS.index(t) for t in INQUIRY_TOKENS],
        "packed": packed_law[0],
    }  # fmt: skip
    script = SCRIPT % (EXPLORER / "page" / "law.mjs").as_uri()
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", script], input=json.dumps(asked),
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_expressions_stand_in_the_same_order(page):
    assert [tuple(TOKENS[i] for i in words) for words in page["words"]] == list(EXPRESSIONS)


@pytest.mark.parametrize("at", range(len(DECODINGS)))
def test_each_shape_under_each_decoding(page, at):
    temperature, top_p = DECODINGS[at]
    for shape, found in zip(SHAPES, page["out"], strict=True):
        law = ExpressionLaw.initial(shape).tempered(
            temperature, top_k=20 if top_p < 1 else 0, top_p=top_p
        )
        # Which of several equal tokens is cut at the nucleus's edge hangs on the last bit.
        same = np.sort if top_p < 1 else np.asarray
        np.testing.assert_allclose(same(found[at]["law"]), same(law.pmf), atol=1e-12)
        if top_p == 1:
            np.testing.assert_allclose(found[at]["share"], law.token_pmf(), atol=1e-12)
        assert found[at]["coherence"] == pytest.approx(law.coherence(), abs=1e-12)


def test_a_packed_law_arrives_to_a_thousandth_of_a_nat(page, packed_law):
    pmf, found = packed_law[1], np.array(page["unpacked"])
    assert ((found == 0) == (pmf == 0)).all()
    there = pmf > np.exp(-24)
    np.testing.assert_allclose(np.log(found[there]), np.log(pmf[there]), atol=1e-3)
