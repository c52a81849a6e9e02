"""The names of the repos that are published."""

from __future__ import annotations

from typing import Final

from .plan import RepoName

__all__ = ["BASE", "DATASET", "METRIC", "TEACHER"]

DATASET: Final = RepoName("dataset", "unitares-eisv-trajectories")
METRIC: Final = RepoName("space", "eisv_coherence")
TEACHER: Final = RepoName("model", "eisv-lumen-teacher")
BASE: Final = RepoName("model", "eisv-lumen-teacher-base")
"""Of an adapter whose base is not on the Hub already."""
