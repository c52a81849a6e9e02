"""The few requests that we make of the Hub, each patient, each with one clear error."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from .plan import CARD, RepoName, Source, Stamp
from .retry import Backoff, explain, is_hubs, is_transient, patiently, status_of

__all__ = ["Hub", "MovedError", "Pull", "Sent", "Snapshot"]

_BIG = 1 << 20


class MovedError(Exception):
    """The commit may have landed or not, or the repo has a new head: look again."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision of a repo.

    Attributes
    ----------
    sha
        Its commit.
    oids
        Git blob ids, or sha256 of large files, by path.
    private
        Whether strangers may not read it.
    sizes
        Of the files [bytes], by path.
    """

    sha: str
    oids: Mapping[str, str]
    private: bool
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request: the revision that it would merge, and its page."""

    revision: str
    page: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A commit that the Hub has confirmed, and the pull request that it has opened, if any."""

    oid: str
    pull: Pull | None


class Hub:
    """The Hub, as `huggingface_hub` is logged in to it.

    Parameters
    ----------
    backoff
        Patience with each request.
    """

    def __init__(self, backoff: Backoff | None = None) -> None:
        from huggingface_hub import HfApi

        from ... import __version__

        self.backoff = backoff or Backoff()
        self._version = __version__
        self.api = HfApi(library_name="eisv-lumen", library_version=__version__)

    def check_rights(self, namespace: str, *, create_pr: bool = False) -> str:
        """Return who is logged in, and make sure that they may write to `namespace`.

        Pull requests may be opened with anybody.

        Raises
        ------
        InputError
            Nobody is, the token only reads, or the namespace is somebody else's.
        """
        me = patiently(self.api.whoami, self.backoff, "logging in")
        token = me.get("auth", {}).get("accessToken", {})
        if token.get("role") == "read":
            raise InputError(
                f"the token of {me['name']} only reads; run `hf auth login` with one that may write"
            )
        mine = [me["name"], *(org["name"] for org in me.get("orgs", []))]
        if namespace not in mine and not create_pr:
            raise InputError(
                f"--namespace {namespace}: {me['name']} may publish to {', '.join(mine)}"
            )
        return str(me["name"])

    def who(self) -> str | None:
        """Return who is logged in, None where nobody is."""
        from huggingface_hub import get_token

        if get_token() is None:
            return None
        return str(patiently(self.api.whoami, self.backoff, "logging in")["name"])

    def snapshot(self, name: RepoName, id: str, revision: str | None = None) -> Snapshot | None:
        """Return a revision (the head of main by default), None where there is no such repo."""
        from huggingface_hub.errors import (
            GatedRepoError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        def read() -> Snapshot | None:
            try:
                info: Any = self.api.repo_info(
                    id, repo_type=name.kind, revision=revision, files_metadata=True
                )
            except GatedRepoError:  # which is also a RepositoryNotFoundError
                raise
            except (RepositoryNotFoundError, RevisionNotFoundError):
                return None
            oids = {s.rfilename: s.lfs.sha256 if s.lfs else s.blob_id for s in info.siblings}
            sizes = {s.rfilename: s.size for s in info.siblings}
            return Snapshot(info.sha, oids, bool(info.private), sizes)

        return patiently(read, self.backoff, f"reading {id}")

    def read(self, name: RepoName, id: str, revision: str, path: str) -> bytes:
        """Return the bytes of one file of a revision; see `download`."""
        return self.download(name, id, revision, path).read_bytes()

    def download(self, name: RepoName, id: str, revision: str, path: str) -> Path:
        """Return where one file of a revision lies in the Hub's cache.

        What is there already is not fetched again, and of a commit nothing is asked.
        """
        from huggingface_hub.errors import LocalEntryNotFoundError

        def get() -> Path:
            try:
                return Path(
                    self.api.hf_hub_download(id, path, repo_type=name.kind, revision=revision)
                )
            except LocalEntryNotFoundError as error:  # which hides what kept it from the Hub
                raise error.__cause__ or error from None

        return patiently(get, self.backoff, f"reading {path} of {id}")

    def read_range(
        self, name: RepoName, id: str, revision: str, path: str, start: int, stop: int
    ) -> bytes:
        """Return some bytes of one file of a revision: those from `start` up to `stop`."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented there
            build_hf_headers,
            get_session,
            hf_raise_for_status,
        )

        url = hf_hub_url(
            id, path, repo_type=name.kind, revision=revision, endpoint=self.api.endpoint
        )
        headers = build_hf_headers(
            token=self.api.token, library_name="eisv-lumen", library_version=self._version
        )

        def get() -> bytes:
            response = get_session().get(
                url, headers={**headers, "Range": f"bytes={start}-{stop - 1}"}
            )
            hf_raise_for_status(response)
            content = bytes(response.content)
            return content if response.status_code == 206 else content[start:stop]

        return patiently(get, self.backoff, f"reading {path} of {id}")

    def create(self, name: RepoName, id: str, private: bool) -> None:
        """Make an empty repo; nothing happens where it exists.

        If it need not be private, the account's own default says what it is.
        """
        sdk = "gradio" if name.kind == "space" else None

        def make() -> None:
            self.api.create_repo(
                id, repo_type=name.kind, private=private or None, space_sdk=sdk, exist_ok=True
            )

        patiently(make, self.backoff, f"creating {id}")

    def is_untouched(self, name: RepoName, id: str) -> bool:
        """Say whether a repo holds only what the Hub itself put there on creating it."""
        return len(self.history(name, id)) <= 1

    def history(self, name: RepoName, id: str, revision: str | None = None) -> list[str]:
        """Return the commits of a revision (of main by default), from the newest."""

        def read() -> list[str]:
            commits = self.api.list_repo_commits(id, repo_type=name.kind, revision=revision)
            return [commit.commit_id for commit in commits]

        return patiently(read, self.backoff, f"reading the history of {id}")

    def commit(
        self,
        name: RepoName,
        id: str,
        parent: str,
        write: Mapping[str, tuple[Source, Stamp]],
        delete: Sequence[str],
        message: str,
        *,
        description: str = "",
        create_pr: bool = False,
        revision: str | None = None,
        uploaded: Callable[[int], None] = lambda size: None,
    ) -> Sent:
        """Send one commit onto `parent`; say what became of it.

        Parameters
        ----------
        write
            Local file or bytes, with its stamp, by path.
        create_pr
            Open a pull request with `message` as its title. It stands on `parent`, wherever main
            is by then: the Hub refuses none.
        revision
            What the commit goes to: main by default, or an open pull request.
        uploaded
            Told the size of each large file that is on the Hub.

        Raises
        ------
        MovedError
            The revision has another head, or it cannot be known whether the commit landed. It is
            never sent twice from here: read the repo again, and decide.
        InputError
            The Hub refuses it for good.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        adds = []
        for path, (source, stamp) in write.items():
            add = CommitOperationAdd(path, source)
            add.upload_info.sha256 = bytes.fromhex(stamp.sha256)  # as planned, or refused
            adds.append(add)
        where: dict[str, Any] = {
            "repo_id": id, "repo_type": name.kind, "create_pr": create_pr, "revision": revision
        }  # fmt: skip

        try:
            for add in adds:
                if add.upload_info.size >= _BIG:
                    self.api.preupload_lfs_files(additions=[add], free_memory=False, **where)
                    uploaded(add.upload_info.size)
            with warnings.catch_warnings():  # a model's evaluation windows are meant to be there
                warnings.filterwarnings("ignore", message="It seems that you are about to commit a")
                info = self.api.create_commit(
                    operations=[*adds, *(CommitOperationDelete(path) for path in delete)],
                    commit_message=message,
                    commit_description=description,
                    parent_commit=parent,
                    **where,
                )
        except Exception as error:
            if is_transient(error) or status_of(error) in (409, 412):
                raise MovedError from error
            if isinstance(error, ValueError) and CARD in str(error):
                raise InputError(f"{id}: {' '.join(str(error).split())}") from error
            if not is_hubs(error):
                raise
            raise explain(error, f"committing to {id}") from None
        opened = info.pr_url and info.pr_revision
        return Sent(info.oid, Pull(info.pr_revision, info.pr_url) if opened else None)

    def pulls(self, name: RepoName, id: str, title: str, author: str | None = None) -> list[Pull]:
        """Return the open pull requests with a title, of one author if he is named."""

        def find() -> list[Pull]:
            pulls = self.api.get_repo_discussions(
                id, repo_type=name.kind, discussion_type="pull_request", discussion_status="open"
            )
            return [
                Pull(f"refs/pr/{p.num}", p.url)
                for p in pulls
                if p.title == title and author in (None, p.author)
            ]

        return patiently(find, self.backoff, f"reading the pull requests of {id}")

    def tags(self, name: RepoName, id: str) -> dict[str, str]:
        """Return the commit of each tag."""

        def find() -> dict[str, str]:
            tags = self.api.list_repo_refs(id, repo_type=name.kind).tags
            return {tag.name: tag.target_commit for tag in tags}

        return patiently(find, self.backoff, f"reading the tags of {id}")

    def tag(self, name: RepoName, id: str, tag: str, sha: str) -> None:
        """Set a tag; nothing happens where it exists."""

        def make() -> None:
            self.api.create_tag(id, tag=tag, revision=sha, repo_type=name.kind, exist_ok=True)

        patiently(make, self.backoff, f"tagging {id}")
