"""How a speaker is scored on windows whose shapes are known: one computation for every speaker.

What is known of a speaker is either one expression for each window, or its whole law of each; the
metrics (`metrics.METRICS`) are the same. Whatever a score could mean stands beside it: floor,
perfect imitator, ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..expression.coherence import percentile_interval, resample_counts
from ..expression.intervals import macro_interval, mean_interval, t_quantile
from ..expression.law import ExpressionLaw
from ..expression.vocabulary import SHAPES
from .metrics import METRICS, Measure, Said, Spoken, expected_divergence
from .references import References, decode_rows
from .report import DecodedResult, Decoding, Metric

__all__ = ["DECODINGS", "INHERITED", "N_RESAMPLES", "Spoken", "score", "score_laws"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Laws = Sequence[ExpressionLaw]

DECODINGS = tuple(Decoding(temperature=t, top_k=0, top_p=1.0) for t in (1.0, 0.7, 0.5, 0.3, 0.0))
"""The decodings of every report: top_k and top_p off."""
INHERITED = Decoding(temperature=0.3, top_k=20, top_p=0.95)
"""What the study's setting becomes with the nucleus of Qwen3's generation config."""
N_RESAMPLES = 1000


def score(
    spoken: Spoken,
    shapes: Codes,
    laws: Laws,
    decoding: Decoding,
    *,
    excess_nats: npt.ArrayLike | None = None,
    seed: int = 0,
) -> DecodedResult:
    """Score what was said against the laws, under one decoding.

    Parameters
    ----------
    spoken
        What was said of n windows.
    shapes : ndarray, shape (n,), int8
        Positions in `SHAPES` of the windows' true shapes.
    laws
        The laws that the speaker should imitate, one for each shape.
    decoding
        How it was decoded; the references are decoded alike.
    excess_nats : array_like, shape (n,), optional
        Each window's excess nats: of the law over the speaker, both tempered alike.
    seed
        Seed of the bootstrap.

    Returns
    -------
    DecodedResult
        All of `METRICS` that expressions have; means over shapes are called `macro_…`.

    Raises
    ------
    InputError
        There are no windows, or lengths differ.
    """
    n = len(spoken)
    if n == 0 or len(shapes) != n:
        raise InputError(f"{n} outputs for {len(shapes)} windows: give one output for each window")
    references = References(laws, decoding)
    excess = None if excess_nats is None else np.asarray(excess_nats, dtype=np.float64)
    said = Said(
        shapes, references.target, references.wanted, words=spoken, excess=excess,
        greedy=decoding.temperature == 0, seed=seed,
    )  # fmt: skip
    return _result(said, references, decoding, resample_counts(shapes, N_RESAMPLES, seed), None)


def score_laws(
    pmf: Floats,
    shapes: Codes,
    laws: Laws,
    decoding: Decoding,
    *,
    teacher: Floats | None = None,
    mix: Floats | None = None,
    seed: int = 0,
) -> DecodedResult:
    """Score a speaker's whole law of each window: nothing is drawn.

    Parameters
    ----------
    pmf : ndarray, shape (n, 2970)
        The speaker's law of each window before decoding, each row summing to 1.
    shapes, laws, decoding, seed
        As for `score`.
    teacher : ndarray, shape (n, 2970), optional
        The law of the speaker's teacher, where that is known; rows are normalised.
    mix : ndarray, shape (n,), optional
        How often each of the windows occurs. They are then all that there is, not a sample: there
        are no intervals, and `n` of the result is 0.

    Returns
    -------
    DecodedResult
        All of `METRICS` that laws have; means over shapes are called `macro_…`.

    Raises
    ------
    InputError
        There are no windows, or lengths differ.
    """
    n = len(pmf)
    if n == 0 or len(shapes) != n or (teacher is not None and len(teacher) != n):
        raise InputError(f"{n} laws for {len(shapes)} windows: give one for each")
    references = References(laws, decoding)
    taught = None
    if teacher is not None:
        taught = decode_rows(teacher / teacher.sum(1, keepdims=True), decoding)
    said = Said(
        shapes, references.target, references.wanted, pmf=decode_rows(pmf, decoding),
        teacher=taught, greedy=decoding.temperature == 0 and mix is None, seed=seed,
    )  # fmt: skip
    resampled = None if mix is not None else resample_counts(shapes, N_RESAMPLES, seed)
    return _result(said, references, decoding, resampled, mix)


@dataclass(frozen=True, eq=False)
class _Scene:
    """Windows and their weights: what all metrics of one result share."""

    said: Said
    references: References
    resampled: npt.NDArray[np.float32] | None
    each: Floats  # weight of each window in the mean over all, (n,)
    even: Floats  # in the mean over shapes
    mix: Floats  # share of each shape among the windows, (shapes,)
    present: Codes


def _result(
    said: Said,
    references: References,
    decoding: Decoding,
    resampled: npt.NDArray[np.float32] | None,
    mix: Floats | None,
) -> DecodedResult:
    n = len(said.shapes)
    each = np.full(n, 1 / n) if mix is None else mix / mix.sum()
    present, count = np.unique(said.shapes, return_counts=True)
    even = 1 / (present.size * count[np.searchsorted(present, said.shapes)])
    shares = np.bincount(said.shapes, each, minlength=len(SHAPES)).astype(np.float64)
    scene = _Scene(said, references, resampled, each, even, shares, present)
    metrics: dict[str, Metric] = {}
    per_shape: dict[str, dict[str, Metric]] = {SHAPES[code]: {} for code in present}
    for measure in METRICS:
        if measure.pooled is not None:
            metrics[measure.name] = _statistic(measure, scene)
        elif measure.certain is not None and said.words is None:
            sure = measure.certain
            metrics[measure.name] = Metric(value=sure, floor=sure, perfect=sure, ceiling=sure)
        else:
            _means(measure, scene, metrics, per_shape)
    per_shape = {shape: found for shape, found in per_shape.items() if found}
    number = n if mix is None else 0
    return DecodedResult(decoding=decoding, n=number, metrics=metrics, per_shape=per_shape)


def _means(
    measure: Measure,
    scene: _Scene,
    metrics: dict[str, Metric],
    per_shape: dict[str, dict[str, Metric]],
) -> None:
    """Write a metric's mean over windows, over shapes, and of each shape."""
    said = scene.said
    assert measure.values is not None
    values = measure.values(said)
    if values is None:
        return
    if measure.over_all:
        metrics[measure.name] = _mean(measure, scene, values, scene.each, scene.mix)
    if measure.macro:
        share = np.isin(np.arange(len(SHAPES)), scene.present) / scene.present.size
        metrics[f"macro_{measure.name}"] = _mean(measure, scene, values, scene.even, share)
    for code in scene.present:
        alone = np.eye(len(SHAPES))[code]
        members = said.shapes == code
        found = _mean(measure, scene, values, members / members.sum(), alone)
        per_shape[SHAPES[code]][measure.name] = found


def _mean(measure: Measure, scene: _Scene, values: Floats, weight: Floats, share: Floats) -> Metric:
    """Average over windows by `weight` (n,), the references by `share` (shapes,)."""
    low, high = _interval(measure, scene, values, weight)
    floor: Floats | None = None
    if measure.floor == "random":
        floor = _of(measure, scene.said, scene.references.random)
    elif measure.floor == "ignorant":
        # Of one shape alone the best that reads nothing is that of all windows.
        floor = scene.references.ignorance(scene.mix if share.max() == 1 else share)
    elif isinstance(measure.floor, float):
        floor = np.full(len(SHAPES), measure.floor)
    perfect = _of(measure, scene.said, scene.references.wanted) if measure.perfect else None
    ceiling = measure.ceiling(scene.said) if callable(measure.ceiling) else measure.ceiling
    return Metric(
        value=_average(values, weight),
        low=low,
        high=high,
        floor=None if floor is None else _average(floor, share),
        perfect=None if perfect is None else _average(perfect, share),
        ceiling=_average(ceiling, share) if isinstance(ceiling, np.ndarray) else ceiling,
    )


def _interval(
    measure: Measure, scene: _Scene, values: Floats, weight: Floats
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a mean over windows, none where they are no sample."""
    if scene.resampled is None:
        return None, None
    said, chosen = scene.said, weight > 0
    x, strata = values[chosen], said.shapes[chosen]
    present, index = np.unique(strata, return_inverse=True)
    shares = bool(np.isin(x, (0.0, 1.0)).all()) and weight is scene.each
    if said.words is None and np.ptp(x) == 0:  # a law that is the same for all of them
        found = float(x[0]), float(x[0])
    elif present.size == 1 or shares:
        found = mean_interval(x, bounds=measure.bounds, seed=said.seed)
    else:
        found = macro_interval(
            x, strata, weights=np.bincount(index, weight[chosen]), bounds=measure.bounds
        )
    low, high = found
    return (low, high) if np.isfinite(low) and np.isfinite(high) else (None, None)


def _average(values: Floats, weights: Floats) -> float:
    """Return the weighted mean; of values that are all one number, that number to the last bit."""
    w = weights / weights.max()
    return float((w * values).sum() / w.sum())


def _of(measure: Measure, said: Said, laws: Floats) -> Floats | None:
    """Return what a speaker with one law for each shape gets of each shape."""
    assert measure.values is not None
    return measure.values(said.of_laws(laws))


def _statistic(measure: Measure, scene: _Scene) -> Metric:
    """Return a statistic of all windows together; the references speak of the same mix.

    Where the windows are no sample, they are one of each shape, and count alike.
    """
    said, references = scene.said, scene.references
    assert measure.pooled is not None
    weights, mix = scene.each, scene.mix
    if scene.resampled is None:
        weights, mix = scene.even, np.isin(np.arange(len(SHAPES)), scene.present) / 1.0
    value = float(measure.pooled(said, weights[None])[0])
    low = high = None
    if scene.resampled is not None:
        low, high = _centred(
            measure.pooled(said, scene.resampled.astype(np.float64)), value, len(said.shapes)
        )
    floor = measure.floor
    if floor == "random":
        floor = _of_present(measure, said.of_laws(references.random), scene.present)
    if measure.name.endswith("divergence"):
        perfect = expected_divergence(measure, said)
    else:
        perfect = float(measure.pooled(said.of_laws(references.wanted), mix[None])[0])
    ceiling = measure.ceiling
    assert not isinstance(floor, str) and not callable(ceiling)
    return Metric(value=value, low=low, high=high, floor=floor, perfect=perfect, ceiling=ceiling)


def _of_present(measure: Measure, said: Said, present: Codes) -> float:
    """Return the statistic of the shapes that are present alone, each heard once."""
    assert measure.pooled is not None and said.pmf is not None
    chosen = replace(said, shapes=said.shapes[present], pmf=said.pmf[present])
    return float(measure.pooled(chosen, np.ones((1, len(present))))[0])


def _centred(resampled: Floats, value: float, n: int) -> tuple[float, float]:
    """Percentile interval less the bootstrap's bias, no narrower than Student's.

    Resampling inflates a divergence, and few windows have too little spread.
    """
    low, high = percentile_interval(resampled - resampled.mean() + value)
    half = t_quantile(0.95, n - 1) * float(resampled.std())
    return max(min(low, value - half), 0.0), max(high, value + half)
