"""Requests and replies between the server and the routes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # raw: revisions arrive as refs%2Fpr%2F1
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    base: str  # http://127.0.0.1:PORT

    @property
    def token(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)

    def flag(self, name: str) -> bool:
        return self.query.get(name, ["0"])[0].lower() in ("1", "true")


@dataclass(frozen=True)
class Reply:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json", **named})


class HubError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, code: str | None = None, **extra: Any) -> None:
        super().__init__(message)
        headers = {"X_Error_Message": message} | ({"X_Error_Code": code} if code else {})
        self.reply = as_json({"error": message, **extra}, status, **headers)


def repo_not_found(known: bool = True) -> HubError:
    """What there is not, or what one may not see; strangers are asked who they are."""
    if not known:
        return HubError(401, "Invalid username or password.", "RepoNotFound")
    return HubError(404, "Repository not found", "RepoNotFound")


def gated() -> HubError:
    return HubError(403, "Access to this dataset is restricted", "GatedRepo")


def unavailable(status: int, retry_after: int | None, ratelimit: int | None = None) -> Reply:
    """A proxy's answer: HTML, as in real life."""
    headers = {"Content-Type": "text/html"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if ratelimit is not None:
        headers["RateLimit"] = f'"api";r=0;t={ratelimit}'
        headers["RateLimit-Policy"] = '"fixed window";"api";q=1000;w=300'
    return Reply(f"<html><h1>{status}</h1></html>".encode(), status, headers)
