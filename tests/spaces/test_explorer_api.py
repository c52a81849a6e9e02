"""The explorer's endpoints over real HTTP, and what it says to uploads that it cannot use."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen import SHAPES, ExpressionLaw
from eisv_lumen.evaluation.report import read_report
from eisv_lumen.trajectory.rules.explain import explain
from eisv_lumen.trajectory.sources import read_source
from eisv_lumen.trajectory.windows import classify

ENDPOINTS = {
    "/express", "/explain", "/explain_file", "/thermometer", "/law", "/speak", "/reports",
    "/report",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(url):
    from gradio_client import Client

    client = Client(url, verbose=False)
    yield client
    client.close()


def refused(client, *args, **names):
    """The one sentence that a call is refused with."""
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as caught:
        client.predict(*args, **names)
    message = str(caught.value)
    assert "\n" not in message and "Traceback" not in message and "/tmp" not in message
    return message


def test_the_endpoints_are_these_and_no_others(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == ENDPOINTS


@pytest.mark.parametrize("shape", SHAPES)
def test_each_example_shows_its_shape_and_is_explained_as_the_package_does(client, space, shape):
    series = read_source(space / "examples" / f"{shape}.csv").series[0]
    codes = classify(series.t, series.X, stride=1, ethical_drift=series.ethical_drift)
    start = int(np.flatnonzero(codes == SHAPES.index(shape))[0])
    at = slice(start, start + 20)
    columns = [series.t[:, None], series.X]
    if series.ethical_drift is not None:
        columns.append(series.ethical_drift[:, None])
    found = client.predict(states=np.hstack(columns)[at].tolist(), api_name="/explain")
    drift = None if series.ethical_drift is None else series.ethical_drift[at]
    expected = explain(series.t[at], series.X[at], drift)
    assert found["shape"] == shape and found["fired"] == expected.fired + 1
    assert [(r["shape"], r["holds"]) for r in found["rules"]] == [
        (r.shape, r.holds) for r in expected.rules
    ]
    margins = [c["margin"] for r in found["rules"] for c in r["conditions"]]
    assert margins == [c.margin for r in expected.rules for c in r.conditions]


@pytest.mark.parametrize("form", ["csv", "parquet", "db"])
def test_a_file_is_read_and_its_window_explained(client, tmp_path, form):
    from gradio_client import handle_file

    from eisv_lumen.trajectory.simulate.lumen_like import lumen_like, write_anima_db
    from eisv_lumen.trajectory.sources.parquet import write_states

    series = lumen_like(300, 11)
    path = tmp_path / f"mine.{form}"
    if form == "db":
        write_anima_db(path, 300, seed=11, n_expressions=9, n_null=0)
    elif form == "parquet":
        write_states(path, [series])
    else:
        rows = np.column_stack([series.t, series.X])
        np.savetxt(path, rows, "%.17g", ",", header="t,E,I,S,V", comments="")
    codes = classify(series.t, series.X, stride=1, window=15)
    for start in (0, 140, 285):
        found = client.predict(handle_file(str(path)), start, 15, api_name="/explain_file")
        assert found["states"] == 300 and found["start"] == start
        assert found["shape"] == SHAPES[codes[start]]


BAD = {
    "text.csv": (b"once upon a time\nthere was no column\n", "no column"),
    "empty.csv": (b"", "empty.csv"),
    "head.csv": (b"t,E,I,S,V\n", "head.csv"),
    "words.csv": (
        b"t,E,I,S,V\n0,a,b,c,d\n1,a,b,c,d\n",
        "words.csv, line 2, column E: 'a' is no number",
    ),
    "one.csv": (b"t,E,I,S,V\n0,.1,.1,.1,.1\n", "at least 2"),
    "nan.csv": (b"t,E,I,S,V\n0,.1,.1,.1,.1\n1,nan,.1,.1,.1\n", "nan.csv"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "picture.csv"),
    "cut.parquet": (b"PAR1\x00\x01\x02", "cut.parquet"),
    "noise.db": (b"SQLite format 3\x00" + bytes(200), "noise.db"),
    "notes.txt": (b"hello", "Invalid file type"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_upload_that_cannot_be_used_is_answered_with_one_sentence(client, tmp_path, name):
    from gradio_client import handle_file

    path = tmp_path / name
    path.write_bytes(BAD[name][0])
    assert BAD[name][1] in refused(client, handle_file(str(path)), 0, 20, api_name="/explain_file")


def test_a_database_that_is_not_lumens_is_answered_with_one_sentence(client, tmp_path):
    from gradio_client import handle_file

    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE cats (name TEXT)")
    said = refused(client, handle_file(str(path)), 0, 20, api_name="/explain_file")
    assert "state_history" in said


@pytest.mark.parametrize(
    ("names", "about"),
    [
        ({"states": [[0, 1]], "api_name": "/explain"}, "t, E, I, S, V"),
        ({"states": [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], "api_name": "/explain"}, "time decreases"),
        ({"states": [], "api_name": "/explain"}, "t, E, I, S, V"),
        ({"states": [[0, 0, 0, 0, 0], [1, 0]], "api_name": "/explain"}, "t, E, I, S, V"),
        ({"states": [[0, 0, 0, 0, "a"]] * 2, "api_name": "/explain"}, "t, E, I, S, V"),
        ({"states": [[0, 9, 0, 0, 0]] * 2, "api_name": "/explain"}, "row 0"),
        ({"states": [[0, 0, 0, 0, 0]] * 2, "top_p": 0, "api_name": "/express"}, "top_p"),
        ({"states": [[0, 0, 0, 0, 0]] * 2, "n": 101, "api_name": "/express"}, "0 to 100"),
        ({"shape": "joy", "api_name": "/law"}, "unknown shape"),
        ({"shape": "convergence", "temperature": -1, "api_name": "/law"}, "temperature"),
        ({"temperature": 0.31, "nucleus": False, "api_name": "/thermometer"}, "multiple of 0.05"),
        ({"name": "no/such", "api_name": "/report"}, "no report"),
    ],
)
def test_arguments_that_cannot_be_used_are_answered_with_one_sentence(client, names, about):
    assert about in refused(client, **names)


RISE = [[i, 0.4, 0.8, 0.1 + 0.005 * i, 0.02 + 0.012 * i] for i in range(12)]


def test_a_trajectory_is_put_into_words_by_every_speaker(client):
    found = client.predict(states=RISE, temperature=0.3, top_p=0.95, n=4, api_name="/express")
    states = np.array(RISE)
    shape = explain(states[:, 0], states[:, 1:]).shape
    assert found["shape"] == shape and 1 <= found["rule"] <= 9
    assert found["temperature"] == 0.3 and found["top_p"] == 0.95 and found["reason"]
    voice, *models = found["speakers"]
    law = ExpressionLaw.initial(shape).tempered(0.3, top_p=0.95)
    assert voice["coherence"] == pytest.approx(law.coherence())
    assert list(voice["words"].values()) == pytest.approx(law.token_pmf().tolist())
    assert [e["probability"] for e in voice["likeliest"]] == pytest.approx(
        np.sort(law.pmf)[::-1][:4].tolist()
    )
    assert models and all(0 <= m["coherence"] <= 1 for m in models)
    for one in found["speakers"]:
        assert len(one["likeliest"]) == len(one["drawn"]) == 4
        assert sum(one["words"].values()) == pytest.approx(1)


def test_other_windows_draw_other_words_and_the_same_window_the_same(client):
    def drawn(shift):
        states = [[t, E, I - shift, S, V] for t, E, I, S, V in RISE]
        said = client.predict(states=states, n=20, api_name="/express")
        return [e["tokens"] for e in said["speakers"][0]["drawn"]]

    assert drawn(0.0) == drawn(0.0)
    assert drawn(0.0) != drawn(0.1)


def test_parameters_and_results_are_described_and_typed(client):
    info = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/express"]
    types = {p["parameter_name"]: p["type"]["type"] for p in info["parameters"]}
    assert types == {
        "states": "array", "temperature": "number", "top_k": "integer", "top_p": "number",
        "n": "integer",
    }  # fmt: skip
    (result,) = info["returns"]
    assert {"shape", "rule", "reason", "speakers"} <= set(result["type"]["properties"])


def test_the_tools_of_the_mcp_server(url):
    """What an MCP client sees and gets; the Hub's builder installs the extra that serves it."""
    pytest.importorskip("mcp", reason="no MCP test: `pip install mcp`")
    import asyncio
    import json

    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def ask():
        async with (
            streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            name = next(n for n in tools if n.endswith("express"))
            said = await session.call_tool(name, {"states": RISE, "temperature": 0.3, "n": 1})
            return tools, tools[name], said

    tools, tool, said = asyncio.run(ask())
    assert len(tools) >= len(ENDPOINTS)
    described = tool.inputSchema["properties"]
    assert all(described[p].get("description") for p in ("states", "temperature", "top_p", "n"))
    assert not said.isError
    assert json.loads(said.content[0].text)["shape"] in SHAPES


def test_usual_column_names_are_understood(client, tmp_path):
    from gradio_client import handle_file

    path = tmp_path / "usual.csv"
    rows = "".join(f"{t};{E};{I};{S};{V}\n".replace(".", ",") for t, E, I, S, V in RISE)
    path.write_text("Time;Energy;Information Integrity;Entropy;Void\n" + rows)
    found = client.predict(handle_file(str(path)), 0, 12, api_name="/explain_file")
    expected = client.predict(states=RISE, api_name="/explain")
    assert found["shape"] == expected["shape"] and found["rules"] == expected["rules"]
    for said in ("Energy read as E", "Void read as V", "decimal commas read as points"):
        assert said in found["note"]


def test_the_thermometer_reads_the_results_file(client, space):
    law = read_report(space / "results" / "law" / "imitator.json")
    for temperature, nucleus in ((0.3, False), (0.3, True), (0.0, False), (1.2, True)):
        found = client.predict(temperature=temperature, nucleus=nucleus, api_name="/thermometer")
        cut = {"top_k": 20, "top_p": 0.95} if nucleus else {}
        expected = law.at(temperature, **cut).metrics["macro_coherence"].value
        assert found["metrics"]["macro_coherence"]["value"] == expected


def test_the_law_is_the_exact_one(client):
    found = client.predict(
        shape="void_rising", temperature=0.3, top_k=20, top_p=0.95, top=5, api_name="/law"
    )
    law = ExpressionLaw.initial("void_rising").tempered(0.3, top_k=20, top_p=0.95)
    assert found["coherence"] == pytest.approx(law.coherence())
    assert [e["probability"] for e in found["expressions"]] == pytest.approx(
        np.sort(law.pmf)[::-1][:5].tolist()
    )


def test_the_voice_speaks_as_its_law_and_seed_say(client):
    said = client.predict(shape="convergence", n=4, temperature=0.5, seed=9, api_name="/speak")
    law = ExpressionLaw.initial("convergence").tempered(0.5)
    assert [tuple(e["tokens"]) for e in said] == law.sample(4, 9)


def test_every_report_that_travels_is_handed_out_as_it_stands_in_its_file(client, space):
    names = client.predict(api_name="/reports")
    assert {"law/imitator", "published/v6-real"} <= set(names)
    for name in names[::5]:
        found = client.predict(name=name, api_name="/report")
        report = read_report(space / "results" / f"{name}.json")
        assert found == report.model_dump(by_alias=True)


def test_the_card_names_the_endpoints_that_there_are(space):
    text = (space / "README.md").read_text()
    assert set(re.findall(r'["`](/[a-z_]+)["`]', text)) == ENDPOINTS


def test_it_starts_without_models_and_says_so(space: Path, tmp_path: Path):
    import shutil

    from gradio_client import Client

    from .running import running

    bare = tmp_path / "bare"
    shutil.copytree(space, bare)
    shutil.rmtree(bare / "models")
    (bare / "models" / "broken").mkdir(parents=True)
    (bare / "models" / "broken" / "config.json").write_text("{}")
    with running(bare) as (address, _, log):
        client = Client(address, verbose=False)
        assert "law/imitator" in client.predict(api_name="/reports")
        page = str(client.config)
        client.close()
    assert "A model is not shown" in page and "broken" in page
    assert "Traceback" not in log.read_text()
