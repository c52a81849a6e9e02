"""The explorer's own small functions: charts, curves, the post's text."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

EXPLORER = Path(__file__).parents[2] / "spaces" / "explorer"
sys.path.append(str(EXPLORER))  # last: nothing of the app may shadow what is installed

from drawing import charts, parts  # noqa: E402


@pytest.fixture(scope="module")
def curves(space):
    """The app's module of numbers, looking at the laid-out results."""
    import folder
    from drawing import curves

    folder.HERE = space
    folder.reports.cache_clear()
    return curves


@pytest.mark.parametrize("nucleus", [False, True])
def test_distances_of_the_published_runs_are_those_of_the_results_file(curves, space, nucleus):
    standing = json.loads((space / "results" / "study" / "standing.json").read_text())["runs"]
    checked = 0
    for run in curves.study(real=False) + curves.study(real=True):
        name, result = run.report.name, run.report.results[0]
        expected = standing[name]["nucleus" if nucleus else "plain"]
        perfect, error = curves.perfection(name, 0.3, nucleus)
        assert perfect == pytest.approx(expected["perfect"], abs=1e-6)
        assert error == pytest.approx(expected["standard_error"], abs=1e-6)
        value = result.metrics["coherence"].value
        assert (value - perfect) / error == pytest.approx(expected["distance"], abs=1e-3)
        checked += 1
    assert checked == 7


def test_a_report_is_found_by_the_file_it_came_from_whatever_it_calls_itself(curves, space):
    import folder

    for key, report in folder.reports().items():
        assert report.key == key
        assert (space / "results" / f"{key}.json").is_file()
    assert any(report.file != report.report.name for report in folder.reports().values())


def test_real_windows_are_told_from_balanced_ones(curves):
    for key, report in curves.measured().items():
        assert curves.over_real_mix(report) == key.endswith("-real"), key


@given(
    st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6),
    st.floats(1e-6, 1e6),
    st.integers(2, 8),
)
def test_ticks_are_round_inside_and_about_as_many_as_asked(low, width, about):
    high = low + width
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        return
    ticks = charts._ticks(low, high, about)
    step = (high - low) / about
    assert all(low - 1e-6 * step <= t <= high + 1e-6 * step for t in ticks)
    assert len(ticks) <= about + 1
    if len(ticks) > 1:
        apart = np.diff(ticks)
        assert np.allclose(apart, apart[0], rtol=1e-3)
        mantissa = apart[0] / 10 ** np.floor(np.log10(apart[0] * (1 + 1e-6)))
        assert min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-2


@given(st.integers(1, 5000), st.integers(0, 2**32 - 1))
def test_thinning_keeps_the_extremes_and_the_order(n, seed):
    rng = np.random.default_rng(seed)
    x, y = np.arange(n, dtype=float), rng.normal(size=n)
    kept_x, kept_y = charts.thin(x, y, 50)
    assert len(kept_x) <= max(n, 1) and len(kept_x) <= max(100, n if n <= 100 else 100)
    assert kept_y.min() == y.min() and kept_y.max() == y.max()
    assert (np.diff(kept_x) >= 0).all()
    assert (y[kept_x.astype(int)] == kept_y).all()


def test_a_chart_of_nothing_is_a_chart():
    svg = charts.chart("nothing", [charts.Line([], [], "red")], x_range=(0, 0), y_range=(0, 1))
    assert svg.startswith("<svg") and "<path" not in svg and "nan" not in svg


@given(st.text())
def test_no_text_becomes_markup(text):
    made = parts.note(text) + parts.chips([text]) + parts.legend([("red", text)])
    made += parts.bars([(text, 0.5, None, True)], 1.0) + parts.tile(text, "1")
    made += charts.chart(text, [charts.Line([0, 1], [0, 1], "red", text)], x_range=(0, 1),
                         y_range=(0, 1), levels=[(0.5, text)], x_label=text)  # fmt: skip
    import html.parser

    found = set()

    class Tags(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.add(tag)

    Tags().feed(made)
    known = {"div", "span", "i", "b", "u", "small", "svg", "line", "text", "path", "title", "rect"}
    assert found <= known


def test_a_post_brings_its_contents_figures_and_the_picture(tmp_path):
    from tabs.post import Post, page

    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "here.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path.parent / "secret.svg").write_bytes(b"secret")
    (tmp_path / "short.md").write_text(
        '---\ntitle: "Coherence"\n---\n\n# Coherence\n\nText, [a claim](?T=0.3&nucleus=1).\n\n'
        "<!-- picture -->\n![Curves.](figures/here.svg)\n*Caption.*\n<!-- /picture -->\n\n"
        "## One\n\n![Curves.](figures/here.svg)\n\n![Gone.](figures/gone.svg)\n\n"
        "![Out.](../secret.svg)\n\n## Two\n\n| a | b |\n| - | - |\n| 1 | 2 |\n"
    )
    (tmp_path / "long.md").write_text("---\ntitle: Long\n---\n\n## One\n\nMore.\n")
    found = page(Post("short.md", "long.md"), tmp_path)
    assert found.count('class="picture"') == 1 and "Caption" not in found
    assert 'href="?T=0.3&amp;nucleus=1"' in found
    assert '<a href="#one">One</a>' in found and '<h2 id="one">' in found
    assert '<h2 id="long-one">' in found and '<a href="#appendix">' in found
    assert found.count("<h1>") == 1 and "<table>" in found
    assert f'src="gradio_api/file={tmp_path / "figures" / "here.svg"}"' in found
    assert "<em>Gone.</em>" in found and "<em>Out.</em>" in found and "secret" not in found


def test_a_copy_without_posts_says_so(tmp_path):
    from tabs.post import Post, page

    assert "without the post" in page(Post("short.md", "long.md"), tmp_path)
