"""Connections that nobody may hold for nothing: uvicorn's protocol, with an end to its patience.

A client that connects and sends nothing, half a header or half a body would keep a file descriptor
for ever; with enough of them the server can accept nobody. Here a request has a time to arrive in,
and where all places are taken, the connection that has waited longest makes room.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from pathlib import Path
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BACKLOG", "places", "protocol"]

BACKLOG: Final = 16
"""Connections that are accepted in one turn of the loop: no more than the spare descriptors."""
_SPARE: Final = 2 * BACKLOG
"""Descriptors kept for files, and for what is accepted before another can be closed."""


def places(most: int) -> int:
    """Return how many connections can be open at once: `most`, or what the system has left."""
    try:
        import resource
    except ImportError:  # not on Windows
        return most
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return most
    try:
        used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        used = 64
    return max(1, min(most, soft - used - _SPARE))


def protocol(most: int, request_seconds: float) -> type[H11Protocol]:
    """Return uvicorn's HTTP/1.1 protocol with room for `most` connections.

    Parameters
    ----------
    most
        One more closes the one that has waited longest for a whole request; where all have one, it
        is answered 503.
    request_seconds
        Time in which a request, header and body, has to arrive.
    """
    bounds = {"most": most, "request_seconds": request_seconds, "waiting": {}}
    return type("Bounded", (_Patient,), bounds)


class _Patient(H11Protocol):
    """One connection."""

    most: int
    request_seconds: float
    waiting: dict[_Patient, None]
    """Connections without a whole request, the longest first; all of a server share it."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            oldest = next(iter(self.waiting), None)
            if oldest is None:
                transport.write(_answer(503, "all connections are in use; try again"))
                transport.close()
                return
            oldest.end(None)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and not self._asked():
            self.waiting.setdefault(self, None)  # uvicorn's own clock closes what stays idle

    def send_400_response(self, msg: str) -> None:
        self.end(_answer(400, "this is no HTTP request, or its header is too long"))

    def end(self, answer: bytes | None) -> None:
        """Close, with an answer where something was asked."""
        self._go_on()
        if answer is None:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _asked(self) -> bool:
        """Whether a whole request is here that has no answer yet."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _look(self) -> None:
        if self._asked():
            self._go_on()
        elif not self.transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        self.waiting.setdefault(self, None)
        if self._late is None:  # the clock of a request that has begun runs on
            late = _answer(408, f"the request did not arrive in {self.request_seconds:g} s")
            self._late = self.loop.call_later(self.request_seconds, self.end, late)

    def _go_on(self) -> None:
        self.waiting.pop(self, None)
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _answer(code: int, message: str) -> bytes:
    """Return a whole response in the one form of errors, for where no application is asked."""
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    head = (
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
