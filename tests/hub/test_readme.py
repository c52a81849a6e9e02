"""The README: what it prints runs, what it says adds up, and it opens as a newcomer needs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from eisv_lumen.hub.cards.render import HEADLINES, load_results, render_readme
from eisv_lumen.hub.cards.wrap import wrapped
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db

ROOT = Path(__file__).parents[2]
FILES = render_readme(ROOT)
README = FILES["README.md"].decode()
TABLES = FILES["docs/results.md"].decode()
RESULTS = load_results(ROOT / "results")


def test_it_opens_with_the_two_commands_and_is_read_in_five_minutes() -> None:
    assert re.match(r"# eisv-lumen\n\n```\nmake demo .*\nmake test .*\n```\n", README)
    assert re.findall(r"^## (.*)$", README, re.MULTILINE) == ["Install", "Use", "Where to go"]
    assert README.index("figures/explorer.png") < README.index("## Install")
    assert len(README.split()) <= 1200
    assert "make render" in README.splitlines()[-1] and "make render" in TABLES.splitlines()[-1]
    assert "github.com/CIRWEL/eisv-lumen" in README


def test_every_file_that_it_links_is_there() -> None:
    for page, folder in ((README, ROOT), (TABLES, ROOT / "docs")):
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page)
        assert links
        for link in links:
            assert (folder / link).exists(), link


def test_a_term_is_explained_before_it_is_needed() -> None:
    words = TABLES.split("## Words used here")[1].split("\n## ")[0]
    for term in ("v1 to v7", "P1 to P8", "Ranker", "Nucleus", "Macro", "Blind", "20/10 windows",
                 "wiki, kjv, pydoc"):  # fmt: skip
        assert f"**{term}**" in words, term


def test_its_python_runs_as_typed(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "demo-out").mkdir()
    # as `make demo` leaves it
    write_anima_db(tmp_path / "demo-out" / "anima.db", 400, seed=0, n_expressions=20)
    said = []
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.splitlines())
    assert said[0][0] == "basin_transition_up" and len(said[0]) == 3
    assert re.search(r"print\(shape\)  # basin_transition_up\n", blocks[0])
    assert said[1]


@pytest.mark.parametrize("corpus", ["wiki", "kjv", "pydoc"])
def test_what_the_ranker_has_over_the_floor_is_the_difference_of_their_rows(corpus: str) -> None:
    header = next(x for x in TABLES.splitlines() if x.startswith("| bits |"))
    at = [cell.strip() for cell in header.split("|")].index(corpus)

    def row(name: str) -> float:
        line = next(x for x in TABLES.splitlines() if x.startswith(f"| {name}"))
        return float(line.split("|")[at].split("[")[0].replace("−", "-"))

    said = re.search(rf"([+−][\d.]+) \[[^\]]*\] bits \({corpus}\)", " ".join(TABLES.split()))
    assert said is not None
    over = float(said[1].replace("−", "-"))
    assert row("ranker, mean of") - row("tuned lag-cosine (floor)") == pytest.approx(over, abs=2e-3)


def test_the_speed_table_is_short_and_the_whole_one_is_in_benchmarks() -> None:
    groups = RESULTS["bench"]["bench"]["benchmarks"].values()
    every = [row["what"].strip() for group in groups for row in group]
    assert set(HEADLINES) <= set(every)  # a renamed benchmark would fall out of the README
    speed = TABLES.split("## Speed")[1].split("\n## ")[0]
    assert 4 <= len(re.findall(r"^\| (?!:|measured)", speed, re.MULTILINE)) == len(HEADLINES) <= 6
    whole = FILES["benchmarks/README.md"].decode()
    assert len(re.findall(r"^\| (?!:|measured)", whole, re.MULTILINE)) == len(every)
    assert not re.search(r">=|<=|->", re.sub(r"<!--|-->", "", speed + whole))


def test_paragraphs_are_wrapped_and_tables_and_code_are_not() -> None:
    long = "word " * 40
    text = f"{long}\nmore\n\n- {long}\n\n| {long} |\n\n```\n{long}\n```\n"
    found = wrapped(text).split("\n\n")
    assert len(found[0].splitlines()) == 3 and max(map(len, found[0].splitlines())) <= 100
    assert [line[:2] for line in found[1].splitlines()] == ["- ", "  ", "  "]
    assert found[2].count("\n") == 0 and found[3].count("\n") == 3
    assert wrapped(wrapped(text)) == wrapped(text)
