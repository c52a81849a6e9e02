"""Lumen's log, read: what is in it, and what is wrong with it."""

import math
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.eisv import anima_to_eisv
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db
from eisv_lumen.trajectory.simulate.lumen_like import lumen_like
from eisv_lumen.trajectory.sources import ReadOptions
from eisv_lumen.trajectory.sources.anima import read_anima
from eisv_lumen.trajectory.sources.common import Expressions, parse_times

STATES = "id INTEGER PRIMARY KEY, timestamp, warmth, clarity, stability, presence, sensors TEXT"
SPOKEN = "id INTEGER PRIMARY KEY, timestamp, tokens, category_pattern TEXT, score REAL"


def log(path: Path, states=(), spoken=(), states_table=STATES, spoken_table=SPOKEN) -> Path:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        if states_table:
            db.execute(f"CREATE TABLE state_history ({states_table})")
        if spoken_table:
            db.execute(f"CREATE TABLE primitive_history ({spoken_table})")
        for row in states:
            db.execute("INSERT INTO state_history VALUES (?, ?, ?, ?, ?, ?, NULL)", row)
        for row in spoken:
            db.execute("INSERT INTO primitive_history VALUES (?, ?, ?, NULL, NULL)", row)
        db.commit()
    return path


def rows(n, **changes):
    """Rows of states a second apart; `changes` replaces the first real of the row with that id."""
    out = [[i, f"2025-01-01T00:00:{i:02d}", 0.4, 0.8, 0.9, 0.7] for i in range(1, n + 1)]
    for key, value in changes.items():
        out[int(key[1:]) - 1][2] = value
    return out


def test_a_whole_log_is_read_to_the_last_bit(tmp_path):
    nulls = write_anima_db(tmp_path / "anima.db", 3000, seed=5, n_expressions=40, n_null=7)
    want = lumen_like(3000, 5)
    source = read_anima(tmp_path / "anima.db")
    (series,) = source.series
    np.testing.assert_array_equal(series.t, want.t)
    np.testing.assert_array_equal(series.X, want.X)
    assert series.ethical_drift is None
    assert (series.source, series.agent) == ("anima", "lumen")
    assert (source.report.rows, source.report.null_rows, nulls) == (3007, 7, 7)
    assert (source.report.moved, source.report.clamped) == (0, 0)
    assert len(source.expressions.tokens) == 40
    said = ["3,007 rows read, 1 agent", "7 rows with a NULL skipped"]
    assert list(source.report.lines())[:2] == said


def test_rows_with_a_null_anywhere_are_skipped_and_counted(tmp_path):
    states = rows(6)
    for column, row in enumerate(states[:5], 1):
        row[column] = None
    source = read_anima(log(tmp_path / "a.db", states))
    assert source.report.null_rows == 5
    assert source.series[0].t.tolist() == [datetime(2025, 1, 1, 0, 0, 6, tzinfo=UTC).timestamp()]


def test_rows_out_of_order_are_sorted_stably_and_counted(tmp_path):
    states = rows(5)
    states[1][1], states[3][1] = states[3][1], states[1][1]  # 1 4 3 2 5
    states[2][1] = states[3][1]  # the third and fourth row now share a time
    for i, row in enumerate(states):
        row[2] = i / 10
    source = read_anima(log(tmp_path / "a.db", states))
    assert source.series[0].X[:, 0].tolist() == [0.0, 0.2, 0.3, 0.1, 0.4]
    assert source.report.moved == 3


def test_values_outside_their_range_are_clamped_and_counted(tmp_path):
    source = read_anima(log(tmp_path / "a.db", rows(3, r2=1.5, r3=-0.25)))
    assert source.series[0].X[:, 0].tolist() == [0.4, 1.0, 0.0]
    assert source.report.clamped == 2


def test_whole_numbers_are_numbers(tmp_path):
    source = read_anima(log(tmp_path / "a.db", rows(2, r1=1)))
    np.testing.assert_array_equal(source.series[0].X[0], anima_to_eisv([1.0, 0.8, 0.9, 0.7]))


def test_the_log_is_not_touched(tmp_path):
    path = log(tmp_path / "a.db", rows(3))
    before = path.read_bytes()
    read_anima(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]


def test_a_log_that_lumen_is_writing_to_can_be_read(tmp_path):
    path = log(tmp_path / "a.db", rows(3))
    with closing(sqlite3.connect(path)) as lumen:
        lumen.execute("PRAGMA journal_mode = WAL")
        lumen.execute("INSERT INTO state_history SELECT 4, '2025-01-01T00:01', .1, .1, .1, .1, ''")
        lumen.commit()
        assert len(read_anima(path).series[0]) == 4


def test_a_name_with_marks_of_an_address_is_a_name(tmp_path):
    path = log(tmp_path / "a #1?mode=rwc %41.db", rows(3))
    assert len(read_anima(path).series[0]) == 3


@pytest.mark.parametrize(
    ("states", "spoken", "message"),
    [
        (rows(3, r2="warm"), [], "state_history, id 2: warmth is 'warm', not a number"),
        (rows(3, r3="0.5"), [], "state_history, id 3: warmth is '0.5', not a number"),
        (rows(3, r1=b"\0"), [], r"state_history, id 1: warmth is b'\\x00', not a number"),
        (rows(3, r2=math.inf), [], "state_history, id 2: warmth is inf, not finite"),
        (rows(3, r2=-math.inf), [], "state_history, id 2: warmth is -inf, not finite"),
        ([[9, "soon", 0, 0, 0, 0]], [], "state_history, id 9: 'soon' is not a time"),
        ([[9, "2025-02-30T00:00:00", 0, 0, 0, 0]], [], "id 9: '2025-02-30T00:00:00' is not a"),
        ([[9, 1735689600000.0, 0, 0, 0, 0]], [], "id 9: t=1.7.* divide milliseconds by 1000"),
        (rows(2), [(4, "then", "warm")], "primitive_history, id 4: 'then' is not a time"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_row(tmp_path, states, spoken, message):
    path = log(tmp_path / "a.db", states, spoken)
    with pytest.raises(InputError, match=f"a.db, {message}" if ", id" in message else message):
        read_anima(path)


@pytest.mark.parametrize("words", ["warm,hot", "~warmth~", "", 7])
def test_an_utterance_in_other_words_is_left_out_and_counted(tmp_path, words):
    spoken = [(3, "2025-01-01", "warm"), (4, "2025-01-01", words)]
    source = read_anima(log(tmp_path / "a.db", rows(2), spoken))
    assert len(source.series[0]) == 2 and source.expressions.tokens == [("warm",)]
    assert any("1 utterance left out, the first of id 4" in n for n in source.report.notes)


def test_times_in_seconds_since_the_epoch_are_read(tmp_path):
    path = log(tmp_path / "a.db", rows(3))
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE state_history RENAME TO old")
        db.execute("CREATE TABLE state_history AS SELECT * FROM old")
        db.execute("UPDATE state_history SET timestamp = 1735689600.0 + id")
        db.commit()
    assert read_anima(path).series[0].t[0] == 1735689601.0


def test_states_alone_are_a_log(tmp_path):
    path = log(tmp_path / "a.db", rows(3))
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE primitive_history")
        db.commit()
    source = read_anima(path)
    assert len(source.series[0]) == 3 and not source.expressions.tokens
    assert "no table primitive_history: states alone" in source.report.notes


def test_creatures_in_one_log_are_told_apart(tmp_path):
    path = log(tmp_path / "a.db", rows(4))
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE state_history ADD COLUMN creature TEXT")
        db.execute("UPDATE state_history SET creature = CASE id % 2 WHEN 0 THEN 'a' ELSE 'b' END")
        db.commit()
    assert [(s.agent, len(s)) for s in read_anima(path).series] == [("b", 2), ("a", 2)]
    assert [s.agent for s in read_anima(path, ReadOptions(agent="x")).series] == ["x"]


def test_a_log_copied_without_its_latest_rows_says_so(tmp_path):
    path = log(tmp_path / "a.db", rows(3))
    with closing(sqlite3.connect(path)) as lumen:
        lumen.execute("PRAGMA journal_mode = WAL")
        lumen.execute("UPDATE state_history SET warmth = .5 WHERE id = 1")
        lumen.commit()
        copy = tmp_path / "copy.db"
        copy.write_bytes(path.read_bytes())
    assert any("copy both files" in note for note in read_anima(copy).report.notes)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"states_table": ""}, "no table 'state_history'"),
        ({"states_table": "id, timestamp, warmth, clarity, presence, x"}, "no column 'stability'"),
        ({"spoken_table": "id, timestamp, words, a, b"}, "no column 'tokens'"),
    ],
)
def test_missing_tables_and_columns_are_named(tmp_path, tables, message):
    with pytest.raises(InputError, match=message):
        read_anima(log(tmp_path / "a.db", **tables))


@pytest.mark.parametrize("content", [b"", b"E,I,S,V\n", b"SQLite format 2\0", b"\0" * 5000])
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.db: not a SQLite database"):
        read_anima(path)
    assert path.read_bytes() == content


def test_a_missing_file_is_not_created(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_anima(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_to_the_file_is_one_message(tmp_path_factory, data):
    path = log(tmp_path_factory.mktemp("x") / "a.db", rows(40), [(1, "2025-01-01", "warm,feel")])
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(1, 30))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        source = read_anima(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert np.isfinite(source.series[0].X).all()


def as_text(time: datetime, style: int) -> str:
    text = time.isoformat(sep="T" if style % 2 else " ")
    return text.replace("+00:00", "Z") if style % 3 == 0 else text


ZONES = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=-7)), timezone(timedelta(minutes=345))]
)
TIMES = st.datetimes(datetime(1902, 1, 1), datetime(2199, 1, 1), timezones=ZONES)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TIMES, st.integers(0, 5)), max_size=8))
@example([(datetime(2025, 1, 1, 12, 0, 0, 5), 0), (datetime(2025, 1, 1, tzinfo=UTC), 3)])
def test_times_are_those_of_the_standard_library(times):
    texts = [as_text(time, style) for time, style in times]
    if len({time.tzinfo is None for time, _ in times}) == 2:
        with pytest.raises(InputError, match=r"has no offset where .* has one"):
            parse_times(texts, str)
    want = [(t if t.tzinfo else t.replace(tzinfo=UTC)).timestamp() for t, _ in times]
    np.testing.assert_array_equal(parse_times(texts, str, ZoneInfo("UTC")), want)


@pytest.mark.parametrize(
    "text",
    ["2025-01-31", "20250131T235959", "2025-01-31T23:59", "2025-01-31T23:59:59,5",
     "2025-01-31T23:59:59.123456789", "2025-W05-5T10", "2025-01-31T10:00:00+01:00:30"],
)  # fmt: skip
def test_rarer_forms_of_a_time_are_read_among_common_ones(text):
    want = datetime.fromisoformat(text)
    want = want if want.tzinfo else want.replace(tzinfo=UTC)
    got = parse_times(["2025-01-01T00:00:00", text, "2025-01-01T00:00:00Z"], str, ZoneInfo("UTC"))
    assert got[1] == pytest.approx(want.timestamp(), abs=1e-6)


def test_a_clock_that_goes_back_by_an_hour_is_read_in_its_zone():
    start = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    true = [start + timedelta(minutes=k) for k in range(90)]
    berlin = ZoneInfo("Europe/Berlin")
    shown = [time.astimezone(berlin).replace(tzinfo=None).isoformat() for time in true]
    got = parse_times(shown, str, berlin)
    np.testing.assert_array_equal(got, [time.timestamp() for time in true])
    with pytest.raises(InputError, match="never shows that time"):
        parse_times(["2025-03-30T02:30:00"], str, berlin)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_other_text_is_refused_by_its_row(text):
    try:
        datetime.fromisoformat(text)
    except ValueError:
        with pytest.raises(InputError, match="row 1: "):
            parse_times(["2025-01-01T00:00:00", text], lambda i: f"row {i}")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=20),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=10),
)
def test_a_window_has_what_was_uttered_within_it(uttered, windows):
    t = np.sort(np.array(uttered, float))
    start = np.array([w[0] for w in windows], float)
    end = start + np.array([w[1] for w in windows], float)
    first, stop = Expressions(t, [("here",)] * len(t)).within(start, end)
    for a, b, i, j in zip(start, end, first, stop, strict=True):
        assert t[i:j].tolist() == [x for x in t if a <= x <= b]
