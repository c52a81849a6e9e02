"""The architecture, as a test: a room imports only rooms below it."""

import ast
import subprocess
import sys
from pathlib import Path

import eisv_lumen
from eisv_lumen.core.errors import InputError

ROOT = Path(eisv_lumen.__file__).parent
FLOORS = {
    "core": 0, "eisv": 1, "expression": 1, "trajectory": 2,
    "evaluation": 2, "study": 3, "teacher": 3, "hub": 3, "lvm": 3, "cluster": 3, "student": 4,
    "demo": 4, "cli": 5,
}  # fmt: skip

MOST_LINES = 300
LONGER = {
    "student/reader.py": "stands alone: it is published as one file, of the standard library",
    "trajectory/rules/kernel.py": "one loop, and what it calls: numba compiles it in one piece",
    "trajectory/windows.py": "one walk over a series, whole and in batches: they share its checks",
    "trajectory/dataset/schema.py": "the schema, and the one way to write and read it",
}


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
        if room == "__init__":
            continue
        for other in rooms_imported(path) - {room, "__version__"}:
            if FLOORS.get(other, 9) > FLOORS[room] or (
                FLOORS[other] == FLOORS[room] and room in ("expression", "trajectory")
            ):
                wrong.append(f"{'/'.join(parts)} imports {other}")
    assert not wrong


def test_a_file_is_one_idea_of_300_lines_at_most() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in ROOT.rglob("*.py")
    }
    assert {name for name, count in lines.items() if count > MOST_LINES} <= LONGER.keys()
    assert LONGER.keys() <= lines.keys()


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
