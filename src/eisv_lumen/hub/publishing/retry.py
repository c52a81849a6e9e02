"""Patience with the Hub: what is worth trying again, how long to wait, what to say in the end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from ...core.errors import InputError

__all__ = [
    "Backoff",
    "Pause",
    "asked_wait",
    "explain",
    "is_hubs",
    "is_transient",
    "patiently",
    "status_of",
]

T = TypeVar("T")
_TRANSIENT = frozenset((408, 429, 500, 502, 503, 504))
_WORTH_SAYING: Final = 5.0  # s
_log = logging.getLogger(__name__)
_RESUME = "The same command, run again, resumes where it stopped."


_ASKED: Final = 3
"""How often in a row we wait as long as the Hub asks for."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often a request is tried, and the waits between [s]: base, 2 base, … up to cap.

    Where the Hub itself says how long to wait (`RateLimit`, of windows of five minutes, or
    `Retry-After`), that is waited for, up to `longest`, and said.
    """

    tries: int = 6
    base: float = 1.0
    cap: float = 60.0
    longest: float = 310.0

    def waits(self) -> Iterator[float]:
        """Yield the wait before each further try."""
        for i in range(self.tries - 1):
            yield min(self.cap, self.base * 2**i)


def patiently(call: Callable[[], T], backoff: Backoff, doing: str) -> T:
    """Call, and call again after a transient error.

    Only for what may be done twice: reading, and creating what may exist already.

    Raises
    ------
    InputError
        It failed to the end, or in a way that waiting does not mend. The message says what the
        user can do, and holds no token.
    """
    pause = Pause(backoff, doing)
    while True:
        try:
            return call()
        except Exception as error:
            if isinstance(error, InputError) or not is_hubs(error):
                raise
            if not (is_transient(error) and pause(error)):
                raise explain(error, doing) from None


class Pause:
    """The waits of one piece of work, one after the other.

    Parameters
    ----------
    backoff
        How many there are, and how long they are.
    doing
        What a long wait holds up.
    """

    def __init__(self, backoff: Backoff, doing: str) -> None:
        self._backoff, self._doing = backoff, doing
        self._waits, self._asked = backoff.waits(), _ASKED

    def __call__(self, error: BaseException | None) -> bool:
        """Wait as an error asks for, or as it is our own habit; say whether to try again."""
        asked = asked_wait(error)
        if asked is None:
            wait = next(self._waits, None)
            if wait is None:
                return False
            time.sleep(wait)
            return True
        if asked > self._backoff.longest or self._asked == 0:
            return False
        self._asked -= 1
        if asked > _WORTH_SAYING:
            _log.warning("%s: the Hub asks for %.0f s of patience; waiting …", self._doing, asked)
        time.sleep(asked)
        return True


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of an error reply, None of any other error."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def is_transient(error: BaseException) -> bool:
    """Say whether the same request may succeed later."""
    import httpx2

    if isinstance(error, httpx2.LocalProtocolError):
        return False  # our own request is malformed
    if isinstance(error, httpx2.TransportError) or status_of(error) in _TRANSIENT:
        return True
    if isinstance(error, json.JSONDecodeError):
        return True  # a proxy's HTML page where the API answers in JSON
    cause = error.__cause__  # huggingface_hub wraps a failed upload in a RuntimeError
    return isinstance(error, RuntimeError) and cause is not None and is_transient(cause)


def explain(error: BaseException, doing: str) -> InputError:
    """Say what went wrong and what mends it, in one message without any token."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    status = status_of(error)
    if isinstance(error, GatedRepoError):
        why = (
            "it is gated: its owner asks for conditions to be accepted first. Accept them on its "
            "page, and run `hf auth login` with a token of that account."
        )
    elif isinstance(error, RepositoryNotFoundError):
        why = (
            "there is no such repository, or it is private and the token (if any) may not read "
            "it. Check the spelling, or run `hf auth login`."
        )
    elif isinstance(error, OfflineModeIsEnabled):
        why = "HF_HUB_OFFLINE is set; unset it to reach the Hub."
    elif isinstance(error, LocalTokenNotFoundError):
        why = "nobody is logged in; run `hf auth login` with a token that may write."
    elif status == 401 or isinstance(error, (UnicodeEncodeError, httpx2.LocalProtocolError)):
        why = "the Hub does not know the token; run `hf auth login` again."
    elif status == 403:
        why = "the token may not write there; use one with write access, or another --namespace."
    elif status in (409, 412):
        why = (
            f"the Hub refuses each commit ({status}): the repository has changed again and again "
            f"in between. Stop whatever else writes to it. {_RESUME}"
        )
    elif status == 429:
        why = f"the Hub asks for patience (too many requests). {_RESUME}"
    elif status in _TRANSIENT:
        why = f"the Hub answers {status} again and again. {_RESUME}"
    elif isinstance(error, httpx2.TransportError) and is_transient(error):
        why = f"{constants.ENDPOINT} cannot be reached; check the network. {_RESUME}"
    elif isinstance(error, json.JSONDecodeError):
        why = f"{constants.ENDPOINT} does not answer as the Hub does; check HF_ENDPOINT. {_RESUME}"
    else:
        why = " ".join(_scrub(str(error)).split()) or type(error).__name__
    return InputError(f"{doing}: {why}")


def is_hubs(error: BaseException) -> bool:
    """Say whether an error comes from the Hub's client, and is not a defect of ours."""
    import httpx2
    from huggingface_hub.errors import LocalTokenNotFoundError

    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return is_hubs(error.__cause__)
    known = (
        httpx2.HTTPError,
        LocalTokenNotFoundError,
        json.JSONDecodeError,
        ConnectionError,
        UnicodeEncodeError,  # of a token that cannot stand in a header
    )
    return isinstance(error, known) or is_transient(error)


def asked_wait(error: BaseException | None) -> float | None:
    """Return how long the Hub asks to wait [s], None where it does not ask."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented there
        parse_ratelimit_headers,
    )

    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    response = getattr(error, "response", None)
    if error is None or response is None:
        return None
    limit = parse_ratelimit_headers(response.headers)
    if status_of(error) == 429 and limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds + 1.0  # which is rounded down
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else None


def _scrub(text: str) -> str:
    """Take the user's token out of a text."""
    from huggingface_hub import get_token

    token = get_token()
    return text.replace(token, "hf_…") if token else text
