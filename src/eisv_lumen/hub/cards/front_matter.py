"""The YAML head of a card, checked without the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from ...core.errors import InputError
from ...core.files import parse_yaml

__all__ = ["Kind", "check_front_matter", "check_namespace", "check_repo_name", "is_hub_id"]

Kind = Literal["dataset", "model", "base", "space", "post", "vectors"]
_COLORS: Final = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_LICENSE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*")
"""How the Hub names licenses; which there are, it knows itself, and says so on each commit."""
_SIZES: Final = (
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B",
    "1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T",
)  # fmt: skip
_TASKS: Final = (
    "time-series-forecasting", "text-generation", "tabular-classification", "other",
)  # fmt: skip
_SDKS: Final = ("gradio", "docker", "static")
# key: type, allowed values (None: any), required
_Rule = tuple[type | tuple[type, ...], Sequence[str] | None, bool]
_RULES: Final[dict[str, dict[str, _Rule]]] = {
    "dataset": {
        "license": (str, None, True),
        "pretty_name": (str, None, True),
        "language": ((str, list), None, False),
        "task_categories": (list, _TASKS, True),
        "size_categories": (list, _SIZES, True),
        "tags": (list, None, True),
        "configs": (list, None, True),
        "dataset_info": (list, None, True),
    },
    "model": {
        "license": (str, None, True),
        "library_name": (str, ("transformers", "peft", "sklearn", "eisv-lumen"), True),
        "pipeline_tag": (str, ("text-generation", "time-series-forecasting"), False),
        "base_model": (str, None, False),
        "datasets": (list, None, True),
        "tags": (list, None, True),
        "model-index": (list, None, True),
    },
    "base": {
        "license": (str, None, True),
        "library_name": (str, ("transformers",), True),
        "pipeline_tag": (str, ("text-generation",), True),
        "tags": (list, None, True),
    },
    "vectors": {
        "license": (str, None, True),
        "library_name": (str, ("eisv-lumen",), True),
        "tags": (list, None, True),
        "model-index": (list, None, True),
    },
    "space": {
        "title": (str, None, True),
        "emoji": (str, None, True),
        "colorFrom": (str, _COLORS, True),
        "colorTo": (str, _COLORS, True),
        "sdk": (str, _SDKS, True),
        "sdk_version": (str, None, True),
        "python_version": (str, None, True),
        "app_file": (str, None, True),
        "license": (str, None, True),
        "short_description": (str, None, True),
        "tags": (list, None, False),
    },
    "post": {
        "title": (str, None, True),
        "thumbnail": (str, None, True),
        "authors": (list, None, True),
    },
}
_SHORT: Final = 60


def check_front_matter(text: str, kind: Kind) -> dict[str, Any]:
    """Check a card's YAML head without the network; return it.

    Parameters
    ----------
    text
        The whole card.
    kind
        What it is the card of.

    Raises
    ------
    InputError
        The head is missing or no YAML, a key is missing, has another type, or a value that the
        Hub does not take; the message names the key.
    """
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    if head is None:
        raise InputError(f"{kind} card: no front matter; it must start with a line of ---")
    found = parse_yaml(head[1], f"{kind} card, front matter")
    if not isinstance(found, dict):
        raise InputError(f"{kind} card: front matter must be a mapping of keys to values")
    for key, (types, allowed, required) in _RULES[kind].items():
        if key not in found:
            if required:
                raise InputError(f"{kind} card, {key}: missing from the front matter")
            continue
        _check_value(f"{kind} card, {key}", found[key], types, allowed)
    _check_parts(found, kind)
    return found


def _check_value(
    where: str, value: Any, types: type | tuple[type, ...], allowed: Sequence[str] | None
) -> None:
    if not isinstance(value, types):
        raise InputError(f"{where}: a {type(value).__name__} cannot stand here ({value!r}); quote "
                         "a number that is text, and list what is a list")  # fmt: skip
    if not value:
        raise InputError(f"{where}: is empty")
    for item in value if isinstance(value, list) else [value]:
        if allowed is not None and item not in allowed:
            raise InputError(f"{where}: {item!r} is none of {', '.join(allowed)}")


def _check_parts(head: Mapping[str, Any], kind: Kind) -> None:
    """Check what lies a level deeper."""
    license = head.get("license")
    if license is not None and not _LICENSE.fullmatch(license):
        raise InputError(
            f"{kind} card, license: {license!r} is no name of a license on the Hub, as in "
            "apache-2.0; see https://huggingface.co/docs/hub/repositories-licenses"
        )
    if len(head.get("short_description", "")) > _SHORT:
        raise InputError(f"{kind} card, short_description: longer than {_SHORT} characters")
    for i, config in enumerate(head.get("configs", [])):
        if not isinstance(config, dict) or not {"config_name", "data_files"} <= set(config):
            raise InputError(f"{kind} card, configs[{i}]: needs config_name and data_files")
    base = head.get("base_model")
    if base is not None and not is_hub_id(base):
        raise InputError(f"{kind} card, base_model: {base!r} is no id of the Hub; leave it out")
    for i, entry in enumerate(head.get("model-index", [])):
        if not isinstance(entry, dict) or not entry.get("name") or not entry.get("results"):
            raise InputError(f"{kind} card, model-index[{i}]: needs name and results")
        for j, result in enumerate(entry["results"]):
            if not {"task", "dataset", "metrics"} <= set(result):
                raise InputError(
                    f"{kind} card, model-index[{i}].results[{j}]: needs task, dataset and metrics"
                )
    for i, author in enumerate(head.get("authors", [])):
        if not isinstance(author, dict) or not isinstance(author.get("user"), str):
            raise InputError(f"{kind} card, authors[{i}]: needs user, a name on the Hub")


def is_hub_id(base: str) -> bool:
    """Say whether a recipe's base is a model on the Hub, not one of ours or a path."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", base) is not None


def check_repo_name(name: str) -> None:
    """Refuse what cannot be the name of a repo.

    Raises
    ------
    InputError
        It is empty, or has other characters than the Hub's names have.
    """
    if not is_hub_id(f"x/{name}"):
        raise InputError(
            f"--name {name!r}: no name on the Hub; use letters, digits, '.', '-' and '_'"
        )


def check_namespace(namespace: str) -> None:
    """Refuse what cannot be a user or an organisation: cards and posts would link to nowhere.

    Raises
    ------
    InputError
        It is empty, or has other characters than the Hub's names have.
    """
    if not is_hub_id(f"{namespace}/x"):
        raise InputError(
            f"--namespace {namespace!r}: no name on the Hub; use letters, digits, '.', '-' and '_'"
        )
