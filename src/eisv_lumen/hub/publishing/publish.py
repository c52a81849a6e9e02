"""One plan, carried out in a folder or on the Hub."""

from __future__ import annotations

from pathlib import Path

from .client import Hub
from .plan import PublishPlan
from .retry import Backoff
from .to_folder import place_repo
from .to_hub import Outcome, Publication, Report, diff, silent

__all__ = ["to_folder", "to_hub"]


def to_folder(
    plan: PublishPlan, folder: Path, *, dry_run: bool = False, report: Report = silent
) -> list[Outcome]:
    """Lay the plan's repos out as `folder/<kind>s/<name>/…`.

    Parameters
    ----------
    dry_run
        Only look: `published` then means that it would be.

    Raises
    ------
    InputError
        The disk is full or not writable. Repos are there whole, or as they were before.
    """
    outcomes = []
    for repo in plan.repos:
        report(repo, "writing", 0)
        target = folder / f"{repo.name.kind}s" / repo.name.name
        status, paths = place_repo(repo, target, dry_run=dry_run)
        if status == "conflict":
            differing = "".join(diff(repo, path, (target / path).read_bytes()) for path in paths)
            reason = (
                f"{target} holds {', '.join(paths)}, which we did not write; choose another folder,"
                " or take those away"
            )
            outcomes.append(
                Outcome(str(repo.name), "stopped", str(target), None, reason, differing)
            )
        elif status == "published":
            outcomes.append(Outcome(str(repo.name), "published", str(target)))
        else:
            outcomes.append(Outcome(str(repo.name), "unchanged", str(target)))
        report(repo, outcomes[-1].status, repo.size)
    return outcomes


def to_hub(
    plan: PublishPlan,
    namespace: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    dry_run: bool = False,
    backoff: Backoff | None = None,
    report: Report = silent,
) -> list[Outcome]:
    """Publish the plan's repos under `namespace`: one commit and one tag a repo.

    Parameters
    ----------
    private
        Repos that are made are private.
    create_pr
        Open a pull request in each repo instead of committing to main. It is not tagged.
    dry_run
        Only look: `published` then means that it would be.
    backoff
        Patience with each request.

    Returns
    -------
    list of Outcome
        A repo that stops does not keep the others from being published.

    Raises
    ------
    InputError
        Nobody is logged in, the token may not write, the Hub cannot be reached. What is
        published by then stays; the same command resumes.
    """
    from huggingface_hub import get_token

    hub = Hub(backoff)
    if not dry_run or get_token() is not None:
        hub.check_rights(namespace, create_pr=create_pr)
    return [
        Publication(hub, plan, repo, namespace, private, create_pr, report).run(dry_run)
        for repo in plan.repos
    ]
