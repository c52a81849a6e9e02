"""`eisv-lumen data`: sources to a typed dataset; what is in it; how it grows."""

from .describe import app

__all__ = ["app"]
