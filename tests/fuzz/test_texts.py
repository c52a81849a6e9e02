"""Every other text that is read: recipes, what a model says, reports, cards, voices, manifests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import EvalReport, read_report
from eisv_lumen.expression.answer import Invalid, parse
from eisv_lumen.expression.coherence import coherence
from eisv_lumen.expression.vocabulary import PATTERNS, PRIMITIVES, TOKENS
from eisv_lumen.expression.voice import Voice
from eisv_lumen.hub.cards.front_matter import check_front_matter
from eisv_lumen.hub.publishing.plan import card_head, read_manifest
from eisv_lumen.teacher.recipe import Recipe, load_recipe, recipe_names

from .guard import cases, survives
from .strategies import TEXTS, altered, damaged, dumped

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


WORDS = st.one_of(
    st.sampled_from([f"~{t}~" for t in TOKENS]), st.sampled_from(sorted(PRIMITIVES)),
    st.sampled_from(PATTERNS), TEXTS, st.sampled_from(["~", "~~", "~warmth", "warmth~"]),
)  # fmt: skip
LINES = st.builds(
    lambda head, words: head + " ".join(words),
    st.sampled_from(["EISV_TOKENS: ", "LUMEN_TOKENS: ", "PATTERN: ", "EISV_TOKENS:", "", " "]),
    st.lists(WORDS, max_size=5),
)


@cases(0.04)
@given(st.one_of(st.lists(LINES, max_size=6).map("\n".join), st.text()))
def test_what_a_model_says(text: str) -> None:
    found = survives(lambda: parse(text))
    if isinstance(found, Invalid):
        assert found.reason
    else:
        assert set(found.tokens) <= set(TOKENS) and found.pattern in PATTERNS
        assert 0 <= coherence([found.tokens], ["convergence"])[0] <= 1


RECIPES = [load_recipe(name).model_dump(mode="json", exclude_unset=True) for name in recipe_names()]
YAML = [
    "!!timestamp x", "!!int x", "!!float .", "!!binary x", "&a [*a]", "? [a]\n: b", "<<: 3",
    "2025-99-99", "1:99:99", "{[a]: 1}", "%YAML 9", "!!python/object/apply:os.system [ls]",
    "a: &b {<<: *b}", "&x []\n*x", "[" * 400, "- " * 400, "\x00", "0o9", "!!set {a}",
    "!!omap [a]",
]  # fmt: skip


@cases(0.05)
@given(st.data())
def test_a_recipe(folder: Path, data: Any) -> None:
    path = folder / "recipe.yaml"
    good = data.draw(st.sampled_from(RECIPES))
    kind = data.draw(st.integers(0, 3))
    if kind == 0:
        raw = data.draw(damaged(yaml.safe_dump(good).encode()))
    elif kind == 1:
        raw = (yaml.safe_dump(good) + data.draw(st.sampled_from(YAML))).encode()
    elif kind == 2:
        raw = data.draw(st.sampled_from(YAML)).encode()
    else:  # JSON is YAML
        raw = dumped(data.draw(altered(good))).encode()
    path.write_bytes(raw)
    found = survives(lambda: load_recipe(path), path.name)
    assert found is None or isinstance(found, Recipe)


REPORT = json.loads((ROOT / "results" / "law" / "imitator.json").read_text())


@cases(0.02)
@given(st.data())
def test_a_report(folder: Path, data: Any) -> None:
    path = folder / "report.json"
    path.write_text(dumped(data.draw(altered(REPORT))))
    found = survives(lambda: read_report(path), path.name)
    assert found is None or isinstance(found, EvalReport)


CARD = "---\nlicense: mit\nconfigs:\n- config_name: a\n  data_files: b\n---\n# x\n"


HEADS = st.sampled_from(YAML).map(lambda text: f"---\n{text}\n---\n".encode())


@cases(0.01)
@given(st.one_of(damaged(CARD.encode()), HEADS))
def test_a_card(raw: bytes) -> None:
    survives(lambda: card_head(raw), "README.md")
    text = raw.decode("utf-8", "replace")
    for kind in ("dataset", "model", "space", "post"):
        survives(lambda kind=kind: check_front_matter(text, kind), f"{kind} card")


@cases(0.01)
@given(st.data())
def test_a_manifest(data: Any) -> None:
    good = {"files": {"a": {"size": 1, "sha256": "x", "git": "y"}}}
    raw = dumped(data.draw(altered(good))).encode()
    survives(lambda: read_manifest(raw, "ada/windows"), "ada/windows")


@cases(0.01)
@given(st.data())
def test_a_voice(folder: Path, data: Any) -> None:
    voice = Voice(seed=1)
    voice.save(folder / "voice.json")
    good = json.loads((folder / "voice.json").read_text())
    path = folder / "other.json"
    path.write_text(dumped(data.draw(altered(good))))
    found = survives(lambda: Voice.load(path), path.name)
    if found is not None:
        found.speak("convergence", n=2)


def test_the_readers_shares_are_what_is_claimed() -> None:
    """SECURITY.md: more than all cases together, a hundredth or more to each reader."""
    texts = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    found = [re.findall(r"^@cases\((.+)\)$", text, re.M) for text in texts]
    shares = [float(share) for one in found for share in one]
    assert sum(shares) > 1 and min(shares) == 0.01 and max(shares) == 0.2


def test_the_guard_lets_nothing_else_pass() -> None:
    """The instrument itself: an error that is not ours, and memory without bound, are found."""
    with pytest.raises(KeyError):
        survives(lambda: {}["x"])
    with pytest.raises(MemoryError):
        survives(lambda: bytearray(3 << 30))

    def refuse() -> None:
        raise InputError("a.csv: no column t")

    assert survives(refuse, "a.csv") is None
    with pytest.raises(AssertionError):
        survives(refuse, "b.csv")
