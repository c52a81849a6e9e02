"""`eisv-lumen voice`: the rule-based voice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.outputs import json_with
from . import print_json
from .options import Force, new_file

if TYPE_CHECKING:
    from ..expression.voice import Voice

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The rule-based voice: its law, what it says, how it learns.",
    rich_markup_mode=None,
)

_Voice = Annotated[
    Path | None, typer.Option("--voice", help="A saved voice; the initial one by default.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def law(
    shape: Annotated[str, typer.Argument(help="One of the nine shapes.")],
    temperature: Annotated[float, typer.Option(help="Decoding temperature; 0 is greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="0 keeps all.")] = 0,
    top_p: Annotated[float, typer.Option(help="1 keeps all.")] = 1.0,
    top: Annotated[int, typer.Option(min=1, help="How many expressions to list.")] = 10,
    voice: _Voice = None,
    as_json: _Json = False,
) -> None:
    """Show the exact law of a shape's expressions under any decoding.

    Example: eisv-lumen voice law void_rising --temperature 0.3
    """
    import numpy as np

    exact = _load(voice).law(shape)
    try:
        decoded = exact.tempered(temperature, top_k=top_k, top_p=top_p)
    except ValueError as error:
        from ..core.errors import InputError

        raise InputError(str(error)) from error
    order = np.argsort(-decoded.pmf, kind="stable")[:top]
    rows = [(" ".join(f"~{t}~" for t in decoded.expressions[i]), decoded.pmf[i]) for i in order]
    found = {
        "shape": shape,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "coherence": decoded.coherence(),
        "entropy_nats": decoded.entropy(),
        "diversity_nats": decoded.diversity(),
        "expressions": [{"expression": text, "probability": float(p)} for text, p in rows],
    }
    if as_json:
        print_json(found)
        return
    typer.echo(f"{shape} at T = {temperature:g}, top-k {top_k}, top-p {top_p:g}")
    typer.echo(
        f"coherence {decoded.coherence():.4f}   entropy {decoded.entropy():.3f} nats   "
        f"token diversity {decoded.diversity():.3f} nats"
    )
    for text, p in rows:
        typer.echo(f"  {p:.4f}  {text}")


@app.command()
def speak(
    shape: Annotated[str, typer.Argument(help="One of the nine shapes.")],
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="How many expressions.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    voice: _Voice = None,
    as_json: _Json = False,
) -> None:
    """Let the voice speak of a shape, in EISV tokens and in Lumen's primitives.

    Example: eisv-lumen voice speak rising_entropy -n 3 --seed 7
    """
    from ..expression.lumen import to_primitives

    said = _load(voice).law(shape).sample(n, seed)
    if as_json:
        rows = [{"tokens": list(e), "primitives": list(to_primitives(e))} for e in said]
        print_json({"shape": shape, "seed": seed, "expressions": rows})
        return
    for expression in said:
        tokens = " ".join(f"~{token}~" for token in expression)
        typer.echo(f"{tokens:<48} {' '.join(to_primitives(expression))}")


@app.command()
def learn(
    out: Annotated[
        Path,
        typer.Option(
            help="Where to save the voice (JSON).",
            callback=new_file(json_with(format="eisv-lumen-voice/1")),
        ),
    ],
    updates: Annotated[int, typer.Option(min=1, help="Feedback updates.")] = 21_449,
    seed: Annotated[int, typer.Option(min=0, help="Seed of shapes and draws.")] = 0,
    voice: _Voice = None,
    replace: Force = False,
    as_json: _Json = False,
) -> None:
    """Let the voice learn from its own coherence over the published mix of shapes.

    Example: eisv-lumen voice learn --out voice.json
    """
    import numpy as np

    from ..expression.vocabulary import REAL_MIX, SHAPES
    from ..expression.voice import Voice

    mix = np.array([REAL_MIX[shape] for shape in SHAPES])
    mix /= mix.sum()
    speaker = Voice(seed) if voice is None else Voice.load(voice)
    before = float(np.array([law.coherence() for law in speaker.laws()]) @ mix)
    speaker.learn(np.random.default_rng(seed).choice(SHAPES, updates, p=mix).tolist())
    after = float(np.array([law.coherence() for law in speaker.laws()]) @ mix)
    speaker.save(out)
    if as_json:
        print_json({"updates": updates, "before": before, "after": after, "voice": str(out)})
    else:
        typer.echo(f"coherence at T = 1 over the published mix: {before:.4f} -> {after:.4f}")
        typer.echo(f"saved {out}", err=True)


def _load(path: Path | None) -> Voice:
    from ..expression.voice import Voice

    return Voice() if path is None else Voice.load(path)
