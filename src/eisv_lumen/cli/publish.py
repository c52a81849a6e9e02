"""`eisv-lumen publish`: everything into a folder or onto the Hub, from one plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.extras import require
from . import print_json
from .frame import is_verbose
from .options import Root

if TYPE_CHECKING:
    from ..hub.publishing.plan import PlannedRepo, PublishPlan
    from ..hub.publishing.to_hub import Outcome, Report

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Place(StrEnum):
    """Where to publish."""

    folder = "folder"
    hub = "hub"


@app.command()
def publish(
    to: Annotated[
        Place, typer.Option(help="A local folder, or the Hugging Face Hub.", case_sensitive=False)
    ],
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder, with --to folder.")
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(help="User or organisation; cards name it. With --to folder: eisv-lumen."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="A part to publish: dataset, metric, teacher, explorer, causal_alignment, lvm or "
            "student; may be repeated. By default all that is there: dataset, teacher, lvm and "
            "student come of --run."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and what it would do; change nothing.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Make new repos private, and publish to no other.")
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open pull requests instead of committing to main.")
    ] = False,
    tag: Annotated[
        str | None, typer.Option(help="Tag of the commits; v and our version by default.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder that `run`, `demo`, `data build --split`, `teacher train`, `student "
            "distil` or `lvm train` has made; what it lacks is left out."
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="Name of the dataset's repo.")
    ] = "unitares-eisv-trajectories",
    root: Root = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print plan and outcome as one JSON object on stdout.")
    ] = False,
) -> None:
    """Lay everything out in a folder, or on the Hub: the same plan, the same bytes.

    A plan is printed first; with --verbose, file by file. On the Hub each repo gets one commit
    and a tag; what it has already is not sent again; what a human changed there is not
    overwritten. Killed or cut off, the same command resumes. It logs in as `hf auth login` did;
    a --dry-run needs no login.

    For example:

      eisv-lumen publish --to folder published --run demo-out

      eisv-lumen publish --to hub --namespace NS --dry-run

      eisv-lumen publish --to hub --namespace NS --private --only metric

      eisv-lumen publish --to folder published --run lvm-demo/ranker --only lvm
    """
    from .. import __version__
    from ..core.errors import InputError
    from ..hub.contents.build import build_contents, left_out
    from ..hub.contents.context import Material, default_root
    from ..hub.publishing.plan import make_plan
    from ..hub.publishing.publish import to_folder, to_hub

    require("publish", "Publishing")
    _check(to, folder, namespace, private=private, create_pr=create_pr)
    from ..hub.cards.front_matter import check_repo_name

    check_repo_name(name)
    given = Material(root or default_root(), namespace or "eisv-lumen", run, name)
    contents = build_contents(given, only or ())
    _tell_left_out({} if only else left_out(given))
    plan = make_plan(contents, version=__version__, tag=tag)
    _show(plan)
    with _progress(plan) as report:
        if to is Place.folder:
            assert folder is not None
            outcomes = to_folder(plan, folder, dry_run=dry_run, report=report)
        else:
            assert namespace is not None
            outcomes = to_hub(
                plan, namespace, private=private, create_pr=create_pr, dry_run=dry_run,
                report=report,
            )  # fmt: skip
    _tell(plan, outcomes, dry_run, as_json)
    stopped = [o for o in outcomes if o.status == "stopped"]
    if stopped:
        sys.stderr.writelines(o.diff for o in stopped)
        raise InputError("; ".join(o.reason for o in stopped))


def _check(
    to: Place, folder: Path | None, namespace: str | None, *, private: bool, create_pr: bool
) -> None:
    from ..core.errors import InputError
    from ..hub.cards.front_matter import check_namespace

    if namespace is not None:
        check_namespace(namespace)
    if to is Place.folder and folder is None:
        raise InputError("--to folder: name the folder, as in --to folder published")
    if to is Place.folder and (private or create_pr):
        raise InputError("--private and --create-pr go with --to hub")
    if to is Place.hub and folder is not None:
        raise InputError(f"{folder}: --to hub takes no folder")
    if to is Place.hub and namespace is None:
        raise InputError("--to hub: give your user name or organisation with --namespace")


def _tell_left_out(parts: Mapping[str, str]) -> None:
    """Say on stderr what is not published, a line a reason."""
    reasons: dict[str, list[str]] = {}
    for part, why in parts.items():
        reasons.setdefault(why, []).append(part)
    for why, names in reasons.items():
        typer.echo(f"left out: {', '.join(names)}: {why}", err=True)


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _show(plan: PublishPlan) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Plan: {plan.tag}", box=None)
    table.add_column("repo", overflow="fold")
    for name in ("files", "bytes", "sha256")[: 3 if is_verbose() else 2]:
        table.add_column(name, justify="right", no_wrap=True)
    for repo in plan.repos:
        table.add_row(Text(str(repo.name)), f"{len(repo.stamps):,}", f"{repo.size:,}")
        if is_verbose():
            for path, stamp in repo.stamps.items():
                table.add_row(Text(f"  {path}"), "", f"{stamp.size:,}", stamp.sha256[:12])
    _console().print(table)


@contextmanager
def _progress(plan: PublishPlan) -> Iterator[Report]:
    """Show a bar a repo on stderr, in bytes."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from rich import progress

    disable_progress_bars()  # theirs; ours show the same
    bars = progress.Progress(
        progress.TextColumn("{task.fields[repo]}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.TimeElapsedColumn(),
        console=_console(),
    )
    tasks = {
        repo.name: bars.add_task("waiting", total=repo.size, repo=str(repo.name))
        for repo in plan.repos
    }

    def report(repo: PlannedRepo, doing: str, size: int) -> None:
        done = min(repo.size, bars.tasks[tasks[repo.name]].completed + size)
        bars.update(tasks[repo.name], description=doing, completed=done)

    with bars:
        yield report


def _tell(plan: PublishPlan, outcomes: list[Outcome], dry_run: bool, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        done = [asdict(outcome) for outcome in outcomes]
        print_json({"dry_run": dry_run, "plan": plan.as_json(), "outcomes": done})
        return
    for outcome in outcomes:
        words = outcome.status.replace("_", " ")
        if dry_run and outcome.status == "published":
            words = "would be published"
        typer.echo(f"{words}: {outcome.where}")
