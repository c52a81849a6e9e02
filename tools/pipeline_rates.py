"""`python -m tools.pipeline_rates`: how long the steps of the main job take, for `run --plan`.

It runs the demo in a temporary folder, on a machine that should do nothing else.
"""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path
from typing import Final

from eisv_lumen.core.files import write_json
from eisv_lumen.demo import DemoSize, run_demo
from eisv_lumen.evaluation.report import provenance
from eisv_lumen.pipeline import Job, measured_rates

ROOT: Final = Path(__file__).parents[1]
OUT: Final = ROOT / "results" / "pipeline" / "rates.json"


def main() -> None:
    size = DemoSize()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run_demo(out, size=size, root=ROOT)
        rates = measured_rates(Job((out / "anima.db",), out, size=size, root=ROOT))
    write_json(
        OUT,
        {
            "schema": "eisv-lumen-rates/1",
            "seconds": rates,
            "machine": f"{platform.machine()}, {platform.processor() or platform.system()}",
            "provenance": provenance("python -m tools.pipeline_rates", seed=0).model_dump(
                mode="json"
            ),
        },
    )


if __name__ == "__main__":
    main()
