"""The double on uvicorn, in a thread, on an ephemeral port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from .faults import Fault, Logged
from .http import HubError, Reply, Request, unavailable
from .routes import Routes
from .store import Repo, Store, User


class HubDouble:
    """A Hub of one's own; a context manager that starts it and stops it."""

    def __init__(self) -> None:
        self.store = Store()
        self.routes = Routes(self.store)
        self.faults: list[Fault] = []
        self.log: list[Logged] = []
        self.sent = 0  # bytes of all answers
        # asyncio spares a socket Nagle's 40 ms only where it names its protocol.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._serve, interface="asgi3", http="h11", lifespan="off", proxy_headers=False,
            log_level="critical", access_log=False, timeout_graceful_shutdown=1,
            timeout_keep_alive=300,  # a slow machine must not meet a closed connection
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="hub-double", daemon=True)

    def user(self, token: str, name: str, role: str = "write", orgs: tuple[str, ...] = ()) -> User:
        user = self.store.users[token] = User(name, role, orgs)
        return user

    def repo(self, kind: str, id: str) -> Repo:
        return self.store.repos[kind, id]

    def fail(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def reset(self) -> None:
        """Forget all repos, users, faults and requests."""
        self.store.__init__()  # type: ignore[misc]
        self.faults, self.log = [], []

    def requests(self, method: str = "", path: str = "") -> list[Logged]:
        return [r for r in list(self.log) if method in r.method and path in r.path]

    def __enter__(self) -> HubDouble:
        self._thread.start()
        while not self._server.started:
            threading.Event().wait(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        query = scope["query_string"].decode()
        request = Request(
            scope["method"], scope["raw_path"].decode(), parse_qs(query, keep_blank_values=True),
            {k.decode().lower(): v.decode() for k, v in scope["headers"]}, body, self.url,
        )  # fmt: skip
        target = request.path + (f"?{query}" if query else "")
        hits = [f for f in self.faults if f.hits(request.method, target)]
        fault = hits[0] if hits else None
        user = self.store.users.get(request.token or "")
        name = user.name if user else None
        agent = request.headers.get("user-agent", "")
        self.log.append(Logged(request.method, target, name, fault.kind if fault else None, agent))
        reply = await self._spoiled(fault, request) if fault else self._answer(request)
        if reply is None:
            # uvicorn's `send` belongs to the request's cycle, which holds the connection.
            send.__self__.transport.abort()
            await receive()
            return
        self.sent += len(reply.body)
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": reply.body})

    async def _spoiled(self, fault: Fault, request: Request) -> Reply | None:
        if fault.kind in ("503", "429", "409", "412"):
            return unavailable(int(fault.kind), fault.retry_after, fault.ratelimit)
        if fault.kind == "echo":
            return HubError(400, f"Bad request: {request.headers}").reply
        if fault.kind == "drop_before":
            return None
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "call_before" and fault.call:
            fault.call()
        reply = self._answer(request)
        if fault.kind == "call_after" and fault.call:
            fault.call()
        return None if fault.kind == "drop_after" else reply

    def _answer(self, request: Request) -> Reply:
        with self.store.lock:
            try:
                return self.routes(request)
            except HubError as error:
                return error.reply
