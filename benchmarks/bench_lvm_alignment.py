"""The alignment tests on arrays, beside the obvious loop, same answers; and /predict's time."""

from __future__ import annotations

import http.client
import json
import threading
import time

import numpy as np
import torch
import uvicorn

from eisv_lumen.lvm.alignment.articles import codes_of
from eisv_lumen.lvm.alignment.bootstrap import ArticleBootstrap
from eisv_lumen.lvm.alignment.calibrated_gates import calibrated_gates
from eisv_lumen.lvm.alignment.fit_and_read import calibrate, read
from eisv_lumen.lvm.alignment.five_cat import published_tests
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask
from eisv_lumen.lvm.alignment.records import Answers
from eisv_lumen.lvm.data.chunks import Chunks
from eisv_lumen.lvm.data.known_processes import ar1
from eisv_lumen.lvm.data.sequences import SequenceSet
from eisv_lumen.lvm.models import VectorModel
from eisv_lumen.lvm.predictors.load import wrap
from eisv_lumen.lvm.serving.app import create_app
from eisv_lumen.lvm.serving.decode import NearestText
from eisv_lumen.lvm.serving.index import ChunkIndex
from eisv_lumen.lvm.serving.service import Service
from eisv_lumen.lvm.training.recipe import load_recipe
from eisv_lumen.lvm.training.train import build_model

from .alignment_loop import read_window
from .timing import Row, best

DIM, ARTICLES, LENGTH, SHOWN = 384, 100, 105, 60
"""10,000 windows; the loop is timed on every so many of them."""
REQUESTS = 300


def small_p1() -> VectorModel:
    """P1 at its small size, untrained: its time is that of a trained one."""
    torch.manual_seed(0)
    return build_model(load_recipe("p1", size="small"), DIM, 5).eval()


def loop_asks(model: VectorModel, s: SequenceSet, answers: Answers, windows: list[int]) -> None:
    """Run the forward passes of `ask` for some windows, one context at a time."""
    assert answers.ablated is not None and answers.rollout is not None
    passes = 3 + sum(len(those) for those in answers.ablated.values()) + answers.rollout.shape[1]
    with torch.inference_mode():
        for i in windows:
            rows = s.context_rows[i]
            one = torch.from_numpy(s.vectors[rows][None])
            for _ in range(passes - 2):  # two of them are asked once for two uses
                model.predict(one)


def alignment_rows() -> list[Row]:
    s, other = ar1(0.5, dim=DIM).sample(ARTICLES, LENGTH, 0), ar1(0.5, dim=DIM).sample(20, 60, 1)
    trained = small_p1()
    model = wrap(trained, "p1")
    articles, held = articles_of(s), articles_of(other)
    fitted = calibrate(held, ask(model, held), {})
    answers = ask(model, articles)
    windows = list(range(0, len(s), len(s) // SHOWN))[:SHOWN]

    def arrays() -> None:
        found = read(articles, answers, {}, fitted)
        calibrated_gates(found, ArticleBootstrap(codes_of(articles)))
        assert answers.vectors is not None
        published_tests(articles, answers.vectors, ablated=answers.ablated, rollout=answers.rollout)

    slow = [read_window(s, i, answers, fitted) for i in windows]
    fast = read(articles, answers, {}, fitted)
    for name, values in (("bits", fast.bits), ("lost", fast.lost), ("error", fast.error)):
        assert values is not None
        np.testing.assert_allclose(values[windows], [w[name] for w in slow], atol=1e-3)
    scale = len(s) / len(windows)
    loop = scale * best(lambda: [read_window(s, i, answers, fitted) for i in windows], 2)
    array = best(arrays, 5)
    asked = best(lambda: ask(model, articles), 2)
    asked_loop = scale * best(lambda: loop_asks(trained, s, answers, windows), 2)
    copy = Predictor("copy", predict=lambda c: c[:, -1])
    copied = ask(copy, held)
    fit = best(lambda: calibrate(held, copied, {}), 2)
    ratio, whole = loop / array, (loop + asked_loop) / (array + asked)
    n = f"{len(s):,} windows"
    return [
        Row(f"published and calibrated tests, {n}", array, "s"),
        Row(
            "  alignment tests: the obvious loop (intervals left out) / arrays",
            ratio,
            "×",
            "≥ 100",
            ratio >= 100,
        ),
        Row("forward passes of P1 (small) for both", asked, "s"),
        Row("  alignment tests: loop / arrays, forward passes in", whole, "×", "≥ 8", whole >= 8),
        Row(f"fit of floors and temperatures, {len(other):,} windows", fit, "s"),
    ]


def service_rows() -> list[Row]:
    s = ar1(0.5, dim=DIM).sample(20, 100, 2)
    texts = tuple(f"chunk {i}" for i in range(len(s.vectors)))
    index = ChunkIndex.of(Chunks(s.vectors, s.article, s.position, s.article_ids, s.encoder, texts))
    service = Service(wrap(small_p1(), "p1"), 5, lambda t: s.vectors[: len(t)], index,
                      NearestText(index))  # fmt: skip
    config = uvicorn.Config(create_app(service), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    wire = http.client.HTTPConnection("127.0.0.1", port)
    taken = []
    for i in range(REQUESTS):
        body = json.dumps({"vectors": s.contexts()[i].tolist(), "nearest": 5})
        start = time.perf_counter()
        wire.request("POST", "/predict", body, {"Content-Type": "application/json"})
        assert wire.getresponse().read()
        taken.append(time.perf_counter() - start)
    wire.close()
    server.should_exit = True
    thread.join()
    p50, p95 = (1e3 * float(x) for x in np.quantile(taken[20:], [0.5, 0.95]))
    return [
        Row("/predict of P1 (small) over HTTP, p95", p95, "ms", "≤ 20", p95 <= 20),
        Row("  half of them are faster than", p50, "ms"),
    ]


def rows() -> list[Row]:
    return [*alignment_rows(), *service_rows()]
