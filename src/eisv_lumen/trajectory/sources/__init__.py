"""Where trajectories come from; each source is a file here, and all hand back the same nouns."""

from .common import Expressions, Report, Source
from .options import ReadOptions
from .read import read_source

__all__ = ["Expressions", "ReadOptions", "Report", "Source", "read_source"]
