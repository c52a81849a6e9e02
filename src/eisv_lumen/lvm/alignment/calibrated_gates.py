"""The calibrated gates: each between a floor that needs no learning and a ceiling that exists.

G1 identification, G2 regression, G3 use of order, G4 arrow of time, G5 rollout, G6 other articles
(`lvm.md` §4). Every interval is over articles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .bootstrap import ArticleBootstrap, difference
from .identification import TIE, Doubles
from .records import SCALARS, Readings

__all__ = ["Gate", "Optimum", "calibrated_gates", "transfer_gate"]


@dataclass(frozen=True)
class Gate:
    """One question, a model's answer, and what it is to be read against.

    Attributes
    ----------
    name, title, asks, unit
        G1 to G6; what it measures; what has to hold.
    value, low, high
        The model's reading and its 95 % interval over articles.
    floor, floor_name
        What the best null gets.
    ceiling, ceiling_name
        What an oracle, or the exact optimum where it is known, gets.
    margin, margin_low, margin_high
        Value less floor, paired article by article.
    place
        margin / (ceiling − floor): 0 at the floor, 1 at the ceiling.
    passed
        Whether the margin's interval lies above 0 (by more than float32 rounds); None where it is
        reported, not gated.
    also
        Further readings.
    """

    name: str
    title: str
    asks: str
    unit: str
    value: float
    low: float
    high: float
    floor: float
    floor_name: str
    ceiling: float
    ceiling_name: str
    margin: float
    margin_low: float
    margin_high: float
    place: float
    passed: bool | None
    also: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimum:
    """Readings of the best possible predictor, where the process is known; ceilings come of it."""

    readings: Readings
    name: str = "exact optimum"


def calibrated_gates(
    found: Readings, articles: ArticleBootstrap, optimum: Optimum | None = None
) -> list[Gate]:
    """Decide the gates G1 to G5, those that the readings allow.

    Parameters
    ----------
    found
        Of all windows of a set.
    articles
        Resamples of its articles.
    optimum
        Of the same windows.
    """
    gates = [_identification(found, articles, optimum)]
    if found.error is not None:
        gates.append(_regression(found, articles, optimum))
    if found.lost is not None:
        gates.append(_order(found, articles, optimum))
    if found.forward is not None and np.isfinite(found.forward).any():
        gates.append(_arrow(found.forward, articles))
    if found.rollout is not None:
        gates.append(_rollout(found, articles, optimum))
    return gates


def transfer_gate(
    inside: tuple[Readings, ArticleBootstrap], outside: tuple[Readings, ArticleBootstrap]
) -> Gate:
    """Decide G6: what is left of the skill of G1 on another corpus, or on unseen articles.

    Parameters
    ----------
    inside, outside
        Readings and resamples of the set that the model was tuned on, and of the other.
    """
    values, intervals = [], []
    for found, articles in (inside, outside):
        floor = found.floor_bits[best_floor(found.floor_bits)]
        over, under = found.bits - floor, found.uniform - floor
        values.append(float(over.sum() / under.sum()))
        intervals.append(articles.interval(over, under))
    low, high = intervals[1]
    loss_low, loss_high = difference(values[0], intervals[0], values[1], intervals[1])
    kept = values[1] / values[0] if values[0] > 0 else 0.0
    return Gate(
        name="G6", title="identification on other articles",
        asks="normalised skill of G1 above 0 there, too", unit="skill",
        value=values[1], low=low, high=high, floor=0.0, floor_name="best floor there",
        ceiling=1.0, ceiling_name="log2 N", margin=values[1], margin_low=low, margin_high=high,
        place=values[1], passed=low > TIE,
        also={"validation": values[0], "loss": values[0] - values[1], "loss_low": loss_low,
              "loss_high": loss_high, "kept": kept},
    )  # fmt: skip


def best_floor(bits: Mapping[str, Doubles]) -> str:
    """Name the floor with the most bits."""
    return max(bits, key=lambda name: float(bits[name].mean()))


def _identification(found: Readings, articles: ArticleBootstrap, optimum: Optimum | None) -> Gate:
    name = best_floor(found.floor_bits)
    top, top_name = (
        (found.uniform, "log2 N") if optimum is None else (optimum.readings.bits, optimum.name)
    )
    also = {f"bits, {n}": float(bits.mean()) for n, bits in found.floor_bits.items()}
    for key in ("recall_1", "recall_5", "reciprocal"):
        values = getattr(found, key)
        low, high = articles.interval(values)
        also |= {key: float(values.mean()), f"{key}_low": low, f"{key}_high": high}
    return _gate(
        "G1", "identification", "more bits of the true next chunk than the best floor", "bits",
        found.bits, found.floor_bits[name], name, top, top_name, articles,
        also=also | {"uniform": float(found.uniform.mean())},
    )  # fmt: skip


def _regression(found: Readings, articles: ArticleBootstrap, optimum: Optimum | None) -> Gate:
    """Skill is 1 − error / error of the scalars: ratios of sums, in each resample too."""
    assert found.error is not None and found.with_last is not None
    assert found.target_with_last is not None
    scalars = found.floor_errors[SCALARS]
    name = min(found.floor_errors, key=lambda n: float(found.floor_errors[n].mean()))
    floor = found.floor_errors[name]
    best, best_name = np.zeros_like(scalars), "oracle"
    if optimum is not None and optimum.readings.error is not None:
        best, best_name = optimum.readings.error, optimum.name
    total = float(scalars.sum())
    value, margin = 1 - found.error.sum() / total, (floor - found.error).sum() / total
    low, high = articles.interval(scalars - found.error, scalars)
    margin_low, margin_high = articles.interval(floor - found.error, scalars)
    span = float((floor - best).sum()) / total
    also = {"with_last": float(found.with_last.mean()), "r_1": float(found.target_with_last.mean())}
    if found.cosine is not None:
        cos_low, cos_high = articles.interval(found.cosine)
        also |= {"cosine": float(found.cosine.mean()), "cosine_low": cos_low,
                 "cosine_high": cos_high}  # fmt: skip
    return Gate(
        name="G2", title="regression", unit="skill",
        asks="less squared error than the scalars on the context and than the nulls",
        value=float(value), low=low, high=high, floor=1 - float(floor.sum()) / total,
        floor_name=name, ceiling=1 - float(best.sum()) / total, ceiling_name=best_name,
        margin=float(margin), margin_low=margin_low, margin_high=margin_high,
        place=float(margin) / span if span > 0 else 0.0, passed=margin_low > TIE, also=also,
    )  # fmt: skip


def _order(found: Readings, articles: ArticleBootstrap, optimum: Optimum | None) -> Gate:
    assert found.lost is not None
    top, top_name = found.uniform, "log2 N"
    if optimum is not None and optimum.readings.lost is not None:
        top, top_name = optimum.readings.lost, optimum.name
    return _gate(
        "G3", "use of order", "bits are lost when the context is shuffled", "bits", found.lost,
        np.zeros_like(found.lost), "order not used", top, top_name, articles,
    )  # fmt: skip


def _arrow(forward: Doubles, articles: ArticleBootstrap) -> Gate:
    """Windows without K chunks after the target have no say."""
    here = np.isfinite(forward)
    value = np.where(here, forward, 0.0)
    low, high = articles.interval(value, here)
    mean = float(value.sum() / here.sum())
    return Gate(
        name="G4", title="arrow of time", unit="accuracy",
        asks="(reported) the context before tells the target better than the context after",
        value=mean, low=low, high=high, floor=0.5, floor_name="chance", ceiling=1.0,
        ceiling_name="always", margin=mean - 0.5, margin_low=low - 0.5, margin_high=high - 0.5,
        place=2 * (mean - 0.5), passed=None, also={"windows": float(here.sum())},
    )  # fmt: skip


def _rollout(found: Readings, articles: ArticleBootstrap, optimum: Optimum | None) -> Gate:
    """Mean over steps and windows, of those steps that stay in the article."""
    assert found.rollout is not None
    here = np.isfinite(found.rollout)

    def sums(values: Doubles) -> Doubles:
        return np.asarray(np.where(here, values, 0.0).sum(axis=1))

    steps = {"step": found.rollout, **found.rollout_floors}
    also = {
        f"{name} {h + 1}": float(np.nanmean(values[:, h]))
        for name, values in steps.items()
        for h in range(values.shape[1])
        if here[:, h].any()
    }
    floors = {name: sums(values) for name, values in found.rollout_floors.items()}
    name = max(floors, key=lambda n: float(floors[n].sum()))
    top, top_name = here.sum(axis=1).astype(float), "oracle"
    if optimum is not None and optimum.readings.rollout is not None:
        top, top_name = sums(optimum.readings.rollout), optimum.name
    return _gate(
        "G5", "rollout", "closer to the coming chunks than the best constant", "cosine",
        sums(found.rollout), floors[name], name, top, top_name, articles,
        under=here.sum(axis=1), also=also,
    )  # fmt: skip


def _gate(
    name: str, title: str, asks: str, unit: str, values: Doubles, floor: Doubles, floor_name: str,
    ceiling: Doubles, ceiling_name: str, articles: ArticleBootstrap, *,
    under: np.typing.NDArray[np.integer] | None = None, also: Mapping[str, float] | None = None,
) -> Gate:  # fmt: skip
    """Build a gate whose reading is a mean: sum(values) / sum(under)."""
    n = float(values.size if under is None else under.sum())
    low, high = articles.interval(values, under)
    margin_low, margin_high = articles.interval(values - floor, under)
    at, bottom, top = (float(x.sum()) / n for x in (values, floor, ceiling))
    return Gate(
        name=name, title=title, asks=asks, unit=unit, value=at, low=low, high=high, floor=bottom,
        floor_name=floor_name, ceiling=top, ceiling_name=ceiling_name, margin=at - bottom,
        margin_low=margin_low, margin_high=margin_high,
        place=(at - bottom) / (top - bottom) if top > bottom else 0.0, passed=margin_low > TIE,
        also=dict(also or {}),
    )  # fmt: skip
