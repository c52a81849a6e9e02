"""The explorer in a real browser: each tab, on a desk and on a phone, in light and in dark.

Debian's chromium, driven by Playwright's Python package. Nothing but the app itself may be asked
for anything: a page that needs a CDN fails here. Pictures are left in a temporary folder.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen.evaluation.report import read_report
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.sources import read_source
from eisv_lumen.trajectory.windows import classify

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no browser test: `pip install playwright`"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser test: `apt-get install chromium`"),
]

TABS = ("words", "trajectory", "thermometer", "voice", "results", "post", "vectors")
SIZES = {"desk": (1440, 900), "phone": (390, 844), "embedded": (760, 600)}
LOOKED_AT = ("desk", "phone")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--mute-audio",
]  # fmt: skip
ABORTED = "AbortError|Connection errored out"
SLOW = 60_000  # milliseconds that a busy machine may take

CONTRAST = """(selector) => {
  const parse = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map(
    (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  ).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0.9) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll(selector)].filter((e) => e.getBoundingClientRect().width)
    .map((element) => {
      const style = getComputedStyle(element);
      const ink = parse(element.closest("svg") ? style.fill : style.color);
      const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05);
    });
}"""
"""WCAG's contrast ratio of each visible element's text with what lies behind it."""


@pytest.fixture(scope="module")
def pictures():
    folder = Path(tempfile.gettempdir()) / "eisv-lumen-explorer"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser(url):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, url):
    """Open the page in a size and a theme; afterwards, nothing may have gone wrong on it."""
    troubles: list[str] = []
    contexts = []

    def go(size="desk", theme="light", anchor="", tab="trajectory"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.on(
            "console",
            lambda m: (
                m.type == "error" and not re.search(ABORTED, m.text) and troubles.append(m.text)
            ),
        )  # a reload aborts what is under way
        page.on("pageerror", lambda e: re.search(ABORTED, str(e)) or troubles.append(str(e)))
        page.on(
            "request",
            lambda r: r.url.startswith((url, "data:", "blob:")) or troubles.append(f"asks {r.url}"),
        )
        asked = anchor or f"tab={tab}"
        page.goto(f"{url}/?__theme={theme}&{asked}")
        page.wait_for_selector("#tabs")
        return page

    yield go
    for context in contexts:
        context.close()
    assert troubles == []


def open_tab(page, tab):
    page.locator(f"#tab-{tab}-button").click()
    page.locator(f"#tab-{tab}").wait_for(state="visible")


def expect(page, selector):
    return playwright.expect(page.locator(selector).first)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", LOOKED_AT)
def test_every_tab_is_whole_and_readable(visit, pictures, size, theme):
    page = visit(size, theme)
    shown = {
        "words": ("#picture .pick svg", "#picture .plot svg", "#picture .fits .fill",
                  "#picture .heat input", "#picture .track"),
        "trajectory": (
            "#verdict .verdict .shape", "#overview svg.wide", "#strip svg.strip rect",
            "#said .card:nth-child(2) .chip", "#upload",
        ),
        "thermometer": ("#thermometer-head .lead", "#thermometer-charts svg .mark", "#nucleus",
                        "#thermometer-runs td", "#temperature"),
        "voice": ("#spoken .chip", "#law .tile", "#law .bar", "#law svg", "#pair .card"),
        "results": ("#summary td", "#report-page td", "#report-page .bar"),
        "post": ("#tab-post nav a", "#tab-post h2", "#tab-post .picture .fill",
                 "#tab-post a[href^='?']"),
        "vectors": ("#tab-vectors nav a", "#tab-vectors h2", "#tab-vectors img"),
    }  # fmt: skip
    for tab in TABS:
        button = page.locator(f"#tab-{tab}-button")
        box = button.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= SIZES[size][0]
        open_tab(page, tab)
        for selector in shown[tab]:
            expect(page, selector).to_be_visible(timeout=SLOW)
        page.wait_for_timeout(300)
        page.screenshot(path=pictures / f"{size}-{theme}-{tab}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        for selector in ("svg .tick", ".legend span", ".chip", "figcaption", "figcaption small",
                         ".note", ".tile small", "td", ".post p", ".post a", "label span",
                         ".words b", ".words span", ".reading", ".pick span",
                         "button.primary"):  # fmt: skip
            ratios = page.evaluate(CONTRAST, f"#tab-{tab} {selector}")
            assert min(ratios, default=21) >= 4.5, (tab, selector, min(ratios))
        assert min(page.evaluate(CONTRAST, "#tabs button[role=tab]")) >= 3.5, tab


PLACES = """() => {
  const box = (s) => document.querySelector(`#picture ${s}`).getBoundingClientRect();
  return Object.fromEntries(['.picks', '.plot', '.heat input', '.track', '.fitting', '.reading']
    .map((s) => [s, box(s).bottom]));
}"""


@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_holds_window_words_slider_and_score(visit, pictures, size):
    page = visit(size, tab="words")
    expect(page, "#picture [data-who=student], #picture [data-who=teacher]").to_be_visible()
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / f"{size}-first.png")
    bottoms = page.evaluate(PLACES)
    height = SIZES[size][1] + (60 if size == "phone" else 0)
    assert max(bottoms.values()) <= height, bottoms


def score(page):
    return float(page.locator("#picture .score").inner_text())


def slide(page, temperature):
    page.locator("#picture .heat input").evaluate(
        "(e, T) => { e.value = T; e.dispatchEvent(new Event('input', { bubbles: true }));"
        " e.dispatchEvent(new Event('change', { bubbles: true })); }",
        temperature,
    )


def test_sliding_turns_words_and_score_and_nothing_is_learned(visit, space):
    law = read_report(space / "results" / "law" / "imitator.json")
    page = visit(tab="words")
    expect(page, "#picture .score").to_have_text("0.495")
    misfits = page.locator("#picture .others li")
    for temperature in (0.7, 0.3, 0.0):
        slide(page, temperature)
        expected = law.at(temperature).metrics["macro_coherence"].value
        expect(page, "#picture .score").to_have_text(f"{expected:.3f}")
        expect(page, "#picture .learned").to_contain_text("Learned by sliding: nothing")
    assert set(misfits.locator("span").all_inner_texts()) == {"–"}
    slide(page, 0.3)
    page.locator("#picture .switch input").check()
    expect(page, "#picture .score").to_have_text("0.949")
    assert "T=0.3&nucleus=1" in page.url


def test_windows_have_words_of_their_own(visit):
    page = visit(tab="words")
    page.locator("#picture [data-who=teacher]").wait_for()
    said = set()
    for pick in page.locator("#picture .pick").all():
        pick.click()
        playwright.expect(pick).to_have_attribute("aria-pressed", "true")
        said.add(tuple(page.locator("#picture .fitting b").all_inner_texts()))
    assert len(said) == 9
    kl = page.locator("#picture .learned")
    page.locator("#picture [data-who=teacher]").click()
    expect(page, "#picture .learned").to_contain_text("nats from the law (KL)")
    before = kl.inner_text()
    slide(page, 0.1)
    page.wait_for_timeout(200)
    assert kl.inner_text() == before


def test_the_address_holds_the_state_and_back_and_forward_go_through_it(visit):
    page = visit(anchor="shape=void_rising&T=0.3&nucleus=1", tab="words")
    expect(page, "#picture .said-of h2").to_have_text("void rising")
    expect(page, "#picture .score").to_have_text("0.949")
    page.locator("#picture .pick[data-shape=convergence]").click()
    expect(page, "#picture .said-of h2").to_have_text("convergence")
    open_tab(page, "thermometer")
    assert "tab=thermometer" in page.url
    page.go_back()
    page.locator("#tab-words").wait_for(state="visible")
    expect(page, "#picture .said-of h2").to_have_text("convergence")
    page.go_back()
    expect(page, "#picture .said-of h2").to_have_text("void rising")
    page.go_forward()
    expect(page, "#picture .said-of h2").to_have_text("convergence")
    page.reload()
    expect(page, "#picture .said-of h2").to_have_text("convergence")


def test_a_click_in_the_series_moves_the_window(visit):
    page = visit()
    expect(page, "#overview svg.wide").to_be_visible()
    drawing = page.locator("#overview svg.wide")
    at = page.locator("#position input[type=number]")
    before = at.input_value()
    box = drawing.bounding_box()
    drawing.click(position={"x": box["width"] * 0.75, "y": 20})
    playwright.expect(at).not_to_have_value(before)
    assert 1100 < float(at.input_value()) < 1260


@pytest.mark.parametrize("size", LOOKED_AT)
def test_what_stands_at_the_axes_can_be_read(visit, size):
    page = visit(size)
    page.locator("#derivatives button").first.click()
    expect(page, "#dimensions .card:nth-child(4) svg").to_be_visible()
    heights = page.evaluate(
        """[...document.querySelectorAll('#dimensions svg')].map((svg) =>
        parseFloat(getComputedStyle(svg.querySelector('text')).fontSize)
        * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
    )
    assert min(heights) >= 9.5  # pixels


def test_sliding_the_window_moves_the_charts_and_the_verdict(visit):
    page = visit()
    at = "#position input[type=number]"
    page.locator("#rules button").first.click()
    page.locator("#derivatives button").first.click()
    for part in ("#dimensions", "#overview", "#verdict", "#rules ol"):
        expect(page, part).to_be_visible()
    before = {p: page.locator(p).inner_html() for p in ("#dimensions", "#overview", "#rules ol")}
    page.locator(at).fill("700")
    page.locator(at).press("Enter")
    for part, old in before.items():
        page.wait_for_function(
            "([part, old]) => document.querySelector(part).innerHTML !== old", arg=[part, old]
        )
    page.wait_for_function(
        "document.querySelector('#verdict .shape').innerText.trim() ==="
        " document.querySelector('#rules li.fired .shape').innerText.trim()"
    )
    playwright.expect(page.locator("#rules ol.rules li")).to_have_count(9)
    expect(page, "#rules li.fired").to_be_visible()  # what was opened stays open


@pytest.mark.parametrize("shape", ["void rising", "drift dissonance"])
def test_an_example_opens_on_a_window_of_its_shape(visit, shape):
    page = visit("phone")
    choose(page, "Example", shape)
    expect(page, "#verdict .verdict .shape").to_have_text(shape)
    expect(page, "#strip .legend").to_contain_text(shape)


def test_the_next_window_of_a_shape_is_found(visit, space):
    series = read_source(space / "examples" / "an_hour_like_lumens.csv").series[0]
    codes = classify(series.t, series.X, window=20, stride=1)
    spikes = codes == SHAPES.index("entropy_spike_recovery")
    starts = np.flatnonzero(spikes & ~np.roll(spikes, 1)).tolist()
    page = visit()
    at = page.locator("#position input[type=number]")
    playwright.expect(at).to_have_value(str(starts[0]))
    page.locator("#onward").click()
    expect(page, "#upload-message .note").to_contain_text("Choose a shape")
    choose(page, "Or go to the next window of", "entropy spike recovery")
    playwright.expect(at).to_have_value(str(starts[1]))
    page.locator("#onward").click()
    playwright.expect(at).to_have_value(str(starts[2]))
    expect(page, "#verdict .verdict .shape").to_have_text("entropy spike recovery")
    page.get_by_label("Or go to the next window of", exact=True).click()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page, "#verdict .verdict .shape").to_have_text("basin transition up")
    choose(page, "Or go to the next window of", "void rising")
    expect(page, "#upload-message .note").to_contain_text("No window of 20 states")


@pytest.mark.parametrize("states", [2, 3, 4, 5])
def test_an_upload_of_few_states_is_shown(visit, tmp_path, states):
    page = visit()
    few = tmp_path / "few.csv"
    few.write_text("t,E,I,S,V\n" + "".join(f"{2 * i},0.4,0.8,0.2,0.05\n" for i in range(states)))
    page.locator("#upload input[type=file]").set_input_files(few)
    expect(page, "#overview figcaption small").to_contain_text(f"{states} states")
    playwright.expect(page.locator(".toast-body")).to_have_count(0)


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_bad_upload_is_answered_with_a_sentence_and_a_good_one_is_shown(visit, space, tmp_path):
    page = visit("phone")
    playwright.expect(page.locator("#upload").locator("..")).to_contain_text(".jsonl")
    example = page.get_by_label("Example", exact=True)
    bad = tmp_path / "bad.csv"
    bad.write_text("<script>alert(1)</script>,b\n1,2\n")
    page.locator("#upload input[type=file]").set_input_files(bad)
    expect(page, "#upload-message [role=alert]").to_contain_text("bad.csv: no column")
    assert example.input_value()  # the example is still what is shown
    assert page.locator("#upload-message script").count() == 0
    expect(page, "#verdict .verdict").to_be_visible()
    page.get_by_label("Remove this file").or_(page.get_by_label("Clear")).first.click()
    playwright.expect(page.locator("#upload-message .note")).to_have_count(0)
    good = tmp_path / "good.csv"
    shutil.copy(space / "examples" / "falling_energy.csv", good)
    page.locator("#upload input[type=file]").set_input_files(good)
    expect(page, "#upload-message .note").to_contain_text("good.csv: 70 rows read")
    expect(page, "#overview figcaption small").to_contain_text("70 states")
    playwright.expect(example).to_have_value("")
    choose(page, "Example", "falling energy")
    playwright.expect(example).to_have_value("falling energy")
    playwright.expect(page.locator("#upload-message .note")).to_have_count(0)


def test_the_thermometer_says_that_a_score_needs_its_decoding(visit):
    page = visit()
    open_tab(page, "thermometer")
    lead = "#thermometer-head .lead"
    expect(page, lead).to_contain_text("reads 0.949")
    expect(page, lead).to_contain_text("−4.2 standard errors from perfect imitation (0.949)")
    page.locator("#nucleus input").uncheck()
    expect(page, lead).to_contain_text("reads 0.906")
    v6 = page.locator("#thermometer-runs tr", has_text="V6").last.locator("td").nth(4)
    playwright.expect(v6).to_have_text("+0.4 standard errors")
    page.locator("#temperature input[type=number]").fill("1")
    page.locator("#temperature input[type=number]").press("Enter")
    expect(page, lead).to_contain_text("reads 0.495")
    cursor = page.locator("#thermometer-charts .cursor").first
    playwright.expect(cursor).to_have_attribute("x1", re.compile(r"29\d"))


def test_feedback_moves_the_law_and_can_be_forgotten(visit):
    page = visit()
    open_tab(page, "voice")
    coherence = page.locator("#law .tile b").first
    playwright.expect(coherence).to_have_text("0.502")
    expect(page, "#law").to_contain_text("told 0 times")
    page.locator("#fits").click()
    expect(page, "#law").to_contain_text("told 25 times")
    page.locator("#hundred").click()
    expect(page, "#law").to_contain_text("told 125 times")
    page.wait_for_function("parseFloat(document.querySelector('#law .tile b').innerText) > 0.58")
    page.get_by_role("button", name="Forget it all").click()
    playwright.expect(coherence).to_have_text("0.502")


def test_a_report_is_shown_with_the_command_that_makes_it(visit):
    page = visit()
    open_tab(page, "results")
    expect(page, "#report-page h2").to_be_visible()
    first = page.locator("#report-page h2").inner_text()
    assert page.locator("#report input").input_value().startswith(f"{first} (")
    choose(page, "Report", "V5 on real (published, published)")
    expect(page, "#report-page h2").to_have_text("V5 on real")
    expect(page, "#report-page").to_contain_text("0.7680")
    page.get_by_role("button", name="Where it comes from").click()
    expect(page, "#provenance").to_contain_text("results/published/v5-real.json")
    assert "eisv-lumen evaluate published" in page.locator("#tab-results").inner_text()


def test_the_table_of_reports_has_no_empty_cell(visit, space):
    page = visit()
    open_tab(page, "results")
    expect(page, "#summary td").to_be_visible()
    cells = page.locator("#summary td").all_inner_texts()
    assert all(cells) and not any("`" in cell for cell in cells)
    forest = page.locator("#summary tr", has_text="random forest").locator("td").nth(4)
    warm = read_report(space / "results" / "blind" / "forest-real.json").at(1.0)
    playwright.expect(forest).to_contain_text(f"{warm.metrics['excess_nats'].value:.3f}")


def test_each_claim_of_the_post_sets_the_state_and_scrolls_to_it(visit):
    page = visit(tab="post")
    expect(page, "#tab-post h1").to_be_visible()
    links = page.locator("#tab-post .post > p a[href^='?'], #tab-post .post > table a[href^='?']")
    assert links.count() >= 6
    for i in range(links.count()):
        if not page.locator("#tab-post").is_visible():
            page.go_back()
            page.locator("#tab-post").wait_for(state="visible")
        wanted = dict(re.findall(r"(\w+)=([^&]+)", links.nth(i).get_attribute("href")))
        links.nth(i).click()
        if "tab" in wanted:
            page.locator(f"#tab-{wanted['tab']}").wait_for(state="visible")
            if "report" in wanted:
                key = f"results/{wanted['report']}.json"
                page.get_by_role("button", name="Where it comes from").click()
                playwright.expect(page.locator("#provenance")).to_contain_text(key)
                page.get_by_role("button", name="Where it comes from").click()
        else:
            shown = page.locator("#tab-post .picture")
            playwright.expect(shown.locator(".heat input")).to_have_value(wanted.get("T", "1"))
            if "shape" in wanted:
                name = wanted["shape"].replace("_", " ")
                playwright.expect(shown.locator(".said-of h2")).to_have_text(name)
            playwright.expect(shown).to_be_in_viewport()


@pytest.mark.parametrize("old", ["#post", "#thermometer"])
def test_links_of_old_still_open_a_tab(visit, old):
    page = visit(anchor=f"x=1{old}")
    page.locator(f"#tab-{old[1:]}").wait_for(state="visible")


def test_the_page_is_light_before_anything_is_seen(url):
    import urllib.request

    with urllib.request.urlopen(url) as answer:
        assert len(answer.read()) < 250_000
