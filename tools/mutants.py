"""Small semantic changes to the core, one at a time: whether the nearest tests notice.

Run from the repository: python -m tools.mutants [--room NAME] [--sample N] [--seed S] [--out FILE].
`make mutants` samples a few of every room; `--sample 0` tries all, for hours on two cores.

A mutant is made in a copy of the package, and the tests run against the copy; kernels are mutated
in their Python form (NUMBA_DISABLE_JIT). What no test can notice, since it changes nothing, is
listed with a reason in tests/mutants/equivalent.md.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eisv_lumen.core.files import write_json

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "src" / "eisv_lumen"
LIMIT: Final = 300  # [s] for the tests of one mutant; one that hangs is noticed

ROOMS: Final = {
    "expression": (("expression/*.py",), ("tests/expression",)),
    "evaluation": (("evaluation/*.py",), ("tests/evaluation",)),
    "rules": (
        ("trajectory/rules/*.py", "trajectory/windows.py"),
        ("tests/trajectory/test_rules.py", "tests/trajectory/test_explain.py",
         "tests/trajectory/test_kernel.py"),
    ),
    "alignment": (
        ("lvm/alignment/*.py",),
        ("tests/lvm/test_alignment_arrays.py", "tests/lvm/test_calibrated.py",
         "tests/lvm/test_published.py"),
    ),
    "losses": (
        ("lvm/training/losses.py", "lvm/training/objective.py"),
        ("tests/lvm/test_losses.py", "tests/lvm/test_objective.py"),
    ),
    "growth": (
        ("hub/syncing/*.py", "hub/publishing/*.py"),
        ("tests/hub/test_growth.py", "tests/hub/test_sync.py", "tests/hub/test_publish.py"),
    ),
    "teacher": (
        ("teacher/data/shared_prefix.py", "teacher/training/loss.py",
         "teacher/evaluation/score.py"),
        ("tests/teacher/test_tree.py", "tests/teacher/test_head.py",
         "tests/teacher/test_score.py"),
    ),
    "reader": (("student/reader.py",), ("tests/student/test_reader.py",)),
}  # fmt: skip
"""Files of a room, and the tests that should notice."""

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_COMPUTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: columns `start` to `end` of a file's text become `new`."""

    path: Path
    line: int
    old: str
    new: str
    start: int
    end: int

    def apply(self, text: str) -> str:
        """Return the changed text."""
        return text[: self.start] + self.new + text[self.end :]


def mutants(path: Path) -> list[Mutant]:
    """Return every change of a file that is tried."""
    text = path.read_text(encoding="utf-8")
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line.encode()))
    data = text.encode()
    found = []
    for node, new in _changes(ast.parse(text)):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        a, b = len(data[:start].decode()), len(data[:end].decode())
        found.append(Mutant(path, node.lineno, text[a:b], new, a, b))
    return found


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Yield expressions inside functions, and what each becomes."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in (x for statement in function.body for x in ast.walk(statement)):
            if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
                changed = ast.Compare(
                    node.left, [_COMPARED[type(node.ops[0])](), *node.ops[1:]], node.comparators
                )
                yield node, f"({ast.unparse(changed)})"
            elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
                changed_op = ast.BinOp(node.left, _COMPUTED[type(node.op)](), node.right)
                yield node, f"({ast.unparse(changed_op)})"
            elif isinstance(node, ast.BoolOp):
                other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
                yield node, f"({ast.unparse(ast.BoolOp(other, node.values))})"
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                yield node, f"({ast.unparse(node.operand)})"
            elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
                yield node, repr(node.value + 1)


def noticed(mutant: Mutant, tests: tuple[str, ...], copy: Path) -> bool:
    """Say whether a test fails, or cannot run, with a change in the copy of the package."""
    file = copy / "eisv_lumen" / mutant.path.relative_to(PACKAGE)
    text = file.read_text(encoding="utf-8")
    file.write_text(mutant.apply(text), encoding="utf-8")
    env = os.environ | {"PYTHONPATH": f"{copy}:{ROOT}", "OMP_NUM_THREADS": "1"}
    if "rules" in mutant.path.parts:
        env |= {"NUMBA_DISABLE_JIT": "1"}
    quick = ("-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not browser")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *quick, *tests],
            cwd=ROOT, env=env, capture_output=True, timeout=LIMIT, check=False,
        )  # fmt: skip
        return done.returncode != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        file.write_text(text, encoding="utf-8")


def main() -> None:
    """Try mutants, print the survivors, and write the share noticed in each room."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--room", choices=ROOMS, action="append", help="some rooms; all by default")
    parser.add_argument("--sample", type=int, default=3, help="mutants of each room; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    args = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(PACKAGE, copy / "eisv_lumen", ignore=shutil.ignore_patterns("*.nb?"))
        for room in args.room or ROOMS:
            patterns, tests = ROOMS[room]
            files = sorted(path for pattern in patterns for path in PACKAGE.glob(pattern))
            every = [mutant for path in files for mutant in mutants(path)]
            chosen = every
            if args.sample:
                chosen = random.Random(args.seed).sample(every, min(args.sample, len(every)))
            survivors = []
            for mutant in chosen:
                if not noticed(mutant, tests, copy):
                    place = f"{mutant.path.relative_to(PACKAGE)}:{mutant.line}"
                    survivors.append(f"{place}: {mutant.old} -> {mutant.new}")
                    print(f"  survives  {survivors[-1]}", flush=True)
            share = 1 - len(survivors) / max(len(chosen), 1)
            print(f"{room}: {share:.0%} of {len(chosen)} noticed ({len(every)} there are)")
            result[room] = {"tried": len(chosen), "of": len(every), "noticed": round(share, 4),
                            "survivors": survivors}  # fmt: skip
    if args.out:
        write_json(args.out, {"seed": args.seed, "rooms": result})


if __name__ == "__main__":
    main()
