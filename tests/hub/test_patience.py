"""How long one waits for the Hub, and what is said in the end."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hub_double import Fault, HubDouble
from samples import DATA, FAST, plan
from test_growth import part, series, source

from eisv_lumen.core.errors import InputError
from eisv_lumen.hub.publishing import retry
from eisv_lumen.hub.publishing.client import Hub
from eisv_lumen.hub.publishing.publish import to_hub
from eisv_lumen.hub.publishing.retry import Backoff
from eisv_lumen.hub.syncing.sync import sync

ID = "ada/windows"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits that were asked for, in place of waiting."""
    waits: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    return waits


def test_the_hubs_own_window_is_waited_for_and_said(
    here: HubDouble, slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    to_hub(plan(), "ada", backoff=FAST)
    here.fail(Fault("429", path="blobs=", ratelimit=271, times=2))
    with caplog.at_level(logging.WARNING):
        assert Hub(FAST).snapshot(DATA, ID) is not None
    assert [wait for wait in slept if wait > 1] == [272.0, 272.0]
    assert "asks for 272 s of patience" in caplog.text


@pytest.mark.parametrize(
    ("headers", "waits"),
    [({"ratelimit": 0}, [1.0] * 3), ({"retry_after": 30}, [30.0] * 3), ({"ratelimit": 900}, [])],
)
def test_a_commit_waits_as_the_hub_asks_but_not_for_ever(
    here: HubDouble, slept: list[float], headers: dict[str, Any], waits: list[float]
) -> None:
    here.fail(Fault("429", "POST", "/commit/", times=10_000, **headers))
    with pytest.raises(InputError, match=r"asks for patience.*resumes where it stopped"):
        to_hub(plan(), "ada", backoff=FAST)
    assert [wait for wait in slept if wait >= 1] == waits


def test_our_own_waits_are_kept_to_where_the_hub_names_none(
    here: HubDouble, slept: list[float]
) -> None:
    here.fail(Fault("503", "POST", "/commit/", times=10_000))
    with pytest.raises(InputError, match="answers 503 again and again"):
        to_hub(plan(), "ada", backoff=Backoff(tries=4, base=16, cap=40))
    assert [wait for wait in slept if wait >= 16] == [16, 32, 40]


def test_a_refusal_for_ever_ends_in_our_own_words(here: HubDouble, slept: list[float]) -> None:
    here.fail(Fault("412", "POST", "/commit/", times=10_000))
    with pytest.raises(InputError, match=r"refuses each commit \(412\).*Stop whatever else writes"):
        to_hub(plan(), "ada", backoff=FAST)


def test_gated_is_called_gated(here: HubDouble) -> None:
    to_hub(plan(), "ada", backoff=FAST)
    here.repo("dataset", ID).gated = True
    with pytest.raises(InputError, match=r"it is gated: .*Accept them on its page"):
        sync(ID, source(series(40)), backoff=FAST)


def test_what_is_not_there_is_a_typo_or_private_and_not_a_bad_token(
    here: HubDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match=r"no such dataset, or it is private.*spelling"):
        sync("ada/windwos", source(series(40)), backoff=FAST, dry_run=True)


def test_a_rehearsal_over_a_public_dataset_needs_nobody_logged_in(
    here: HubDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_growth import build

    from eisv_lumen.hub.syncing.growth import parquet_bytes

    log = series(60)
    made = here.store.create("dataset", "eve/windows")
    made.write({"data/train-0.parquet": parquet_bytes(build([part(log, 0, 30)], 10, 5))})
    monkeypatch.delenv("HF_TOKEN")
    read: list[Any] = []

    def reader(since: Any) -> Any:
        read.append(dict(since))
        return source(log)

    assert sync("eve/windows", reader, backoff=FAST, dry_run=True).windows == {"default": 6}
    assert {one.token for one in here.log} == {None}
    with pytest.raises(InputError, match="nobody is logged in"):
        sync("eve/windows", reader, backoff=FAST)
    assert read == [{"a": log.t[20]}]  # the log is read once the Hub was, from there on


def test_nothing_is_fetched_twice(here: HubDouble) -> None:
    from test_growth import build

    from eisv_lumen.hub.syncing.growth import parquet_bytes

    log = series(60)
    made = here.store.create("dataset", ID)
    made.write({"data/train-0.parquet": parquet_bytes(build([part(log, 0, 30)], 10, 5)),
                "README.md": "# Nothing"})  # fmt: skip
    for n in (1, 0):
        here.log.clear()
        sync(ID, source(log), backoff=FAST, dry_run=True)
        fetched = [one for one in here.log if "resolve" in one.path]
        assert len([one for one in fetched if "parquet" in one.path]) == n
        assert len(fetched) == 3 * n


def test_every_request_says_who_we_are(here: HubDouble) -> None:
    log = series(60)
    from test_growth import build

    from eisv_lumen.hub.syncing.growth import parquet_bytes

    made = here.store.create("dataset", ID)
    made.write({"data/train-0.parquet": parquet_bytes(build([part(log, 0, 30)], 10, 5)),
                "README.md": "# Nothing"})  # fmt: skip
    sync(ID, source(log), backoff=FAST)
    ours = [one for one in here.log if not one.path.startswith("/large/")]
    assert ours and all("eisv-lumen/" in one.agent for one in ours), [
        (str(one), one.agent) for one in ours
    ]
