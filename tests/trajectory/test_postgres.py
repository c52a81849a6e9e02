"""Governance rows from a real PostgreSQL, started for the tests and thrown away after."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.secrets import Address
from eisv_lumen.trajectory.load import load_table
from eisv_lumen.trajectory.sources.postgres import is_postgres, read_postgres

TABLE = """
CREATE SCHEMA core;
CREATE TABLE core.agent_state (
    recorded_at timestamptz, identity_id bigint, regime text, coherence real, state_json jsonb
)
"""


def server_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def server(request):
    """The address of a database server of our own."""
    pytest.importorskip("psycopg", reason="psycopg is missing: pip install 'eisv-lumen[postgres]'")
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    as_user: dict[str, object] = {}
    # Not in pytest's folder, which it closes to other users again and again.
    folder = Path(tempfile.mkdtemp(prefix="eisv-lumen-postgres-"))
    request.addfinalizer(lambda: shutil.rmtree(folder, ignore_errors=True))
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("running as root without a user 'postgres': apt-get install postgresql")
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(folder, user.pw_uid, user.pw_gid)
    port = free_port()

    def run(*command: str) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, check=False, **as_user
        )
        assert done.returncode == 0, done.stderr + done.stdout

    data, log = folder / "data", folder / "log"
    run(f"{programs}/initdb", "-D", f"{data}", "-U", "lumen", "-A", "trust", "-N", "-E", "UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -F"
    run(f"{programs}/pg_ctl", "-D", f"{data}", "-l", f"{log}", "-w", "-o", options, "start")
    try:
        yield f"postgresql://lumen@127.0.0.1:{port}"
    finally:
        run(f"{programs}/pg_ctl", "-D", f"{data}", "-m", "immediate", "-w", "stop")


@pytest.fixture
def database(server, request):
    """An empty database of that server, and a connection to it."""
    import psycopg

    name = f"test_{abs(hash(request.node.name)):x}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url = f"{server}/{name}"
    with psycopg.connect(url, autocommit=True) as connection:
        yield url, connection
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def insert(connection, rows):
    connection.execute(TABLE)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO core.agent_state VALUES (%s, %s, 'x', 0.5, %s)",
            [
                (time, who, None if state is None else json.dumps(state))
                for time, who, state in rows
            ],
        )


def state(E=0.5, I=0.6, S=0.1, V=0.02, **more):
    return {"E": E, "I": I, "S": S, "V": V, "phi": "left alone", **more}


def at(second, micro=0):
    return f"2025-03-01T00:00:{second:02d}.{micro:06d}+00:00"


def test_identities_are_series_in_the_order_of_time(database):
    url, connection = database
    rows = [(at(k, 123456), 7, state(E=k / 10)) for k in (2, 0, 1)]
    rows += [(at(k), 9, state(ethical_drift=[0.3, 0.4])) for k in range(4)]
    rows += [(at(0), 8, state()), (at(1), 8, state())]  # too few
    insert(connection, rows)
    source = read_postgres(url)
    seven, nine = source.series
    assert (seven.agent, nine.agent, seven.source) == ("7", "9", "governance")
    assert seven.X[:, 0].tolist() == [0.0, 0.1, 0.2]
    start = np.datetime64("2025-03-01T00:00:00.123456").astype(int) / 1e6
    assert seven.t.tolist() == [start, *(start + k for k in (1.0, 2.0))]
    assert seven.ethical_drift is None
    assert nine.ethical_drift.tolist() == [0.5] * 4
    report = source.report
    assert (report.rows, report.agents, report.agents_dropped, report.null_rows) == (9, 2, 1, 0)


def test_values_beyond_the_range_are_clamped_and_nulls_skipped(database):
    url, connection = database
    rows = [(at(0), 1, state(S=2.0, V=-2)), (at(1), 1, state(V=1)), (at(2), 1, state())]
    rows += [
        (at(3), 1, None), (at(4), 1, state(V=None)), (at(5), 1, {"E": 1}), (None, 1, state()),
        (at(6), None, state()),
    ]  # fmt: skip
    insert(connection, rows)
    source = read_postgres(url)
    assert source.series[0].X[0].tolist() == [0.5, 0.6, 1.0, 0.0]
    assert (source.report.clamped, source.report.null_rows) == (2, 5)


def test_more_rows_than_a_trip_brings(database):
    url, connection = database
    connection.execute(TABLE)
    connection.execute(
        """INSERT INTO core.agent_state
        SELECT timestamptz '2025-01-01' + g * interval '2.3 s', g % 3, 'x', 0.5,
               jsonb_build_object('E', (g % 100) / 100.0, 'I', 0.5, 'S', 0.1, 'V', 0.05)
        FROM generate_series(0, 25000) g"""
    )
    source = read_postgres(url)
    assert [len(s) for s in source.series] == [8334, 8334, 8333]
    assert all((np.diff(s.t) > 0).all() for s in source.series)
    assert load_table(url).num_rows == sum((len(s) - 20) // 10 + 1 for s in source.series)


def test_the_database_is_not_written_to(database):
    url, connection = database
    insert(connection, [(at(k), 1, state()) for k in range(3)])
    before = connection.execute("SELECT count(*), max(xmin::text) FROM core.agent_state").fetchone()
    read_postgres(url)
    after = connection.execute("SELECT count(*), max(xmin::text) FROM core.agent_state").fetchone()
    assert before == after


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(at(0), 5, state(E="high"))], "identity 5, time .*: state_json.E is 'high'"),
        ([(at(0), 5, state(I=True))], "identity 5, .*: state_json.I is True"),
        ([(at(0), 5, state(ethical_drift="much"))], "identity 5, .*: ethical_drift is 'much'"),
        ([("infinity", 5, state())], "identity 5, .*: recorded_at is inf"),
        ([(at(0), 5, state())], "none of its 1 agent has 3 usable updates"),
        ([], "none of its 0 agents has 3 usable updates"),
    ],
)
def test_bad_rows_are_named(database, rows, message):
    url, connection = database
    insert(connection, rows)
    with pytest.raises(InputError, match=f"core.agent_state.*{message}"):
        read_postgres(url)


def test_a_missing_table_or_column_is_named(database):
    url, connection = database
    with pytest.raises(InputError, match=r"no table core\.agent_state"):
        read_postgres(url)
    connection.execute("CREATE SCHEMA core")
    with pytest.raises(InputError, match=r"no table core\.agent_state"):
        read_postgres(url)
    connection.execute("CREATE TABLE core.agent_state (recorded_at timestamptz, identity_id int)")
    with pytest.raises(InputError, match='column "state_json" does not exist'):
        read_postgres(url)


def test_no_right_to_read_is_said(database):
    url, connection = database
    insert(connection, [])
    connection.execute("DROP ROLE IF EXISTS guest")
    connection.execute("CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA core TO guest")
    with pytest.raises(InputError, match=r"grant SELECT on core\.agent_state"):
        read_postgres(url.replace("lumen@", "guest@"))


def test_an_unreachable_server_is_one_message_without_the_password():
    pytest.importorskip("psycopg")
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/db"
    with pytest.raises(InputError, match=r"PostgreSQL says: .*refused") as caught:
        read_postgres(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://db/gov?user=me&password=s3cret", "postgresql://db/gov?user=me&password=***"),
        ("postgresql://me:s3cret@db/gov?sslpassword=s3cret&sslmode=require",
         "postgresql://me@db/gov?sslpassword=***&sslmode=require"),
        ("postgresql:///gov?passw%6Frd=s3cret@x", "postgresql:///gov?passw%6Frd=***"),
        ("postgresql://me:s3cret#?x@db/gov", "postgresql://me@db/gov"),
        ("postgresql://me:12?s3cret@a:1,b:2/gov", "postgresql://me@a:1,b:2/gov"),
        ("postgresql://me:@db/gov", "postgresql://me@db/gov"),
        ("postgresql://me@db:5432/gov?application_name=a@b",
         "postgresql://me@db:5432/gov?application_name=a@b"),
        ("postgresql://db:5432/gov?application_name=a@b",
         "postgresql://db:5432/gov?application_name=a@b"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_secrets(url, shown):
    assert str(Address(url)) == shown


def test_a_password_in_the_query_is_in_no_message():
    pytest.importorskip("psycopg")
    url = f"postgresql://127.0.0.1:{free_port()}/db?user=me&password=s3cret"
    with pytest.raises(InputError, match=r"password=\*\*\*.*refused") as caught:
        read_postgres(url)
    assert "s3cret" not in str(caught.value)


def test_without_psycopg_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"pip install 'eisv-lumen\[postgres\]'"):
        read_postgres("postgresql://127.0.0.1/db")


def test_addresses_are_told_from_paths():
    assert is_postgres("postgres://h/d") and is_postgres("postgresql://h/d")
    assert not is_postgres("postgres/data") and not is_postgres(Path("a.db"))
