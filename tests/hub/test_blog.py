"""The post: what it says is in the results, and follows them when they change."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from law_report import law_report

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import EvalReport
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.hub.cards import post as blog
from eisv_lumen.hub.cards.front_matter import check_front_matter
from eisv_lumen.hub.cards.post import post_figures, post_names, render_post, words
from eisv_lumen.hub.cards.render import load_results, render
from eisv_lumen.hub.cards.wrap import one_line_each
from eisv_lumen.hub.figures import style as figures
from eisv_lumen.hub.figures.post import same_end

ROOT = Path(__file__).parents[2]
RESULTS = load_results(ROOT / "results")
FILES = render_post(ROOT)
POST = FILES["blog/eisv-lumen-appendix.md"].decode()
SHORT = FILES["blog/eisv-lumen.md"].decode()
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\w)")
NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d+(?:e-\d+)?|\d+e-\d+)(?!\w)")
SPACE = blog.space_of(blog.NAMESPACE)
SETTINGS = {"0.3", "0.5", "0.7", "0.95"}
"""Decodings. All else that is shown with a decimal point is a result."""


def rewritten(value: Any, change: Any, key: str = "") -> Any:
    """Apply `change` to each float of a result, but for the decodings that name it."""
    if isinstance(value, EvalReport):
        return EvalReport.model_validate(rewritten(value.model_dump(by_alias=True), change))
    if isinstance(value, dict):
        kept = ("decoding", "decodings", "provenance")
        return {k: v if k in kept else rewritten(v, change, k) for k, v in value.items()}
    if isinstance(value, list):
        return [rewritten(item, change, key) for item in value]
    return change(value) if isinstance(value, float) else value


def text_of(results: Any, name: str = "eisv-lumen-appendix", score: float = 0.5) -> str:
    """The long version, or the short one, without the prompt of its worked example."""
    names = post_names(SPACE)
    names["example"] |= {"prompt": "", "answer": "", "score": score}
    return one_line_each(
        render(
            f"{name}.md.jinja", ROOT / "blog", results=results, authors=["ada"], space=SPACE,
            namespace="ada", **names,
        )
    )  # fmt: skip


def numbers(value: Any) -> list[float]:
    if isinstance(value, EvalReport):
        return numbers(value.model_dump())
    if isinstance(value, dict):
        return [x for item in value.values() for x in numbers(item)]
    if isinstance(value, list | tuple):
        return [x for item in value for x in numbers(item)]
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    return [float(value)] if ok else []


def test_rendering_twice_gives_the_same_bytes_and_they_are_committed() -> None:
    assert render_post(ROOT) == FILES
    for path, data in FILES.items():
        assert (ROOT / path).read_bytes() == data, f"{path} is stale: make render"


def test_each_number_of_the_post_is_in_a_results_file_to_the_digits_shown() -> None:
    v5 = RESULTS["published"]["v5"].results[0].per_shape.values()
    derived = [float(np.mean([m["coherence"].value for m in v5]))]  # the even mean, said so there
    known = [*numbers(RESULTS), *derived]
    by_digits = {d: {f"{abs(x):.{d}f}" for x in known} for d in (1, 2, 3, 4)}
    shown = DECIMAL.findall(_without_links(re.sub(r"[\d.]+ %", "", POST)))
    assert len(shown) > 100
    for number in shown:
        assert number in by_digits[len(number.split(".")[1])] | SETTINGS, number
    shares = by_digits[1] | {f"{100 * x:.{d}f}" for x in known for d in (0, 1)}
    percentages = re.findall(r"([\d.]+) %", POST)
    assert len(percentages) > 5
    assert set(percentages) <= shares
    for integer in re.findall(r"\d{1,3}(?:,\d{3})+", POST):
        whole = int(integer.replace(",", ""))
        assert whole in known or whole == 2970, integer  # the law's support


def _without_links(line: str) -> str:
    """A line without its licence, addresses, and versions of libraries."""
    versions = r"4\.57 with PEFT 0\.17 and on 5\.24 with 0\.21"
    return re.sub(rf"\]\([^)]*\)|Apache-2\.0|{versions}", "", line)


@cache
def complete() -> dict[str, Any]:
    """Results in which no run is missing, so that every section of the post is there."""
    tiny = {f"v{i}": law_report(i % 2) for i in (1, 3, 4, 5, 6, 7)}
    others = {name: law_report(1) for name in ("v5-real", "v6-real", "feedback-real")}
    names = ("series", "teacher-real", "forest-real", "constant-real")
    blind = {name: law_report(i % 2) for i, name in enumerate(names)}
    return {"lumen_like": RESULTS["lumen_like"], **RESULTS, "tiny": tiny | others, "blind": blind}


def test_with_every_run_there_the_post_is_whole_and_still_readable() -> None:
    text = text_of(complete())
    assert "### The progression again" in text
    assert "*after feedback*" in text
    assert "| recipe, on real windows |" in text
    assert "| blind teacher (ours) |" in text
    assert len(re.findall(r"^\| V\d \| [\d.]+ \[", text, re.MULTILINE)) == 6 + 2
    assert 2500 <= words(text) <= 4200
    drawn = post_figures(complete())
    assert drawn == post_figures(complete())
    assert drawn["blog/figures/blind.svg"] != post_figures(RESULTS)["blog/figures/blind.svg"]


@pytest.mark.parametrize("name", ["eisv-lumen", "eisv-lumen-appendix"])
@pytest.mark.parametrize("whole", [False, True])
def test_no_number_of_the_post_survives_a_change_of_the_results(whole: bool, name: str) -> None:
    """Stronger than finding it somewhere: each decimal is *read* from a result, none is typed."""
    results = complete() if whole else RESULTS
    scaled = text_of(rewritten(results, lambda x: 0.61803 * x + 5.1234), name, 0.77)
    old, new = text_of(results, name).splitlines(), scaled.splitlines()
    assert len(old) == len(new)
    stuck = []
    for before, after in zip(old, new, strict=True):
        a, b = (NUMBER.findall(_without_links(line)) for line in (before, after))
        assert len(a) == len(b), before
        stuck += [(x, before) for x, y in zip(a, b, strict=True) if x == y and x not in SETTINGS]
    assert not stuck


def test_the_head_and_the_length_are_a_posts() -> None:
    head = check_front_matter(POST, "post")
    assert head["authors"] == [{"user": "hikewa", "guest": True}]
    assert 2500 <= words(POST) <= 4200
    sections = re.findall(r"^## (.*)$", POST, re.MULTILINE)
    assert sections == [
        "Abstract", "Introduction", "Background", "Architecture", "Results", "Discussion",
        "Conclusion",
    ]  # fmt: skip


def test_each_picture_is_drawn_and_described() -> None:
    drawn = {path.removeprefix("blog/") for path in FILES if path.endswith(".svg")}
    for text, n in ((POST, 6), (SHORT, 3)):
        shown = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)
        assert {path for _, path in shown} <= drawn and len(shown) == n
        assert all(len(alt) > 40 for alt, _ in shown)
    assert len(drawn) == 6
    assert FILES["blog/thumbnail.png"].startswith(b"\x89PNG")


def test_the_short_post_is_short_true_and_linked() -> None:
    assert 1200 <= words(SHORT) <= 1600
    body = SHORT.split("---", 2)[2]
    assert "0.949" in " ".join(body.split()[:150])  # the key figure
    assert body.index("<!-- picture -->") < 700
    facts = RESULTS["study"]["facts"]
    for name in ("study", "dataset", "teacher", "student", "space", "lumen", "framework", "base"):
        assert facts["links"][name] in SHORT, name
        assert name in ("framework", "base", "lumen", "space") or facts["links"][name] in POST, name
    for text in (SHORT, POST):
        for untrue in ("publicly archived", "given to us", "record cannot", "no longer known"):
            assert untrue not in text
    for asked in ("0.265", "0.503", "0.933", "14 points", "0.731", "0.625", "ungated", "ChatML",
                  "enable_thinking=False", "--shape-overrides", "caffeinate", "emerge",
                  "Neural Text Degeneration", "Proper Scoring", "@misc",
                  "KL divergence"):  # fmt: skip
        assert asked in SHORT, asked
    runs = RESULTS["study"]["standing"]["runs"]
    for name in ("v4", "v5", "v6"):
        assert f"{-runs[name]['nucleus']['distance']:.1f}" in SHORT


def test_each_claim_of_the_short_post_sets_a_state_that_there_is() -> None:
    from urllib.parse import parse_qs, urlsplit

    links = re.findall(rf"\({re.escape(SPACE)}\?([^)#]+)", SHORT)
    assert len(links) >= 10
    for query in links:
        asked = {k: v[0] for k, v in parse_qs(urlsplit(f"?{query}").query).items()}
        assert set(asked) <= {"tab", "shape", "T", "nucleus", "report"}
        if "report" in asked:
            assert (ROOT / "results" / f"{asked['report']}.json").is_file()
        if "shape" in asked:
            assert asked["shape"] in SHAPES


def test_published_exact_and_ours_are_told_apart_in_every_table() -> None:
    headers = re.findall(r"^(\|.*\|)\n\| :--", POST, re.MULTILINE)
    assert len(headers) >= 4
    for header in headers:
        assert re.search(r"study|exact|ours", header), header


def test_readme_and_post_score_the_blind_speakers_alike() -> None:
    """Whole laws, both: single draws beside whole laws would be two measures in one table."""
    readme = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for speaker in ("blind teacher", "random forest", "always `convergence`"):
        found = []
        for text in (readme, POST):
            row = next(x for x in text.splitlines() if x.startswith(f"| {speaker}"))
            found.append(row.split("|")[2:])
        assert found[0] == found[1] and len(found[0]) == 4
    assert "whole law" in readme and "whole law" in POST


def test_what_the_post_says_in_words_is_so() -> None:
    imitator, runs = RESULTS["law"]["imitator"], RESULTS["study"]["standing"]["runs"]
    warm, greedy = (imitator.at(t).metrics["macro_coherence"].value for t in (1.0, 0.0))
    assert greedy / warm > 1.99  # "its score doubles"
    gate = RESULTS["study"]["facts"]["gates"]["gate_1_coherence"]
    mixes = [imitator.at(0.3, top_k=k, top_p=p).metrics["coherence"].value
             for k, p in ((0, 1.0), (20, 0.95))]  # fmt: skip
    assert mixes[0] < gate < mixes[1]  # fails plainly, passes with the nucleus
    by_shape = runs["v4"]["nucleus"]["by_shape"]
    assert min(by_shape, key=by_shape.get) == "rising_entropy"
    assert by_shape["rising_entropy"] ** 2 > runs["v4"]["nucleus"]["chi_square"] / 2  # "most of it"
    v4 = RESULTS["published"]["v4"].results[0].per_shape
    assert min(v4, key=lambda s: v4[s]["coherence"].value) == "drift_dissonance"
    assert runs["v1"]["n"] == 9 * 5
    # "while a shape does not": above the 95 % point of chi-square with 9 degrees of freedom
    assert runs["v4"]["plain"]["chi_square"] > 16.92
    distances = [abs(runs[name]["nucleus"]["distance"]) for name in ("v1", "v3", "v4", "v5")]
    assert distances == sorted(distances, reverse=True)  # "shrink from V1 to V5"
    students = RESULTS["study"]["facts"]["students"]["coherence"]
    best = max(r.results[0].metrics["coherence"].value for r in RESULTS["published"].values())
    assert students > best


def test_the_two_windows_end_alike_and_move_oppositely() -> None:
    t, (up, down), shapes = same_end()
    assert up[-1].tolist() == down[-1].tolist()
    assert shapes == ["basin_transition_up", "basin_transition_down"]
    assert t.shape == (20,)
    assert not np.allclose(up[:-5], down[:-5], atol=0.02)


def test_each_figures_data_are_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every point of the lines that are drawn is a number of a results file, or a place for it."""
    drawn = []
    write = figures._write
    monkeypatch.setattr(
        figures, "_write", lambda f, buffer, kind: (drawn.append(f), write(f, buffer, kind))
    )
    post_figures(RESULTS)
    known = np.array(numbers(RESULTS))
    v = RESULTS["published"]
    evenly = [np.mean([m["coherence"].value for m in v[n].results[0].per_shape.values()])
              for n in ("v1", "v3", "v4", "v5", "v6")]  # fmt: skip
    whiskers = [
        run[key]["perfect"] + sign * 2 * run[key]["standard_error"]
        for run in RESULTS["study"]["standing"]["runs"].values()
        for key in ("plain", "nucleus")
        for sign in (-1, 1)
    ]
    known = np.concatenate([known, 100 * known, evenly, whiskers])
    points = 0
    for figure in drawn[1:]:  # the first is the thumbnail, of the same data
        for axes in figure.axes:
            lines = [] if figure.get_suptitle() or not axes.axison else axes.lines
            if any("last state" in str(line.get_label()) for line in axes.lines):
                continue  # the two windows: made by a seed, tested above
            for line in lines:
                for y in np.asarray(line.get_ydata(), dtype=float):
                    points += 1
                    assert np.abs(known - y).min() < 1e-6 or (np.ndim(y) == 0 and y in (0, 1))
            for bar in axes.patches:
                if axes.axison and hasattr(bar, "get_width"):
                    assert np.abs(known - bar.get_width()).min() < 1e-6
    assert points > 80


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "blog", tmp_path / "blog")
    shutil.copytree(ROOT / "results" / "law", tmp_path / "results" / "law")
    with pytest.raises(InputError, match=r"published/v6\.json: not there; run `eisv-lumen eval"):
        render_post(tmp_path)
    shutil.copytree(ROOT / "results" / "published", tmp_path / "results" / "published")
    shutil.copytree(ROOT / "results" / "study", tmp_path / "results" / "study")
    assert b"Our own" not in render_post(tmp_path)["blog/eisv-lumen.md"]


def test_paragraphs_become_lines_and_nothing_else_does() -> None:
    text = (
        "---\na: 1\nb: 2\n---\n\nOne\ntwo *three*\n*four*.\n\n- item\n  more\n- other\n\n"
        "| a |\n| b |\n\n![x](y)\n*caption*\n\n```\ncode\n  code\n```\n\n\n\nend\n"
    )
    assert one_line_each(text) == (
        "---\na: 1\nb: 2\n---\n\nOne two *three* *four*.\n\n- item more\n- other\n\n"
        "| a |\n| b |\n\n![x](y)\n*caption*\n\n```\ncode\n  code\n```\n\nend\n"
    )


def test_words_counts_what_is_read() -> None:
    assert words("---\na: b\n---\nOne [two](http://x.y) 3.5\n| four |\n```\nfive\n```\n") == 3
    assert blog.AUTHORS


TABS = {"trajectory", "thermometer", "voice", "results"}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)?]*)\?(?:tab=)?([\w.=&]+)\)")


def test_the_claims_link_to_the_tabs_of_the_space_that_show_them() -> None:
    text = text_of(complete())
    links = LINK.findall(text)
    assert {tab for _, _, tab in links} == TABS | {"T=0.3&nucleus=1"}
    assert {where for _, where, _ in links} == {SPACE}
    assert len({claim for claim, _, _ in links}) == len(links) >= 20
    for part in re.split(r"^##+ ", text, flags=re.MULTILINE)[1:]:
        title, body = part.split("\n", 1)
        assert LINK.search(body) or title == "Results", title  # whose parts have their own


@pytest.mark.parametrize("name", ["eisv-lumen", "eisv-lumen-appendix"])
def test_within_the_space_the_same_links_set_its_own_page(name: str) -> None:
    inside = render_post(ROOT, space="")[f"blog/{name}.md"].decode()
    outside = FILES[f"blog/{name}.md"].decode()
    assert (
        inside.replace("](?", f"]({SPACE}?").rstrip()
        == re.sub(r"The \[long version\].*", "", outside).rstrip()
    )
    assert f"{SPACE})" not in inside


def test_another_namespace_and_author_are_put_everywhere(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from eisv_lumen.cli.render import app

    for name in ("README.md.jinja", "results", "spaces"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("benchmarks", "blog", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    command = ["--root", str(tmp_path), "--namespace", "ada", "--author", "eve", "--author", "bob"]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    for name in ("eisv-lumen", "latent-vectors"):
        text = (tmp_path / "blog" / f"{name}.md").read_text(encoding="utf-8")
        users = [author["user"] for author in check_front_matter(text, "post")["authors"]]
        assert users == ["eve", "bob"]
        assert SPACE not in text
    told = CliRunner().invoke(app, ["--help"]).output
    assert f"[{blog.NAMESPACE}]" in told and f"[{blog.AUTHORS[0]}]" in told


def test_a_perfection_that_has_the_gates_digits_is_told_from_the_gate() -> None:
    facts = RESULTS["study"]["facts"]
    alike = (
        f"{facts['blind']['real']['perfect']:.3f}" == f"{facts['gates']['gate_1_coherence']:.3f}"
    )
    assert ("that the gate has the same digits is chance" in POST) == alike
