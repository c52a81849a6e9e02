"""`eisv-lumen doctor`: what is installed here, and what it can do."""

from __future__ import annotations

import typer

from . import print_json
from .options import Json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show versions, extras, device, Hub login and caches; nothing leaves this machine.

    Example: eisv-lumen doctor --json
    """
    from ..core.doctor import examine

    found = examine()
    if as_json:
        print_json(found)
        return
    typer.echo(f"eisv-lumen {found['version']}, Python {found['python']}, {found['platform']}")
    for extra, missing in found["extras"].items():
        state = "installed" if not missing else f"lacks {', '.join(missing)}"
        typer.echo(f"  [{extra}]{'':<{10 - len(extra)}} {state}")
    typer.echo(f"device    {found['device']} ({found['cores']} cores)")
    typer.echo(f"Hub       {found['hub']['endpoint']}, {found['hub']['login']}")
    for name, place in found["caches"].items():
        typer.echo(f"cache     {name}: {place['path']} ({place['bytes'] / 1e6:,.0f} MB)")
    for name, version in found["libraries"].items():
        typer.echo(f"  {name:<20}{version or 'not installed'}")
