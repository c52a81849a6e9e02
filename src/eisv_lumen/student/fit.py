"""Fit rows and network to the laws of a teacher: cross-entropy on distributions, not on draws.

The rows have the form of the voice's law (`reference/eisv.md` §4), in which the law is a smooth
function of pattern probabilities and token weights; so both, and the network that mixes the rows,
are fitted by gradients to the teacher's own probabilities. All sums are taken in one thread: how
many there are changes their last bits, and twenty thousand steps make another student of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ..expression.law import EXPRESSIONS, ExpressionLaw
from ..expression.vocabulary import INQUIRY_TOKENS, PATTERNS, TOKENS
from .format import Net, Rows, laws_of_rows
from .teacher_cache import Say

if TYPE_CHECKING:
    import torch

__all__ = ["SCALES", "NetRecipe", "fit_mixed_rows", "fit_net", "fit_rows", "rows_of_laws"]

Floats = npt.NDArray[np.float64]

_CODE = {token: i for i, token in enumerate(TOKENS)}
_N = len(TOKENS)
_EM_STEPS: Final = 100
_SAID_EVERY: Final = 10_000
SCALES: Final[Floats] = np.array([1.0, 1.0] + [0.1] * 4 + [1e-2] * 8)
"""What is small for each number of a summary: [1], [s], [1], [1/s] and [1/s²]."""


@dataclass(frozen=True)
class NetRecipe:
    """How a network is fitted.

    Attributes
    ----------
    hidden
        Units of the hidden layer.
    steps, batch
        Steps of AdamW on a cosine from `learning_rate` to 0, and windows in each.
    learning_rate, weight_decay
        Of AdamW.
    seed
        Of the first weights and of the order of the windows.
    """

    hidden: int = 32
    steps: int = 80_000
    batch: int = 512
    learning_rate: float = 1e-2
    weight_decay: float = 0.001
    seed: int = 0


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rows_of_laws(laws: Sequence[ExpressionLaw]) -> Rows:
    """Return the rows of a voice's laws, which are those that it has itself.

    The first token of any pattern is drawn by weight, so its law *is* the weights; and with weights
    given, a law is linear in its patterns.
    """
    import torch

    pmf = np.stack([law.pmf for law in laws])
    first = np.array([_CODE[e[0]] for e in EXPRESSIONS])
    weights = np.stack([np.bincount(first, p, _N) for p in pmf])
    alone = torch.eye(len(PATTERNS), dtype=torch.float64) * 1e3  # a softmax of it is one pattern
    patterns = []
    for law, row in zip(pmf, weights, strict=True):
        parts = _row_laws(alone, torch.tensor(np.log(row)).expand(len(PATTERNS), -1)).numpy()
        patterns.append(np.linalg.lstsq(parts.T, law, rcond=None)[0])
    return Rows(np.stack(patterns), np.asarray(weights * _N, dtype=np.float64))


@_one_thread()
def fit_rows(pmf: Floats, *, steps: int = 300) -> Rows:
    """Fit a row to each law by the least KL(law ‖ row).

    Parameters
    ----------
    pmf : ndarray, shape (k, 2970)
        The laws; each is normalised.
    steps
        Most iterations of L-BFGS.
    """
    shares = np.stack([ExpressionLaw(p).token_pmf() for p in pmf])
    start = Rows(np.full((len(pmf), len(PATTERNS)), 1 / len(PATTERNS)), shares)
    return _descend(pmf, np.full(len(pmf), 1 / len(pmf)), start, None, steps)[0]


@_one_thread()
def fit_mixed_rows(pmf: Floats, weight: Floats, start: Rows, *, steps: int = 400) -> Rows:
    """Fit rows of which every law is, as nearly as can be, some mixture.

    Rows and mixtures are fitted together, twice, and the better fit is kept: from even mixtures,
    where rows are free to become any, and from the nearest mixtures of the rows as they begin,
    where those of rare shapes do not turn into second ones of common shapes.

    Parameters
    ----------
    pmf : ndarray, shape (n, 2970)
        The laws; each is normalised.
    weight : ndarray, shape (n,)
        How much each counts.
    start
        Where the rows begin.
    steps
        Most iterations of L-BFGS.
    """
    nearest = _nearest_mixtures(pmf / pmf.sum(1, keepdims=True), laws_of_rows(start))
    fits = (
        _descend(pmf, weight, start, mixture, steps)
        for mixture in (np.log(nearest + 1e-2), np.zeros_like(nearest))
    )
    return min(fits, key=lambda fit: fit[1])[0]


def _nearest_mixtures(pmf: Floats, table: Floats) -> Floats:
    """Return the mixtures of `table` (k, 2970) by the least KL(law ‖ mixture), (n, k): by EM."""
    import torch

    laws, rows = torch.tensor(pmf), torch.tensor(table)
    mixture = torch.full((len(laws), len(rows)), 1 / len(rows), dtype=torch.float64)
    for _ in range(_EM_STEPS):
        mixture *= (laws / (mixture @ rows).clamp_min(1e-300)) @ rows.T
    return mixture.numpy()


def _descend(
    pmf: Floats, weight: Floats, start: Rows, mixture: Floats | None, steps: int
) -> tuple[Rows, float]:
    """Minimise the cross-entropy of laws on rows, or on mixtures of them, by L-BFGS."""
    import torch

    wanted = torch.tensor(weight[:, None] * pmf / pmf.sum(1, keepdims=True))
    given = [np.log(start.patterns + 1e-6), np.log(start.weights)]
    given += [] if mixture is None else [mixture]
    logits = [torch.tensor(x, requires_grad=True) for x in given]
    solver = torch.optim.LBFGS(
        logits, max_iter=steps, line_search_fn="strong_wolfe", tolerance_grad=1e-10,
        tolerance_change=1e-14,
    )  # fmt: skip

    def loss() -> torch.Tensor:
        solver.zero_grad()
        spoken = _row_laws(*logits[:2])
        if mixture is not None:
            spoken = torch.softmax(logits[2], 1) @ spoken
        value = -(wanted * spoken.clamp_min(1e-300).log()).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    patterns, weights = (torch.softmax(x.detach(), 1).numpy() for x in logits[:2])
    return Rows(patterns, weights * _N), float(loss().detach())


@_one_thread()
def fit_net(
    summary: Floats,
    wanted: Floats,
    rows: Rows,
    outcomes: Floats,
    recipe: NetRecipe = NetRecipe(),
    *,
    say: Say = lambda text: None,
) -> Net:
    """Fit a network that mixes rows to what a teacher says of windows.

    Parameters
    ----------
    summary : ndarray, shape (n, 14)
        Columns as in `SUMMARY_FIELDS`.
    wanted : ndarray, shape (n, m)
        The teacher's law of each window, over any outcomes; each is normalised.
    rows
        What is mixed.
    outcomes : ndarray, shape (2970, m)
        1 where an expression has an outcome.
    recipe
        How.
    say
        Told of progress.
    """
    import torch

    generator = torch.Generator().manual_seed(recipe.seed)
    x = np.arcsinh(summary / SCALES)
    mean, spread = x.mean(0), x.std(0)
    spread = np.where(spread > 1e-9, spread, np.inf)  # what never varies is not read
    inputs = torch.tensor((x - mean) / spread, dtype=torch.float32)
    targets = torch.tensor(wanted / wanted.sum(1, keepdims=True), dtype=torch.float32)
    table = (torch.tensor(laws_of_rows(rows)) @ torch.tensor(outcomes)).float()
    k = len(rows.weights)
    sizes = [(recipe.hidden, inputs.shape[1]), (recipe.hidden,), (k, recipe.hidden), (k,)]
    W, b, U, c = (
        (
            torch.randn(size, generator=generator) / size[-1] ** 0.5 * (len(size) > 1)
        ).requires_grad_()
        for size in sizes
    )
    optimizer = torch.optim.AdamW(
        [W, b, U, c], lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99)
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    for step in range(recipe.steps):
        if step % _SAID_EVERY == 0:
            say(f"step {step} of {recipe.steps}")
        at = torch.randint(len(inputs), (recipe.batch,), generator=generator)
        mix = torch.softmax(torch.tanh(inputs[at] @ W.T + b) @ U.T + c, 1)
        loss = -(targets[at] * (mix @ table).clamp_min(1e-30).log()).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    hidden, bias, out, out_bias = (p.detach().double().numpy() for p in (W, b, U, c))
    scaled = hidden / spread
    lengths = tuple(int(n) for n in np.unique(summary[:, 0]))
    return Net(lengths, SCALES, scaled, bias - scaled @ mean, out, out_bias, rows)


def _row_laws(log_patterns: torch.Tensor, log_weights: torch.Tensor) -> torch.Tensor:
    """Return the laws of rows, (k, 2970), as `ExpressionLaw.from_weights` has them."""
    import torch

    single, pair, triple, repetition, question = torch.softmax(log_patterns, 1).T[..., None, None]
    first = torch.softmax(log_weights, 1)
    a, b = first[:, :, None], first[:, None, :]
    same = torch.eye(_N, dtype=first.dtype)
    asks = torch.zeros(_N, dtype=first.dtype)
    asks[[_CODE[token] for token in INQUIRY_TOKENS]] = 1 / len(INQUIRY_TOKENS)
    apart = a * b / (1 - a) * (1 - same)
    two = pair * apart + repetition * a * same + question * a * asks
    left = (1 - a - b).clamp_min(1e-12)
    three = (triple * apart / left)[..., None] * first[:, None, None, :]
    places = torch.tensor([[_CODE[token] for token in e] for e in EXPRESSIONS if len(e) == 3]).T
    return torch.cat(
        [single[:, 0] * first, two.flatten(1), three[:, places[0], places[1], places[2]]], 1
    )
