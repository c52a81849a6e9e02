"""Every command that README, posts, cards and `--help` print: it parses, and the cheap ones run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from eisv_lumen.cli import _GROUPS, app
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for form in ("*.md", "benchmarks/*.md", "docs/*.md", "docs/*/*.md", "blog/*.md",
                 "model_card/*.jinja", "dataset_card/*.jinja", "spaces/*/*.jinja")
    for path in ROOT.glob(form)
)  # fmt: skip
COMMAND = typer.main.get_command(app)


def leaf(args: list[str], *, parse: bool) -> Any:
    """Follow a command to the function that it calls; `parse` its arguments, but call nothing."""
    command, context = COMMAND, COMMAND.make_context("eisv-lumen", [], resilient_parsing=True)
    while hasattr(command, "resolve_command") and args and not args[0].startswith("-"):
        _, command, args = command.resolve_command(context, args)
        context = command.make_context(command.name, list(args), context, resilient_parsing=True)
    if parse and "--help" not in args:
        command.make_context(command.name, list(args), context.parent)
    return command


def typed(text: str) -> Iterator[str]:
    """Commands of the code blocks of a page, without comments, holes of a template filled."""
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith(("eisv-lumen ", "python -m ", "make ")):
                filled = re.sub(r"\{\{.*?\}\}", "X", line)
                yield shlex.join(shlex.split(filled, comments=True))


def helps(command: Any = COMMAND, path: str = "") -> Iterator[tuple[str, str]]:
    """Each command's path and help, all groups down."""
    if not hasattr(command, "commands"):
        yield path, command.help
        return
    names = _GROUPS if command is COMMAND else command.commands
    for name in names:
        yield from helps(leaf([*path.split(), name], parse=False), f"{path} {name}".strip())


PRINTED = sorted({(p, c) for p in PAGES for c in typed((ROOT / p).read_text(encoding="utf-8"))})
EXAMPLES = sorted(
    (path, example)
    for path, text in helps()
    for example in re.findall(
        r"(?:^ *|Example: |\| )(eisv-lumen .*)", re.sub(r" \\\n\s*", " ", text or ""), re.MULTILINE
    )
)


def test_there_is_something_to_test() -> None:
    pages = {page for page, _ in PRINTED}
    assert pages >= {"README.md", "CONTRIBUTING.md", "blog/eisv-lumen.md",
                     "blog/latent-vectors.md", "model_card/teacher.md.jinja"}  # fmt: skip
    assert len(PRINTED) > 25 and len(EXAMPLES) > 40


@pytest.mark.parametrize(("page", "command"), PRINTED)
def test_a_printed_command_parses(page: str, command: str) -> None:
    program, *args = shlex.split(command)
    if program == "eisv-lumen":
        leaf(args, parse=True)
    elif program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert args[0] in targets
    else:
        place = ROOT / args[1].replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()


@pytest.mark.parametrize(("of", "example"), EXAMPLES)
def test_an_example_of_a_help_parses(of: str, example: str) -> None:
    args = shlex.split(example.split(" > ", maxsplit=1)[0], comments=True)[1:]
    leaf(args, parse=True)
    assert any(" ".join(shlex.split(e)[1:]).startswith(of) for o, e in EXAMPLES if o == of)


def test_folders_of_sequences_in_examples_are_those_that_sequences_writes() -> None:
    named = {split for _, example in EXAMPLES for split in re.findall(r"\bseq/(\S+)", example)}
    assert named and named <= {"train", "validation", "test", "fresh", "ood", "train-recut"}


def test_every_command_prints_json_but_those_that_readme_names() -> None:
    without = {
        path
        for path, _ in helps()
        if not any("--json" in p.opts for p in leaf(path.split(), parse=False).params)
    }
    lines = {"student speak", "teacher generate", "teacher speak", "lvm serve"}
    assert without == lines | {"teacher export"}  # which prints the one command to type next
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "a student's and a teacher's `speak` and `generate`" in readme
    assert "`lvm serve`" in readme


@pytest.mark.parametrize("page", PAGES)
def test_a_command_named_in_a_sentence_exists(page: str) -> None:
    prose = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for named in re.findall(r"`eisv-lumen ([a-z][^`]*)`", prose):
        words = re.match(r"[a-z_ -]*", named)[0].split()  # type: ignore[index]
        assert leaf(words, parse=False).name in words, named


CHEAP = (
    ("README.md", "eisv-lumen label demo-out/anima.db"),
    ("README.md", "eisv-lumen run demo-out/anima.db --out my-run --plan"),
    ("blog/eisv-lumen.md", "eisv-lumen evaluate law"),
    ("blog/eisv-lumen.md", "eisv-lumen evaluate published"),
    ("blog/latent-vectors.md", "eisv-lumen lvm compare results/lvm-wiki --markdown"),
)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the committed results of a few runs, and a log as `make demo` leaves it."""
    place = tmp_path_factory.mktemp("typed")
    for run in ("tiny", "lvm-wiki"):
        (place / "results").mkdir(exist_ok=True)
        (place / "results" / run).symlink_to(ROOT / "results" / run)
    (place / "demo-out").mkdir()
    write_anima_db(place / "demo-out" / "anima.db", 2000, seed=0, n_expressions=20)
    return place


@pytest.mark.parametrize(("page", "command"), CHEAP)
def test_a_cheap_one_runs_as_typed(page: str, command: str, beside: Path) -> None:
    assert (page, command) in PRINTED
    args = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "eisv_lumen.cli", *args],
        cwd=beside, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout or "wrote " in done.stderr
