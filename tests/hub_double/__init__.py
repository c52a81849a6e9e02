"""A Hub that answers the real clients over real HTTP, and misbehaves when told to."""

from .clients import READER, TOKEN, environment
from .faults import Fault, Logged
from .server import HubDouble
from .store import Blob, Commit, Repo, Store, User

__all__ = [
    "READER", "TOKEN", "Blob", "Commit", "Fault", "HubDouble", "Logged", "Repo", "Store", "User",
    "environment",
]  # fmt: skip
