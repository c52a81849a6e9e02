"""`make bench`: every benchmark in one process, as a table on stderr and JSON on stdout."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict

from eisv_lumen.core.files import write_json
from eisv_lumen.evaluation.report import installed_versions

from .timing import Row, results_file

NAMES = ("trajectory", "expression", "teacher", "student", "lvm_alignment", "lvm_train")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(NAMES)}; all by default")
    parser.add_argument(
        "--out", type=results_file, help="also write the figures to this results file"
    )
    args = parser.parse_args()
    found: dict[str, list[dict[str, object]]] = {}
    for name in args.names or NAMES:
        print(f"\n{name}", file=sys.stderr)
        found[name] = []
        for row in importlib.import_module(f".bench_{name}", __package__).rows():
            found[name].append(asdict(row))
            print(_line(row), file=sys.stderr)
    result = {"command": "make bench", "versions": installed_versions(), "benchmarks": found}
    json.dump(result, sys.stdout, indent=1, ensure_ascii=False)
    print()
    if args.out:
        write_json(args.out, result)


def _line(row: Row) -> str:
    verdict = {True: "passed", False: "MISSED", None: ""}[row.passed]
    return f"  {row.what:<56}{row.value:>12.4g} {row.unit:<18}{row.goal:<10}{verdict}"


if __name__ == "__main__":
    main()
