"""The service over real HTTP: a live server, its limits, and how it stops."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import uvicorn

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.notices import Notice
from eisv_lumen.lvm.alignment.articles import unit
from eisv_lumen.lvm.alignment.predictions import Predictor
from eisv_lumen.lvm.data.chunking import Cut
from eisv_lumen.lvm.data.chunks import Chunks
from eisv_lumen.lvm.data.storage import write_chunks
from eisv_lumen.lvm.models import MODELS, VectorModel
from eisv_lumen.lvm.predictors.learned import Learned
from eisv_lumen.lvm.predictors.load import wrap
from eisv_lumen.lvm.serving.app import Limits, create_app, serve, server_config
from eisv_lumen.lvm.serving.decode import NearestText, Vec2Text
from eisv_lumen.lvm.serving.index import ChunkIndex
from eisv_lumen.lvm.serving.load import cut_of, open_service
from eisv_lumen.lvm.serving.service import Service

DIM = 32
TEXTS = tuple(f"Sentence number {i} speaks of topic {i % 7}." for i in range(60))


def hashed(texts: Sequence[str]) -> np.ndarray:
    """Encode by counting trigrams: small, deterministic, near for texts that are alike."""
    out = np.zeros((len(texts), DIM))
    for row, text in zip(out, texts, strict=True):
        for i in range(len(text) - 2):
            row[
                sum(ord(c) * p for c, p in zip(text[i : i + 3], (1, 7, 31), strict=True)) % DIM
            ] += 1
    return unit(out)


def trained(dim: int) -> VectorModel:
    kind = MODELS["predictor"]
    return kind(kind.config_class(dim=dim, width=16, layers=1, heads=2))


@pytest.fixture(scope="module")
def index() -> ChunkIndex:
    article = np.repeat(np.arange(6, dtype=np.int32), 10)
    position = np.tile(np.arange(10, dtype=np.int32), 6)
    names = tuple(f"wiki/{i}" for i in range(6))
    return ChunkIndex.of(Chunks(hashed(TEXTS), article, position, names, "trigrams", TEXTS))


@pytest.fixture(scope="module")
def service(index: ChunkIndex) -> Service:
    torch.manual_seed(0)
    return Service(wrap(trained(DIM).eval(), "small"), 5, hashed, index, NearestText(index))


@contextmanager
def served(service: Service, limits: Limits | None = None) -> Iterator[int]:
    """Serve from a thread, on a free port; stop as a signal would."""
    config = uvicorn.Config(create_app(service, limits), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def call(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body)
    wire.request(method, path, data, {"Content-Type": "application/json", **headers})
    got = wire.getresponse()
    found = json.loads(got.read())
    wire.close()
    return got.status, found


@pytest.fixture(scope="module")
def port(service: Service) -> Iterator[int]:
    with served(service, Limits(body_bytes=20_000, text_characters=5000)) as number:
        yield number


def test_health_says_what_is_served(port: int) -> None:
    assert call(port, "GET", "/health") == (
        200,
        {"status": "ok", "model": "small", "kind": "predictor", "encoder": "trigrams",
         "fingerprint": "", "chunks_by": "sentence", "dim": DIM, "chunks": 60,
         "context_length": 5, "articles": 6, "decoder": "nearest"},
    )  # fmt: skip


def test_texts_and_their_vectors_predict_the_same(port: int, service: Service) -> None:
    texts = list(TEXTS[10:15])
    vectors = hashed(texts)
    one = call(port, "POST", "/predict", {"texts": texts, "nearest": 3})
    other = call(port, "POST", "/predict", {"vectors": vectors.tolist(), "nearest": 3})
    assert one[0] == other[0] == 200
    exact = service.model.predict(vectors[None])[0]
    np.testing.assert_allclose(one[1]["vector"], exact, atol=1e-6)
    np.testing.assert_allclose(other[1]["vector"], exact, atol=1e-6)
    cosines = service.index.chunks.vectors @ unit(exact)
    best = np.argsort(-cosines, kind="stable")[:3]
    assert [n["text"] for n in one[1]["nearest"]] == [TEXTS[i] for i in best]
    assert one[1]["nearest"][0]["cosine"] == pytest.approx(cosines[best[0]], abs=1e-5)
    assert set(one[1]["latency_breakdown"]) == {"encode", "predict", "search"}


def test_chat_goes_on_from_messages_and_from_a_paragraph(port: int, service: Service) -> None:
    whole = " ".join(TEXTS[:7])
    status, said = call(port, "POST", "/chat", {"paragraph": whole})
    assert status == 200
    assert (said["chunks_used"], said["ctx_fill_mode"]) == (5, "full")
    assert said["response"] in TEXTS and said["response"] not in TEXTS[2:7]
    assert 0 <= said["confidence"] <= 1
    assert set(said["latency_breakdown"]) == {"chunk", "encode", "predict", "decode"}
    total = sum(said["latency_breakdown"].values())
    assert said["total_latency_ms"] == pytest.approx(total, abs=0.01)
    halves = [{"role": "user", "content": " ".join(TEXTS[:3])},
              {"role": "assistant", "content": " ".join(TEXTS[3:7])}]  # fmt: skip
    assert call(port, "POST", "/chat", {"messages": halves})[1]["response"] == said["response"]
    short = call(port, "POST", "/chat", {"paragraph": TEXTS[0]})[1]
    assert (short["chunks_used"], short["ctx_fill_mode"]) == (1, "repeat_first")
    expected = service.model.predict(np.repeat(hashed(TEXTS[:1]), 5, axis=0)[None])[0]
    cosines = service.index.chunks.vectors @ unit(expected)
    cosines[0] = -1
    assert short["response"] == TEXTS[int(np.argmax(cosines))]


def test_a_temperature_draws_among_the_nearest_by_its_seed(port: int) -> None:
    def say(**more: Any) -> str:
        return call(port, "POST", "/chat", {"paragraph": TEXTS[3], **more})[1]["response"]

    cold = {say(seed=seed) for seed in range(5)}
    warm = [say(temperature=1.0, seed=seed) for seed in range(12)]
    assert len(cold) == 1 and len(set(warm)) > 2
    assert warm == [say(temperature=1.0, seed=seed) for seed in range(12)]


@pytest.mark.parametrize(
    ("path", "body", "status", "about"),
    [
        ("/predict", {}, 422, "give either texts or vectors"),
        ("/predict", {"texts": ["a"] * 4}, 422, "texts: 4 of them; the model reads 5"),
        ("/predict", {"texts": ["a", "b", "c", " ", "e"]}, 422, "one of them is empty"),
        ("/predict", {"vectors": [[1.0] * 3] * 5}, 422, "vectors, row 0: 3 numbers; the encoder"),
        ("/predict", {"vectors": [[0.0] * DIM] * 5}, 422, "vectors, row 0"),
        ("/predict", {"texts": ["a"] * 5, "nearest": 51}, 422, "nearest: Input should be less"),
        ("/predict", {"text": ["a"] * 5}, 422, "text: Extra inputs"),
        ("/predict", b"{", 422, "the body is not JSON (line 1, column 2: Expecting"),
        ("/chat", b'{"paragraph":\n "a",}', 422, "not JSON (line 2, column "),
        ("/predict", {"texts": ["a" * 5001] * 3}, 422, "text 0: 5001 characters; at most 5000"),
        ("/predict", {"texts": ["a" * 5000] * 5}, 413, "longer than 20000 bytes"),
        ("/chat", {"paragraph": "", "seed": 1}, 422, "no text to go on from"),
        ("/chat", {"paragraph": "a", "messages": []}, 422, "give either messages or paragraph"),
        ("/chat", {"paragraph": "a", "temperature": -1}, 422, "temperature: "),
        ("/nowhere", {}, 404, "Not Found"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_said_in_one_form(
    port: int, path: str, body: Any, status: int, about: str
) -> None:
    found, answer = call(port, "POST", path, body)
    assert found == status and answer["error"]["code"] == status
    assert about in answer["error"]["message"]
    assert call(port, "GET", "/health")[0] == 200


def test_a_body_that_hides_its_length_is_cut_off(port: int) -> None:
    """Chunked transfer says no length: it is counted as it comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(3):
            wire.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
        assert b" 413 " in wire.recv(4096).split(b"\r\n")[0]


def test_numbers_that_are_not_finite_are_refused(port: int) -> None:
    row = ",".join(["NaN"] + ["1.0"] * (DIM - 1))
    body = f'{{"vectors": [{",".join(f"[{row}]" for _ in range(5))}]}}'.encode()
    status, answer = call(port, "POST", "/predict", body)
    assert status == 422 and "vectors" in answer["error"]["message"]


def test_more_requests_than_places_are_sent_away(service: Service, index: ChunkIndex) -> None:
    entered, leave = threading.Semaphore(0), threading.Event()

    def slow(texts: Sequence[str]) -> np.ndarray:
        entered.release()
        assert leave.wait(20)
        return hashed(texts)

    busy = Service(service.model, 5, slow, index, NearestText(index))
    answers: list[tuple[int, Any]] = []
    with served(busy, Limits(at_once=2)) as port:
        held = [
            threading.Thread(
                target=lambda: answers.append(
                    call(port, "POST", "/predict", {"texts": list(TEXTS[:5])})
                )
            )
            for _ in range(2)
        ]
        for thread in held:
            thread.start()
        assert entered.acquire(timeout=10) and entered.acquire(timeout=10)
        status, sent_away = call(port, "POST", "/chat", {"paragraph": "One more."})
        assert status == 429 and "try again" in sent_away["error"]["message"]
        assert call(port, "GET", "/health")[0] == 200  # that is always answered
        leave.set()
        for thread in held:
            thread.join(10)
        assert [code for code, _ in answers] == [200, 200]
        assert call(port, "POST", "/chat", {"paragraph": "One more."})[0] == 200


STOPPED = """
import sys, time
import numpy as np
from eisv_lumen.lvm.alignment.predictions import Predictor
from eisv_lumen.lvm.data.chunks import Chunks
from eisv_lumen.lvm.serving.decode import NearestText
from eisv_lumen.lvm.serving.index import ChunkIndex
from eisv_lumen.lvm.serving.service import Service
from eisv_lumen.lvm.serving.app import serve

def slow(texts):
    print("entered", flush=True)
    time.sleep(1.0)
    return np.eye(4, dtype="f4")[:len(texts)]

index = ChunkIndex.of(Chunks(np.eye(4, dtype="f4"), np.zeros(4, "i4"), np.arange(4, dtype="i4"),
                             ("a",), "x", ("one", "two", "three", "four")))
model = Predictor("copy", predict=lambda c: c[:, -1])
serve(Service(model, 5, slow, index, NearestText(index)), "127.0.0.1", int(sys.argv[1]))
"""


def test_a_signal_lets_what_is_in_flight_finish() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        for _ in range(600):
            try:
                if call(port, "GET", "/health")[0] == 200:
                    break
            except OSError:
                time.sleep(0.1)
        answers: list[tuple[int, Any]] = []
        asking = threading.Thread(
            target=lambda: answers.append(call(port, "POST", "/chat", {"paragraph": TEXTS[0]}))
        )
        asking.start()
        assert process.stdout is not None and process.stdout.readline() == "entered\n"
        process.send_signal(signal.SIGTERM)
        asking.join(20)
        assert answers and answers[0][0] == 200
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    with pytest.raises(OSError, match=r".*"):
        call(port, "GET", "/health")


def test_what_does_not_fit_together_is_refused(
    index: ChunkIndex, service: Service, tmp_path: Path
) -> None:
    write_chunks(index.chunks, tmp_path / "index")
    trained(DIM + 2).save_pretrained(tmp_path / "wide" / "model")
    with pytest.raises(InputError, match=f"reads vectors of {DIM + 2} dimensions"):
        open_service(tmp_path / "wide", tmp_path / "index")
    trained(DIM).save_pretrained(tmp_path / "other" / "model")
    record = {"data": {"train": {"encoder": "gtr"}}}
    (tmp_path / "other" / "training.json").write_text(json.dumps(record))
    with pytest.raises(
        InputError,
        match=r"vectors of encoder 'gtr', but the index .* has those of encoder 'trigrams'",
    ):
        open_service(tmp_path / "other", tmp_path / "index")
    silent = ChunkIndex.of(
        Chunks(index.chunks.vectors, index.chunks.article, index.chunks.position,
               index.chunks.article_ids, "trigrams")
    )  # fmt: skip
    with pytest.raises(InputError, match="holds no texts"):
        NearestText(silent)


def test_vec2text_says_plainly_why_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="inverts vectors of sentence-transformers/gtr-t5-base"):
        Vec2Text(hashed, "all-MiniLM-L6-v2")
    monkeypatch.setitem(sys.modules, "vec2text", None)
    with pytest.raises(InputError, match="not installed"):
        Vec2Text(hashed, "sentence-transformers/gtr-t5-base")


def test_a_port_that_is_taken_is_said_and_not_that_it_listens(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127.0.0.1:{port}: cannot be listened on .*--port"):
            serve(service, "127.0.0.1", port, ready=lambda: pytest.fail("listens"))


def ask_raw(port: int, data: bytes, seconds: float = 10) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as wire:
        wire.sendall(data)
        found = b""
        while part := wire.recv(4096):
            found += part
        return found


@contextmanager
def bounded(service: Service, limits: Limits) -> Iterator[int]:
    """Serve as `serve` does, from a thread."""
    config = server_config(create_app(service, limits), limits, port=0, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


SLOW = (b"", b"GET /live HTTP/1.1\r\nHost: x\r\nX-", b"POST /chat HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{")  # fmt: skip


def test_slow_clients_make_room_and_are_closed(service: Service) -> None:
    limits = Limits(connections=6, request_seconds=1.0)
    with bounded(service, limits) as port:
        slow = []
        for i in range(20):
            wire = socket.create_connection(("127.0.0.1", port), timeout=10)
            wire.sendall(SLOW[i % 3])
            slow.append(wire)
        assert call(port, "GET", "/live") == (200, {"status": "ok"})
        ends = []
        for wire in slow:
            try:
                ends.append(wire.recv(4096))
            except ConnectionError:
                ends.append(b"")
            wire.close()
        assert all(end == b"" or b" 408 " in end for end in ends)
        assert sum(b" 408 " in end for end in ends) >= 3
        assert call(port, "POST", "/chat", {"paragraph": TEXTS[0]})[0] == 200


def test_rubbish_is_answered_in_the_one_form(service: Service) -> None:
    with bounded(service, Limits(header_bytes=2000)) as port:
        for data in (b"rubbish\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000):
            head, _, body = ask_raw(port, data).partition(b"\r\n\r\n")
            assert b" 400 " in head.split(b"\r\n")[0]
            assert json.loads(body)["error"]["code"] == 400


def test_what_is_not_ready_is_alive(service: Service) -> None:
    loading: Future[Service] = Future()
    with served(loading) as port:  # type: ignore[arg-type]
        assert call(port, "GET", "/live")[0] == 200
        assert call(port, "GET", "/ready")[0] == call(port, "GET", "/health")[0] == 503
        loading.set_result(service)
        assert call(port, "GET", "/ready")[0] == call(port, "GET", "/health")[0] == 200


def test_half_a_pair_compressed_bodies_and_other_kinds_are_refused(port: int) -> None:
    for body in (b'{"paragraph": "a \\ud800"}', b'{"paragraph": "\\udc00 b", "seed": 3}'):
        status, said = call(port, "POST", "/chat", body)
        assert (status, said["error"]["code"]) == (422, 422)
    assert call(port, "POST", "/chat", b"x", **{"Content-Encoding": "gzip"})[0] == 415
    assert call(port, "POST", "/chat", b"a=b", **{"Content-Type": "text/plain"})[0] == 415


def test_scripts_of_named_pages_may_ask(service: Service) -> None:
    with served(service, Limits(origins=("https://a.example",))) as port:
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for origin, wanted in (("https://a.example", "https://a.example"), ("https://b.c", None)):
            wire.request("GET", "/live", headers={"Origin": origin})
            got = wire.getresponse()
            got.read()
            assert got.headers.get("access-control-allow-origin") == wanted
        wire.request("HEAD", "/health")
        assert wire.getresponse().status == 200


def test_what_the_encoder_cut_is_said(service: Service, index: ChunkIndex) -> None:
    short = replace(service, longer=lambda texts: [i for i, t in enumerate(texts) if len(t) > 60])
    said = short.predict([*TEXTS[:4], "long " * 20], None)
    assert said.truncated == [4]
    assert short.chat("long " * 20 + ". " + TEXTS[0]).truncated == [0]
    assert service.predict(list(TEXTS[:5]), None).truncated == []


def test_a_ranker_serves_its_ranks(index: ChunkIndex) -> None:
    def scores(contexts: np.ndarray, pool: np.ndarray) -> np.ndarray:
        return -(contexts[:, -1] @ pool.T)  # the least like the last

    ranker = Predictor("ranker", scores=scores)
    service = Service(ranker, 5, hashed, index, NearestText(index))
    found = service.predict(list(TEXTS[10:15]), None, nearest=50)
    assert found.vector is None and service.health()["kind"] == "ranker"
    context = hashed(TEXTS[10:15])
    mean = unit(context.mean(axis=0))
    distinct = index.distinct
    near = distinct[np.argsort(-(index.chunks.vectors[distinct] @ mean), kind="stable")]
    near = [r for r in near if (index.chunks.vectors[r] @ context.T).max() < 0.9999][:50]
    right = sorted(near, key=lambda r: float(context[-1] @ index.chunks.vectors[r]))
    assert [n.text for n in found.nearest][:5] == [TEXTS[r] for r in right][:5]
    chances = np.exp([n.score for n in found.nearest])
    assert chances.sum() == pytest.approx(1, abs=1e-4) and (np.diff(chances) <= 1e-9).all()


def test_a_chat_never_says_what_the_caller_wrote(service: Service) -> None:
    """Copies of it, in other case and cut, stand all over the index."""
    mine = "It rained all day. It poured all night."
    texts = [
        mine.upper(),
        "it rained all day!",
        *["It poured all night."] * 40,
        "Then came the sun.",
    ]
    rows = np.arange(len(texts), dtype=np.int32)
    made = Chunks(hashed(texts), np.zeros_like(rows), rows, ("a",), "trigrams", tuple(texts))
    for kept, said in ((texts, "Then came the sun."), (texts[:-1], None)):
        part = ChunkIndex.of(replace(made, vectors=made.vectors[: len(kept)],
                                     article=made.article[: len(kept)],
                                     position=rows[: len(kept)], texts=tuple(kept)))  # fmt: skip
        for model in (service.model, Predictor("r", scores=lambda c, p: c[:, -1] @ p.T)):
            chat = Service(model, 5, hashed, part, NearestText(part)).chat
            if said is None:
                with pytest.raises(InputError, match="nothing but the"):
                    chat(mine)
            else:
                assert chat(mine).response == said


def test_a_text_is_cut_as_what_the_model_learned() -> None:
    words, paragraphs = ("kjv", Cut("words", 55)), ("wiki", Cut("paragraph", min_words=15))
    known = Learned("e", "f", (words, paragraphs), "", ())
    assert cut_of(known, (paragraphs,)).by == "paragraph"
    assert cut_of(known, (words,)) == replace(words[1], min_words=1)
    with pytest.warns(Notice, match="cut by sentence and the model learned chunks by words"):
        assert cut_of(known, (("x", Cut("sentence")),)).by == "words"
    assert cut_of(None, ()).by == "sentence"
