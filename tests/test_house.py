"""The architecture, as a test: a room imports only rooms below it."""

import ast
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import eisv_lumen
from eisv_lumen.core.errors import InputError

ROOT = Path(eisv_lumen.__file__).parent
FLOORS = {
    "core": 0, "eisv": 1, "expression": 1, "trajectory": 2,
    "evaluation": 2, "study": 3, "teacher": 3, "hub": 3, "lvm": 3, "cluster": 3, "student": 4,
    "speakers": 5, "pipeline": 5, "demo": 6, "cli": 7,
}  # fmt: skip

LONGEST_FUNCTION = 60
LONGER = {
    "hub/contents/teacher.py:teacher_files",
    "trajectory/load.py:load_trajectories",
    "trajectory/sources/assemble.py:assemble",
    "cluster/build.py:build_windows",
    "evaluation/scoring.py:score",
    "hub/cards/dataset_card.py:dataset_card",
    "hub/cards/teacher_card.py:teacher_card",
    "hub/contents/explorer.py:explorer_contents",
    "hub/contents/student.py:student_card",
    "hub/publishing/client.py:commit",
    "lvm/alignment/align.py:align",
    "lvm/alignment/articles.py:articles_of_examples",
    "lvm/demo.py:run_demo",
    "lvm/models/pool_features.py:standing",
    "lvm/serving/app.py:create_app",
    "lvm/training/objective.py:window_loss",
    "lvm/training/train.py:train",
    "student/distil.py:distil",
    "student/fit.py:fit_net",
    "study/facts.py:published_facts",
    "teacher/evaluation/evaluate.py:teacher_report",
    "teacher/evaluation/generate.py:generate",
    "teacher/evaluation/score.py:answer_log_probs",
    "teacher/evaluation/score.py:expression_pmf",
    "teacher/training/train.py:train",
    "teacher/training/trainer.py:trainer_class",
    "trajectory/rules/explain.py:explain",
    "trajectory/rules/kernel.py:_label",
    "trajectory/simulate/anima_log.py:write_anima_db",
    "trajectory/simulate/lumen_kernel.py:walk",
}
"""Functions that are longer, most of them by their docstring; the list may only shrink."""

MOST_FILES = 12
"""In a folder; a thirteenth asks for a room of its own."""


def rooms_imported(path: Path) -> set[str]:
    """Rooms of our package that a file imports at any place, its own room included."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)]
            full = (*base, *(node.module or "").split("."))
            names = [a.name for a in node.names] if not any(full) else [full[0] or full[1]]
            found |= set(names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eisv_lumen."):
            found.add((node.module or "").split(".")[1])
    return found


def test_no_import_runs_up_the_house() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).parts
        room = parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        for other in rooms_imported(path) - {room, "__version__"}:
            if FLOORS.get(other, 9) > FLOORS[room] or (
                FLOORS[other] == FLOORS[room] and room in ("expression", "trajectory")
            ):
                wrong.append(f"{'/'.join(parts)} imports {other}")
    assert not wrong


def functions(path: Path) -> dict[str, int]:
    """Lines of each function of a file, by its name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        f"{path.relative_to(ROOT).as_posix()}:{node.name}": node.end_lineno - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }


def test_a_function_is_seen_at_once() -> None:
    lines = {name: n for path in ROOT.rglob("*.py") for name, n in functions(path).items()}
    # A command's length is its options and its help.
    long = {n for n, k in lines.items() if k > LONGEST_FUNCTION and not n.startswith("cli/")}
    assert long <= LONGER


def test_a_folder_is_taken_in_at_a_glance() -> None:
    files = Counter(path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
    crowded = {name for name, n in files.items() if n > MOST_FILES + 1}  # and __init__
    assert crowded <= {
        "cli",
        "lvm/alignment",
        "lvm/data",
        "lvm/training",
        "trajectory/sources",
    }  # cli: one per command


def modules_imported(path: Path) -> set[str]:
    """Modules of our package that a file imports, inside functions too; not for types alone."""
    package = path.relative_to(ROOT).parent.parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or id(node) in typing_only:
            continue
        if node.level:
            base = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
        elif (node.module or "").startswith("eisv_lumen."):
            base = tuple((node.module or "").split(".")[1:])
        else:
            continue
        base = tuple(part for part in base if part)
        for alias in node.names:
            for parts in ((*base, alias.name), base):
                if ROOT.joinpath(*parts).with_suffix(".py").is_file():
                    found.add("/".join(parts))
                    break
                if parts and ROOT.joinpath(*parts, "__init__.py").is_file():
                    found.add("/".join((*parts, "__init__")))
                    break
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        path.relative_to(ROOT).with_suffix("").as_posix(): modules_imported(path)
        for path in ROOT.rglob("*.py")
    }
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_every_public_name_is_there() -> None:
    assert set(eisv_lumen.__all__) == set(eisv_lumen._HOMES)
    for name in eisv_lumen.__all__:
        assert getattr(eisv_lumen, name).__doc__
    assert eisv_lumen.InputError is InputError


def test_importing_the_package_is_light() -> None:
    heavy = ("numpy", "torch", "transformers", "datasets", "gradio", "numba", "matplotlib")
    code = f"import eisv_lumen, sys; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "gradio", "numba", "matplotlib", "pyarrow")
    code = (
        "import sys; sys.argv = ['eisv-lumen', '--help']\n"
        "from eisv_lumen.cli import main\n"
        "try:\n main()\nexcept SystemExit:\n pass\n"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stderr.strip() == "[]"
    assert "evaluate" in out.stdout
