"""Rendering: templates hold no numbers of their own, and ask for what is missing by name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.report import EvalReport, Metric
from eisv_lumen.hub.cards.render import (
    environment,
    load_results,
    markdown_table,
    render,
    render_readme,
    write_all,
)

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(
    path
    for folder in (".", "benchmarks", "blog", "dataset_card", "model_card", "spaces")
    for path in (ROOT / folder).glob("*.jinja" if folder == "." else "**/*.jinja")
)
ALLOWED = re.compile(
    r"apache-2\.0"  # a licence
    r"|python[_ ]?(?:version)?\W*3\.\d+"  # versions
    r"|gradio\W+\d+\.\d+|0\.1\.0"
    r"|\(1\.0\)"  # the default of an argument
    # Links, and versions that were tried.
    r"|https?://\S+|(?:transformers|PEFT)\s+[\d.]+|on [\d.]+ with\s+[\d.]+|brackets: 95 %"
    r"|T = 0\.3|V = 0\.3|P\d\.\d|V\d\.\d|v\d\.\d"  # the study's temperature, the mapping, names
    r"|95 (?:%|percent) (?:bootstrap|percentile|interval)",  # the level of every interval
    re.IGNORECASE,
)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def static(template: str) -> str:
    """What stands in a template outside of Jinja and of code."""
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", template, flags=re.DOTALL)
    return ALLOWED.sub(" ", CODE.sub(" ", text))


def test_there_are_templates_for_all_that_is_rendered() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in TEMPLATES}
    assert names >= {
        "README.md.jinja", "blog/eisv-lumen.md.jinja", "dataset_card/README.md.jinja",
        "model_card/teacher.md.jinja", "spaces/eisv_coherence/README.md.jinja",
    }  # fmt: skip


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_template_holds_a_number_of_its_own(path: Path) -> None:
    text = static(path.read_text(encoding="utf-8"))
    assert re.findall(r".{0,30}\d+\.\d+.{0,10}", text) == []
    assert re.findall(r".{0,30}\d+ ?(?:%|per ?cent).{0,10}", text) == []
    assert not re.search(r"TODO|FIXME|TBD|placeholder|lorem", text, re.IGNORECASE)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_expression_holds_a_result_in_disguise(path: Path) -> None:
    """A literal inside of `{{ }}` would pass the test above: only decodings may stand there."""
    inside = re.findall(r"\{[{%](.*?)[%}]\}", path.read_text(encoding="utf-8"), re.DOTALL)
    literals = re.findall(r"(?<![\w.])\d+\.\d+", " ".join(inside))
    assert set(literals) <= {"0.0", "0.3", "0.5", "0.7", "1.0", "0.95"}


def test_filters_show_numbers_and_metrics_alike() -> None:
    show = environment(ROOT).from_string
    metric = Metric(value=-0.25, low=-0.5, high=0.125)
    names = {"m": metric, "bare": Metric(value=0.5)}
    for template, wanted in {
        "{{ m | fixed }}": "−0.250", "{{ m | signed }}": "−0.2", "{{ 1.25 | signed(2) }}": "+1.25",
        "{{ m | interval(2) }}": "−0.25 [−0.50, 0.12]", "{{ bare | interval }}": "0.500",
        "{{ 0.125 | percent(1) }}": "12.5 %", "{{ 21449 | count }}": "21,449",
        "{{ ['a', 'b', 'c'] | listed }}": "a, b and c", "{{ ['a'] | listed }}": "a",
        "{% for x in 'ab' %}{{ x }}{{ sep(loop) }}{% endfor %}": "a and b",
        "{% for x in 'abcd' if x != 'd' %}{{ x }}{{ sep(loop) }}{% endfor %}": "a, b and c",
    }.items():  # fmt: skip
        assert show(template).render(**names) == wanted


def test_a_name_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_text("{{ results.tiny.v9.title }}")
    with pytest.raises(InputError, match=r"t\.jinja: .*tiny.*; make that result first"):
        render("t.jinja", tmp_path, results={})
    with pytest.raises(InputError, match="no template u"):
        render("u.jinja", tmp_path)


def test_results_are_reports_or_plain_json() -> None:
    results = load_results(ROOT / "results")
    assert isinstance(results["law"]["imitator"], EvalReport)
    assert results["study"]["facts"]["kind"] == "published"


def test_the_readme_is_rendered_from_what_is_committed() -> None:
    contents = render_readme(ROOT)
    assert contents == render_readme(ROOT)
    for name, data in contents.items():
        assert (ROOT / name).read_bytes() == data, f"{name} is stale: make render"


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    assert write_all({"a/b.md": b"1", "c": b"2"}, tmp_path) == ["a/b.md", "c"]
    assert write_all({"a/b.md": b"1", "c": b"3"}, tmp_path) == ["c"]


def test_a_table_is_markdown() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| :-- | --: |\n| 1 | 2 |"
    shown = markdown_table(["a"], [["p5-pos20 1e-05 2025-10 `-1` -0.5 [-1.0, 2]"]])
    assert shown.endswith("| p5-pos20 1e-05 2025-10 `-1` −0.5 [−1.0, 2] |")


def test_the_command_checks_without_writing() -> None:
    command = ["render", "--root", str(ROOT), "--check", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "eisv_lumen.cli", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, '{\n "stale": []\n}\n'), done.stderr


def test_a_namespace_that_is_no_name_is_refused(tmp_path: Path) -> None:
    command = ["render", "--root", str(ROOT), "--namespace", "../x", "--check"]
    done = subprocess.run(
        [sys.executable, "-m", "eisv_lumen.cli", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "--namespace '../x': no name on the Hub" in done.stderr
