"""The surroundings in which every client library knows the double, and no other Hub."""

from __future__ import annotations

import os
from pathlib import Path

from .server import HubDouble

TOKEN = "hf_testTokenThatMustNeverBeShown"
READER = "hf_testTokenThatMayOnlyRead"


def environment(hub: HubDouble, home: Path, token: str = TOKEN) -> dict[str, str]:
    """Variables under which every client library talks to the double, and to nothing else."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return kept | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1",
    }
