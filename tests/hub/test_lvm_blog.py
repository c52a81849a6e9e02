"""The post on latent vectors: each number is read from a result, each word holds of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.hub.cards import lvm_post as lvm_blog
from eisv_lumen.hub.cards.front_matter import check_front_matter
from eisv_lumen.hub.cards.lvm_post import CORPORA, lvm_view, render_lvm_post
from eisv_lumen.hub.cards.post import post_names, words
from eisv_lumen.hub.cards.render import listed, load_results, render
from eisv_lumen.hub.cards.wrap import one_line_each

ROOT = Path(__file__).parents[2]
FILES = render_lvm_post(ROOT)
POST = FILES["blog/latent-vectors-appendix.md"].decode()
SHORT = FILES["blog/latent-vectors.md"].decode()
RESULTS = {
    run: files for run, files in load_results(ROOT / "results").items()
    if run.startswith("lvm") or run == "study"
}  # fmt: skip
VIEW = lvm_view(RESULTS)
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\w)")


def floats(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for item in value.values() for x in floats(item)]
    if isinstance(value, list):
        return [x for item in value for x in floats(item)]
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    return [float(value)] if ok else []


def scaled(value: Any, by: float) -> Any:
    """Every float of the results times the same, so that signs and orders stay."""
    if isinstance(value, dict):
        return {k: v if k == "provenance" else scaled(v, by) for k, v in value.items()}
    if isinstance(value, list):
        return [scaled(item, by) for item in value]
    return value * by if isinstance(value, float) else value


def text_of(results: Any, name: str = "latent-vectors-appendix") -> str:
    return one_line_each(
        render(
            f"{name}.md.jinja", ROOT / "blog", results=results, view=lvm_view(results),
            authors=["ada"], space="", namespace="ada", **post_names(""),
        )
    )  # fmt: skip


def gate(corpus: str, name: str, which: str = "G1") -> dict[str, Any]:
    return next(g for g in RESULTS[f"lvm-{corpus}"][name]["gates"] if g["name"] == which)


def test_rendering_twice_gives_the_same_bytes_and_they_are_committed() -> None:
    assert render_lvm_post(ROOT) == FILES
    for path, data in FILES.items():
        assert (ROOT / path).read_bytes() == data, f"{path} is stale: make render"


def test_each_number_is_in_a_results_file_to_the_digits_shown() -> None:
    known = floats(RESULTS)
    by_digits = {d: {f"{abs(x):.{d}f}" for x in known} for d in (1, 2, 3, 4)}
    shown = DECIMAL.findall(re.sub(r"\]\([^)]*\)", "]", POST))
    assert len(shown) > 300
    for number in shown:
        assert number in by_digits[len(number.split(".")[1])], number
    for integer in re.findall(r"\d{1,3}(?:,\d{3})+", POST):
        assert int(integer.replace(",", "")) in known, integer


@pytest.mark.parametrize("name", ["latent-vectors", "latent-vectors-appendix"])
def test_no_number_survives_a_change_of_the_results(name: str) -> None:
    texts = (text_of(results, name) for results in (RESULTS, scaled(RESULTS, 1.37)))
    old, new = (re.sub(r"\]\([^)]*\)", "]", text).splitlines() for text in texts)
    assert len(old) == len(new)
    for before, after in zip(old, new, strict=True):
        a, b = DECIMAL.findall(before), DECIMAL.findall(after)
        assert len(a) == len(b), before
        for x, y in zip(a, b, strict=True):
            assert x != y or float(x) < 0.003, (x, before)  # so small that it rounds alike


def test_a_verdict_follows_the_interval() -> None:
    """Where an interval of the ranker moves over or under 0, what is confirmed moves with it."""
    before = text_of(RESULTS)
    moved = scaled(RESULTS, 1.0)
    for corpus in CORPORA:
        moved["lvm"]["claim"]["corpora"][corpus]["over_best_untrained"] = [-0.1, -0.2, -0.05]
    lost = text_of(moved)
    assert "A small model that learns to *rank* paragraphs does" in before
    assert "A small model that learns to *rank* paragraphs does" not in lost
    assert f"On {listed(list(CORPORA.values()))} it was not shown to do so." in lost
    for corpus in CORPORA:
        moved["lvm"]["claim"]["corpora"][corpus]["over_best_untrained"] = [0.5, 0.4, 0.6]
    won = text_of(moved)
    assert "not shown" not in won and "none of the earlier margins is reached" not in won


def test_the_head_and_the_length_are_a_posts() -> None:
    assert check_front_matter(POST, "post")["authors"] == [{"user": "hikewa", "guest": True}]
    assert 1500 <= words(POST) <= 2600


def test_the_short_post_is_short_and_linked() -> None:
    assert 1100 <= words(SHORT) <= 1600
    links = RESULTS["study"]["facts"]["links"]
    assert SHORT.count(links["vectors"]) == 1 and links["vectors"] in POST
    assert "hikewa/unitares" not in SHORT + POST  # nothing of this line is that dataset's
    for asked in ("Large Concept Models", "@misc", "<details>", "read twice", "causal_alignment"):
        assert asked in SHORT, asked
    for untrue in ("publicly archived", "given to us", "most of what the eight failures"):
        assert untrue not in SHORT + POST


def test_each_picture_is_drawn_and_described() -> None:
    shown = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", POST)
    assert set(re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", SHORT)) <= set(shown)
    drawn = {path.removeprefix("blog/") for path in FILES if path.endswith(".svg")}
    assert {path for _, path in shown} == drawn
    assert len(drawn) == 3 and all(len(alt) > 40 for alt, _ in shown)
    assert FILES["blog/latent-vectors.png"].startswith(b"\x89PNG")


def test_published_and_ours_are_told_apart_in_every_table() -> None:
    headers = re.findall(r"^(\|.*\|)\n\| :--", POST, re.MULTILINE)
    assert len(headers) == 6
    assert all(re.search(r"study|ours", header) for header in headers)


def test_every_recipe_of_the_line_is_in_the_table() -> None:
    published = set(RESULTS["study"]["lvm_published"]["runs"])
    assert published <= set(VIEW["trained"])
    assert set(VIEW["seeds"]) == {"p1", "p5.1", "p6b-v2.2", "p8", "ranker"}
    assert all(len(runs) == 3 for runs in VIEW["seeds"].values())


@pytest.mark.parametrize("corpus", CORPORA)
def test_what_the_post_says_in_words_is_so(corpus: str) -> None:
    line = [n for n in VIEW["trained"] if n != "ranker"]
    assert all(gate(corpus, n)["margin_high"] < 0 for n in line)  # none reaches its floor
    cosine = {n: gate(corpus, n, "G2")["also"]["cosine"] for n in
              ("copy-last", "ridge", "context-mean")}  # fmt: skip
    bits = {n: gate(corpus, n)["value"] for n in cosine}
    assert cosine["copy-last"] < min(cosine["ridge"], cosine["context-mean"])
    assert bits["copy-last"] > max(bits["ridge"], bits["context-mean"])
    margins = RESULTS["lvm"]["margins"]["corpora"][corpus]
    known, threshold = margins["predictors"], RESULTS["study"]["lvm_published"]["thresholds"]
    assert known["oracle"]["sweep_as_published"] < threshold["margin"]
    assert known["late oracle"]["sweep_as_published"] > threshold["margin"]
    assert known["oracle"]["recall_1_as_published"] < 0.75 < known["oracle"]["recall_1"]
    assert known["minus-last"]["direction"] == pytest.approx(1 - margins["r_1"], abs=1e-5)
    assert known["oracle"]["direction"] == pytest.approx(1 - margins["r_1"], abs=1e-5)
    assert margins["narrative"]["measured"] == pytest.approx(
        margins["narrative"]["telescoped"], abs=1e-6
    )
    parts = RESULTS["lvm"]["ablation"]["corpora"][corpus]["differences"]
    whole = parts["whole over floor"][0]
    assert parts["crowding over floor"][0] > 0.6 * parts["earlier over floor"][0]  # "most of"
    claim = RESULTS["lvm"]["claim"]["corpora"][corpus]
    if claim["over_best_untrained"][1] > 0:
        assert parts["price over floor"][0] < 0.5 * whole  # "most of it" is not the price
    before = RESULTS["study"]["lvm_published"]["before"][corpus][0]
    assert parts["earlier over floor"][0] < before  # "stays withdrawn"
    found = RESULTS["lvm"]["ablation"]["corpora"][corpus]["reciprocal"]
    assert found["whole"] > found["weights"]
    twin = gate(corpus, "ranker-shuffled")  # "an easy null": the floor is well above it
    assert twin["value"] < 0.75 * gate(corpus, "lag-cosine-centred")["value"]
    assert whole == pytest.approx(
        RESULTS["lvm"]["claim"]["corpora"][corpus]["over_best_untrained"][0], abs=1e-6
    )
    assert abs(gate(corpus, "ranker", "G4")["value"] - 0.5) < 0.05  # "hardly there"


def test_what_the_post_says_of_processes_and_training_is_so() -> None:
    for process in RESULTS["lvm"]["margins"]["processes"].values():
        assert process["direction"] == pytest.approx(process["expected"], abs=0.02)
    runs = RESULTS["lvm"]["runs"]["runs"]
    assert runs["p5"]["outcome"].startswith("ended: stage 1")
    assert runs["p8"]["outcome"].startswith("killed after epoch 2")
    found = [c["spearman_of_better"] for c in RESULTS["lvm"]["orders"]["corpora"].values()]
    assert min(found) < 0 < max(found)  # "even the sign depends on the corpus"
    for name in ("ar1", "rotation"):
        reports = RESULTS[f"lvm-{name}"]
        best = reports["exact-optimum"]["gates"][0]
        assert best["value"] == pytest.approx(best["ceiling"])
    over = [g["margin_low"] > 0 for n in ("exact-optimum", "ridge", "copy-last")
            for g in RESULTS["lvm-ar1"][n]["gates"] if g["name"] == "G1"]  # fmt: skip
    assert not any(over)  # on the autoregressive process nothing passes


def test_without_results_there_is_no_post_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert render_lvm_post(tmp_path) == {}
    results = scaled(RESULTS, 1.0)
    del results["lvm"]["orders"]
    with pytest.raises(InputError, match="orders"):
        text_of(results)
    assert lvm_blog.AUTHORS
