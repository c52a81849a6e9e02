"""The service over HTTP: routes, limits on size and concurrency, errors in one form."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from json import JSONDecodeError
from typing import Annotated, Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ... import __version__
from ...core.errors import InputError
from .service import Service

__all__ = ["Limits", "create_app", "serve"]

MAX_NEAREST: Final = 50

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes
    ----------
    body_bytes
        Of a request; more is answered 413, and not read.
    text_characters
        Of a text or of a paragraph; more is answered 422.
    at_once
        Requests that are worked on; one more is answered 429.
    stop_seconds
        What requests in flight get to finish in when the service is stopped.
    """

    body_bytes: int = 1_000_000
    text_characters: int = 100_000
    at_once: int = 8
    stop_seconds: int = 10


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PredictRequest(_Asked):
    """K texts, or K vectors; and how many near chunks to return."""

    texts: list[str] | None = None
    vectors: list[list[float]] | None = None
    nearest: Annotated[int, Field(ge=0, le=MAX_NEAREST)] = 0


class ChatMessage(_Asked):
    """One message of a conversation."""

    role: str
    content: str


class ChatRequest(_Asked):
    """A conversation, or a paragraph, to go on from."""

    messages: list[ChatMessage] | None = None
    paragraph: str | None = None
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0
    decode_steps: Annotated[int, Field(ge=1, le=50)] = 1
    seed: Annotated[int, Field(ge=0)] = 0

    def text(self) -> str:
        """Return what is to be gone on from.

        Raises
        ------
        InputError
            Not exactly one of the two is given.
        """
        if (self.messages is None) == (self.paragraph is None):
            raise InputError("give either messages or paragraph")
        if self.paragraph is not None:
            return self.paragraph
        return "\n\n".join(message.content for message in self.messages or ())


def create_app(service: Service, limits: Limits | None = None) -> FastAPI:
    """Build the ASGI application: ``GET /health``, ``POST /predict``, ``POST /chat``.

    Every error is ``{"error": {"code": …, "message": …}}``.
    """
    bounds = limits or Limits()
    app = FastAPI(title="eisv-lumen lvm", version=__version__)
    places = threading.BoundedSemaphore(bounds.at_once)

    def work(do: Callable[[], Any]) -> JSONResponse:
        if not places.acquire(blocking=False):
            found = error(429, f"{bounds.at_once} requests are worked on already; try again")
            found.headers["Retry-After"] = "1"
            return found
        try:
            return JSONResponse(asdict(do()))
        except InputError as refused:
            return error(422, str(refused))
        finally:
            places.release()

    def short_enough(texts: list[str]) -> None:
        for i, text in enumerate(texts):
            if len(text) > bounds.text_characters:
                raise InputError(
                    f"text {i}: {len(text)} characters; at most {bounds.text_characters}"
                )

    @app.get("/health")
    def health() -> dict[str, Any]:
        return service.health()

    @app.post("/predict")
    def predict(asked: PredictRequest) -> JSONResponse:
        def do() -> Any:
            short_enough(asked.texts or [])
            return service.predict(asked.texts, asked.vectors, asked.nearest)

        return work(do)

    @app.post("/chat")
    def chat(asked: ChatRequest) -> JSONResponse:
        def do() -> Any:
            text = asked.text()
            short_enough([text])
            return service.chat(
                text, temperature=asked.temperature, steps=asked.decode_steps, seed=asked.seed
            )

        return work(do)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, problem: RequestValidationError) -> JSONResponse:
        first = problem.errors()[0]
        if isinstance(broken := problem.__cause__, JSONDecodeError):
            where = f"line {broken.lineno}, column {broken.colno}"
            return error(422, f"the body is not JSON ({where}: {broken.msg})")
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        return error(422, f"{place}: {first['msg']}" if place else str(first["msg"]))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, problem: HTTPException) -> JSONResponse:
        return error(problem.status_code, str(problem.detail))

    app.add_middleware(_BodyLimit, most=bounds.body_bytes)
    return app


def error(code: int, message: str) -> JSONResponse:
    """Return an error in the one form that all have."""
    return JSONResponse({"error": {"code": code, "message": message}}, code)


class _BodyLimit:
    """Answers 413 to a body that is too long, whether it says so beforehand or not."""

    def __init__(self, app: Any, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.most:
            await self._refuse(scope, receive, send)
            return
        parts, size = [], 0
        while True:  # read here, so that nothing is answered twice
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            if size > self.most:
                await self._refuse(scope, receive, send)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        whole = b"".join(parts)
        handed = False

        async def again() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": whole, "more_body": False}

        await self.app(scope, again, send)

    async def _refuse(self, scope: Message, receive: Receive, send: Send) -> None:
        found = error(413, f"the request is longer than {self.most} bytes")
        found.headers["Connection"] = "close"
        await found(scope, receive, send)


def serve(
    service: Service,
    host: str,
    port: int,
    limits: Limits | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are finished first.

    Parameters
    ----------
    service, limits
        What is served, and within which bounds.
    host, port
        Where to listen.
    ready
        Called once the port is ours.

    Raises
    ------
    InputError
        The host is none of this machine's, or the port is taken.
    """
    import uvicorn

    bounds = limits or Limits()
    config = uvicorn.Config(
        create_app(service, bounds),
        log_level="warning",
        timeout_graceful_shutdown=bounds.stop_seconds,
        h11_max_incomplete_event_size=64 * 1024,
    )
    with _listener(host, port) as listener:
        ready()
        uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server((str(address[0]), port), family=family)
    except OSError as error:
        raise InputError(
            f"{host}:{port}: cannot be listened on ({error.strerror}); give another --host or "
            "--port"
        ) from error
