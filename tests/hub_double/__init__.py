"""A Hub that answers the real clients over real HTTP, and misbehaves when told to."""

from .faults import Fault, Logged
from .server import HubDouble
from .store import Blob, Commit, Repo, Store, User

TOKEN = "hf_testTokenThatMustNeverBeShown"
READER = "hf_testTokenThatMayOnlyRead"

__all__ = [
    "READER", "TOKEN", "Blob", "Commit", "Fault", "HubDouble", "Logged", "Repo", "Store", "User",
]  # fmt: skip
