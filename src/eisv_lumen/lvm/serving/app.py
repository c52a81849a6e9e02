"""The service over HTTP: routes, limits on size and concurrency, errors in one form."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from json import JSONDecodeError
from typing import Annotated, Any, Final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ... import __version__
from ...core.errors import InputError
from .connections import BACKLOG, places, protocol
from .service import Service

__all__ = ["Limits", "create_app", "serve", "server_config"]

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
    connections
        Open at once; one more closes the one that has waited longest without a request.
    request_seconds
        In which a request has to arrive whole; later is answered 408.
    idle_seconds
        How long a connection is kept after an answer.
    header_bytes
        Of a request's header; more is answered 400.
    origins
        Web pages whose scripts may ask (CORS); `*` for all.
    root_path
        What a proxy takes away from the front of a path.
    """

    body_bytes: int = 1_000_000
    text_characters: int = 100_000
    at_once: int = 8
    stop_seconds: int = 10
    connections: int = 512
    request_seconds: float = 20.0
    idle_seconds: int = 5
    header_bytes: int = 64 * 1024
    origins: tuple[str, ...] = ()
    root_path: str = ""


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


def create_app(service: Service | Future[Service], limits: Limits | None = None) -> FastAPI:
    """Build the ASGI application: ``/live``, ``/ready``, ``/health``, ``/predict``, ``/chat``.

    Every error is ``{"error": {"code": …, "message": …}}``.

    Parameters
    ----------
    service
        What answers, or what will once it is loaded: until then 503.
    limits
        Of requests.
    """
    bounds = limits or Limits()
    app = FastAPI(title="eisv-lumen lvm", version=__version__, root_path=bounds.root_path)
    served = _Served(service, bounds)
    _add_states(app, served)
    _add_questions(app, served)
    _add_errors(app)
    app.add_middleware(_Bodies, most=bounds.body_bytes)
    if bounds.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(bounds.origins), allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
        )  # fmt: skip
    return app


class _Served:
    """A service, perhaps still being loaded, and the places of those who ask it."""

    def __init__(self, service: Service | Future[Service], bounds: Limits) -> None:
        self._service, self._bounds = service, bounds
        self._places = threading.BoundedSemaphore(bounds.at_once)

    def now(self) -> Service:
        if not isinstance(self._service, Future):
            return self._service
        if not self._service.done():
            raise HTTPException(503, "the model is being loaded; try again")
        return self._service.result()

    def work(self, do: Callable[[Service], Any]) -> JSONResponse:
        """Answer what was asked, if there is a place."""
        service = self.now()
        if not self._places.acquire(blocking=False):
            return _again(429, f"{self._bounds.at_once} requests are worked on already; try again")
        try:
            return JSONResponse(asdict(do(service)))
        except InputError as refused:
            return error(422, str(refused))
        finally:
            self._places.release()

    def is_full(self) -> bool:
        if self._places.acquire(blocking=False):
            self._places.release()
            return False
        return True

    def check_texts(self, texts: Sequence[str]) -> None:
        """Refuse texts that are too long, or of which a character is half a pair."""
        most = self._bounds.text_characters
        for i, text in enumerate(texts):
            if len(text) > most:
                raise InputError(f"text {i}: {len(text)} characters; at most {most}")
            try:
                text.encode()
            except UnicodeEncodeError as broken:
                raise InputError(
                    f"text {i}, character {broken.start}: half of a surrogate pair; send UTF-8"
                ) from broken


def _add_states(app: FastAPI, served: _Served) -> None:
    @app.api_route("/live", methods=["GET", "HEAD"])
    async def live() -> dict[str, str]:
        """Say that the process answers: restart it where this fails."""
        return {"status": "ok"}

    @app.api_route("/ready", methods=["GET", "HEAD"])
    async def ready() -> JSONResponse:
        """Say whether a question would be answered now: send it elsewhere where this fails."""
        served.now()
        if served.is_full():
            return _again(503, "all places are taken; try again")
        return JSONResponse({"status": "ok"})

    @app.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> dict[str, Any]:
        """Say what is served."""
        return served.now().health()


def _add_questions(app: FastAPI, served: _Served) -> None:
    @app.post("/predict")
    def predict(asked: PredictRequest) -> JSONResponse:
        def do(service: Service) -> Any:
            served.check_texts(asked.texts or [])
            return service.predict(asked.texts, asked.vectors, asked.nearest)

        return served.work(do)

    @app.post("/chat")
    def chat(asked: ChatRequest) -> JSONResponse:
        def do(service: Service) -> Any:
            text = asked.text()
            served.check_texts([text])
            return service.chat(
                text, temperature=asked.temperature, steps=asked.decode_steps, seed=asked.seed
            )

        return served.work(do)


def _add_errors(app: FastAPI) -> None:
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
        found = error(problem.status_code, str(problem.detail))
        found.headers.update(problem.headers or {})
        return found

    @app.exception_handler(Exception)
    async def broken(_: Request, problem: Exception) -> JSONResponse:
        return error(500, f"a defect of the service ({type(problem).__name__}); see its log")


def _again(code: int, message: str) -> JSONResponse:
    found = error(code, message)
    found.headers["Retry-After"] = "1"
    return found


def error(code: int, message: str) -> JSONResponse:
    """Return an error in the one form that all have."""
    return JSONResponse({"error": {"code": code, "message": message}}, code)


class _Bodies:
    """Answers 413 to a body that is too long, told or not, and 415 to one that is no plain JSON."""

    def __init__(self, app: Any, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.most:
            await self._refuse(scope, receive, send)
            return
        if (wrong := _not_json(headers)) and scope["method"] == "POST":
            await error(415, wrong)(scope, receive, send)
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


def _not_json(headers: dict[bytes, bytes]) -> str:
    """Say what is wrong with the kind of a body, or nothing."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return "the body is compressed; send it as it is"
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/json" and not kind.endswith(b"+json"):
        return "the body is not called JSON; send the header Content-Type: application/json"
    return ""


def serve(
    service: Service | Callable[[], Service],
    host: str,
    port: int,
    limits: Limits | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are finished first.

    It listens before anything is loaded: ``/live`` answers at once, ``/ready`` when all is there.

    Parameters
    ----------
    service, limits
        What is served, or what loads it; and within which bounds.
    host, port
        Where to listen.
    ready
        Called once the port is ours and the service is loaded.

    Raises
    ------
    InputError
        The host is none of this machine's, the port is taken, or the service cannot be loaded.
    """
    bounds = limits or Limits()
    loaded: Future[Service] = Future()
    server = uvicorn.Server(server_config(create_app(loaded, bounds), bounds))

    def load() -> None:
        try:
            loaded.set_result(service if isinstance(service, Service) else service())
            ready()
        except BaseException as problem:  # for the caller of serve, whatever it is
            if not loaded.done():
                loaded.set_exception(problem)
            server.should_exit = True

    with _listener(host, port) as listener:
        loader = threading.Thread(target=load, daemon=True)
        loader.start()
        server.run(sockets=[listener])
    if loaded.done():
        loaded.result()


def server_config(app: FastAPI, bounds: Limits, **more: Any) -> uvicorn.Config:
    """Return how uvicorn serves an application within bounds; `more` are fields of its own."""
    return uvicorn.Config(
        app,
        **{
            "http": protocol(places(bounds.connections), bounds.request_seconds),
            "ws": "none",
            "log_level": "warning",
            "access_log": False,
            "backlog": BACKLOG,
            "timeout_keep_alive": bounds.idle_seconds,
            "timeout_graceful_shutdown": bounds.stop_seconds,
            "h11_max_incomplete_event_size": bounds.header_bytes,
            **more,
        },
    )


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
