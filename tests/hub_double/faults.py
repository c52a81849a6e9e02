"""Requests that go wrong on purpose, and the log of all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "503",
    "429",
    "409",
    "412",
    "drop_before",
    "drop_after",
    "delay",
    "echo",
    "call_before",
    "call_after",
]


@dataclass(frozen=True)
class Logged:
    """One request as it arrived. `token` is whose it was, never the secret."""

    method: str
    path: str
    token: str | None
    fault: str | None = None
    agent: str = ""  # which program asks

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Fault:
    """Spoil the requests number `nth` to `nth + times - 1` of those that match.

    Parameters
    ----------
    kind
        `503`, `429`, `409`, `412`: answered so, nothing done. `drop_before`, `drop_after`: the
        connection is cut without an answer, before or after the request was carried out.
        `delay`: answered after `seconds`. `echo`: refused with all that was sent, as a proxy
        may. `call_before`, `call_after`: `call()` is run (in the server's thread) before or after
        the request was carried out; the client gets its answer.
    method, path
        Regular expressions that a request's method and path (with its query) match in full and
        in part.
    nth, times
        The first one is 1.
    """

    kind: Kind
    method: str = ".*"
    path: str = ""
    nth: int = 1
    times: int = 1
    seconds: float = 0.0
    retry_after: int | None = None
    ratelimit: int | None = None  # seconds until the window of requests is over, in its own header
    call: Callable[[], object] | None = None
    seen: int = field(default=0, init=False)

    def hits(self, method: str, path: str) -> bool:
        if not (re.fullmatch(self.method, method) and re.search(self.path, path)):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times
