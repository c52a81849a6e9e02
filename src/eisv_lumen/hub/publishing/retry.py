"""Patience with the Hub: what is worth trying again, how long to wait, what to say in the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ...core.errors import InputError

__all__ = ["Backoff", "explain", "is_hubs", "is_transient", "patiently", "status_of"]

T = TypeVar("T")
_TRANSIENT = frozenset((408, 429, 500, 502, 503, 504))
_RESUME = "The same command, run again, resumes where it stopped."


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often a request is tried, and the waits between [s]: base, 2 base, … up to cap."""

    tries: int = 6
    base: float = 1.0
    cap: float = 60.0

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
    waits = backoff.waits()
    while True:
        try:
            return call()
        except Exception as error:
            wait = next(waits, None) if is_transient(error) else None
            if wait is None:
                if isinstance(error, InputError) or not is_hubs(error):
                    raise
                raise explain(error, doing) from None
            time.sleep(min(max(wait, _asked_wait(error)), backoff.cap))


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
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    status = status_of(error)
    if isinstance(error, OfflineModeIsEnabled):
        why = "HF_HUB_OFFLINE is set; unset it to reach the Hub."
    elif isinstance(error, LocalTokenNotFoundError):
        why = "nobody is logged in; run `hf auth login` with a token that may write."
    elif status == 401 or isinstance(error, (UnicodeEncodeError, httpx2.LocalProtocolError)):
        why = "the Hub does not know the token; run `hf auth login` again."
    elif status == 403:
        why = "the token may not write there; use one with write access, or another --namespace."
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


def _asked_wait(error: BaseException) -> float:
    """Return how long the Hub asks to wait [s]."""
    response = getattr(error, "response", None)
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    return float(asked) if asked.isdigit() else 0.0


def _scrub(text: str) -> str:
    """Take the user's token out of a text."""
    from huggingface_hub import get_token

    token = get_token()
    return text.replace(token, "hf_…") if token else text
