"""The figures of the post that the README does not have; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...eisv import EISV_DIMS, EISV_NAMES
from ...evaluation.report import EvalReport, Metric
from ...expression.vocabulary import SHAPES
from .style import FLOOR, INK, LAW, MUTED, NUCLEUS, OURS, STUDY, canvas, halves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["agreement", "blind_sighted", "same_end", "standing", "trajectories"]

Floats = npt.NDArray[np.float64]

_DIMENSIONS = dict(zip(EISV_DIMS, ("#d08a1d", LAW, "#b8434e", MUTED), strict=True))
_END = (0.50, 0.86, 0.12, 0.03)


def same_end(seed: int = 0) -> tuple[Floats, list[Floats], list[str]]:
    """Make two windows that end in one state, and name their shapes.

    Parameters
    ----------
    seed
        Of the small noise on every state but the last.

    Returns
    -------
    t : ndarray, shape (20,)
        Times [s]; the spacing is Lumen's median, 2.3 s.
    windows : list of ndarray, each of shape (20, 4)
        E, I, S, V: one climbs to the last state, one falls to it.
    shapes : list of str
        As the nine rules have it.
    """
    from ...trajectory.windows import WINDOW, classify

    rng = np.random.default_rng(seed)
    t = np.arange(WINDOW, dtype=np.float64) * 2.3
    course = 0.5 * (1 + np.cos(np.pi * np.linspace(0, 1, WINDOW)))  # 1 at the start, 0 at the end
    windows: list[Floats] = []
    for start in (-0.30, +0.30):
        X = np.tile(_END, (WINDOW, 1)) + np.outer(course, [start, -0.35 * start, 0.0, 0.0])
        X[:-1] += rng.normal(0, [0.006, 0.006, 0.006, 0.001], (WINDOW - 1, 4))
        windows.append(np.clip(X, 0, 1))
    return t, windows, [SHAPES[classify(t, X)[0]] for X in windows]


def trajectories(seed: int = 0) -> bytes:
    """Draw the two windows of `same_end` beside each other."""
    t, windows, shapes = same_end(seed)
    with canvas(7.8, 3.3, columns=2) as (figure, axes, buffer):
        for axis, X, shape in zip(axes, windows, shapes, strict=True):
            for j, (name, long) in enumerate(zip(EISV_DIMS, EISV_NAMES, strict=True)):
                color = _DIMENSIONS[name]
                axis.plot(t, X[:, j], color=color, lw=1.8, label=f"{name}, {long}")
                axis.plot(t[-1], X[-1, j], "o", color=color, mec=INK, ms=6, clip_on=False)
            axis.set_title(shape, fontsize=10, family="DejaVu Sans Mono")
            axis.set_xlabel("time [s]")
            axis.set_ylim(-0.03, 1.08)
        axes[0].set_ylabel("value")
        axes[0].plot([], [], "o", color="white", mec=INK, ms=6, label="last state, the same")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=7.5)
    return bytes(buffer.getvalue())


def standing(
    runs: Mapping[str, Mapping[str, Any]], ours: Mapping[str, EvalReport] | None = None
) -> bytes:
    """Draw the published progression, each run beside what perfect imitation gets on its test set.

    Parameters
    ----------
    runs
        `runs` of `results/study/standing.json`. Whiskers are two standard errors of a perfect
        imitator on as many windows.
    ours
        Our own reports by the same names; their 95 % intervals.
    """
    ours = {name: r for name, r in (ours or {}).items() if name in runs}
    names = sorted(runs, key=lambda name: name.endswith("-real"))
    lowest = 1.0
    x = np.arange(len(names), dtype=float)
    x[[name.endswith("-real") for name in names]] += 0.6
    with canvas(7.6, 4.0) as (_, axes, buffer):
        for key, color, shift, label in (
            ("plain", LAW, -0.14, "perfect imitator, top-k and top-p off (± 2 s.e.)"),
            ("nucleus", NUCLEUS, 0.14, "perfect imitator, inherited nucleus (± 2 s.e.)"),
        ):
            perfect = [runs[name][key]["perfect"] for name in names]
            errors = [2 * runs[name][key]["standard_error"] for name in names]
            axes.errorbar(
                x + shift, perfect, yerr=errors, fmt="_", ms=12, mew=2, lw=1.2, capsize=2,
                color=color, label=label,
            )  # fmt: skip
        published = np.array([runs[name]["published"] for name in names])
        real = np.array([name.endswith("-real") for name in names])
        axes.plot(x[~real], published[~real], "D-", color=STUDY, ms=6, lw=1, label="the study")
        axes.plot(x[real], published[real], "D", color=STUDY, ms=6)
        if ours:
            at = [names.index(name) for name in ours]
            found = [report.at(0.3).metrics["macro_coherence"] for report in ours.values()]
            lowest = min(m.value if m.low is None else m.low for m in found)
            axes.errorbar(
                x[at] + 0.3, [m.value for m in found], yerr=halves(found), fmt="o", ms=4,
                color=OURS, label="ours (tiny), balanced windows",
            )  # fmt: skip
        axes.set_xticks(x, [runs[name]["title"].replace(" on ", "\non ") for name in names])
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="coherence, T = 0.3", ylim=(min(0.55, lowest - 0.03), 1.02))
        axes.legend(fontsize=8, loc="lower right")
    return bytes(buffer.getvalue())


def agreement(facts: Mapping[str, Any], ours: Mapping[str, Any] | None = None) -> bytes:
    """Draw the share of 20-state labels that the last k states keep, by k.

    Parameters
    ----------
    facts
        `results/study/facts.json`.
    ours
        `process_at_20` of `results/lumen_like/distances.json`.
    """
    with canvas(6.2, 3.3) as (_, axes, buffer):
        _shares(axes, facts["label_agreement"], "D-", STUDY, "the study: Lumen's log")
        if ours:
            found = {**ours["agreement"], "20": 1.0}
            _shares(axes, found, "o--", OURS, "ours: Lumen-like process, fitted to it")
        axes.set(
            xlabel="states in the window that is classified",
            ylabel="labels kept [%]",
            ylim=(50, 103),
            xticks=[int(k) for k in facts["label_agreement"]],
        )
        axes.legend(fontsize=8, loc="lower right")
    return bytes(buffer.getvalue())


def blind_sighted(
    imitator: EvalReport,
    ignorant: EvalReport,
    sighted: EvalReport | None = None,
    blind: Mapping[str, EvalReport] | None = None,
) -> bytes:
    """Draw what is left when the shape's name is withheld: balanced windows, and real ones.

    Parameters
    ----------
    imitator, ignorant
        Exact reports of perfect imitation and of the best speaker that reads nothing.
    sighted
        Our best report with the shape's name in the prompt.
    blind
        `results/blind`: `series` over balanced windows; `teacher-real`, its whole laws, over the
        real ones.
    """
    reports = blind or {}
    with canvas(8.0, 3.6, columns=2) as (_, axes, buffer):
        for report, style, color, label in (
            (imitator, "-", LAW, "perfect imitator"),
            (ignorant, "--", FLOOR, "reads nothing"),
        ):
            rows = sorted(
                (r.decoding.temperature, r.metrics["macro_coherence"].value)
                for r in report.results
                if r.decoding.top_k == 0 and r.decoding.temperature <= 1
            )
            axes[0].plot(*zip(*rows, strict=True), style, color=color, label=label)
        for ours, color, marker, shift, label in (  # shifted, so that neither hides the other
            (sighted, STUDY, "s", -0.012, "ours, sighted"),
            (reports.get("series"), OURS, "o", 0.012, "ours, blind: reads the series"),
        ):
            if ours is not None:
                points = [r for r in ours.results if r.decoding.top_k == 0]
                found = [r.metrics["macro_coherence"] for r in points]
                axes[0].errorbar(
                    [r.decoding.temperature + shift for r in points], [m.value for m in found],
                    yerr=halves(found), fmt=marker, ms=4, lw=1, color=color, label=label,
                )  # fmt: skip
        axes[0].set(
            title="balanced windows, nine shapes", xlabel="decoding temperature",
            ylabel="coherence, mean over shapes", ylim=(0, 1.04),
        )  # fmt: skip
        axes[0].legend(fontsize=7.5, loc="lower left")
        if "teacher-real" in reports:
            n = reports["teacher-real"].at(0.3).n
            _bars(axes[1], _real_rows(reports))
            axes[1].set(title=f"the same {n} real windows, T = 0.3", xlabel="coherence",
                        xlim=(0, 1.04))  # fmt: skip
        else:
            axes[1].set_axis_off()
    return bytes(buffer.getvalue())


def _real_rows(blind: Mapping[str, EvalReport]) -> list[tuple[str, Metric, str]]:
    """Label, coherence and colour of each blind speaker, all on the same real windows."""
    named = (
        ("constant-real", "always “convergence”", FLOOR),
        ("forest-real", "random forest", MUTED),
        ("teacher-real", "ours: reads the summary", OURS),
    )
    rows = [
        (label, blind[name].at(0.3).metrics["coherence"], color)
        for name, label, color in named
        if name in blind
    ]
    perfect = blind["teacher-real"].at(0.3).metrics["coherence"].perfect
    return [*rows, ("perfect imitator", Metric(value=perfect or 1.0), LAW)]


def _bars(axes: Axes, rows: Sequence[tuple[str, Metric, str]]) -> None:
    y = [float(i) for i in range(len(rows))]
    values = [metric.value for _, metric, _ in rows]
    axes.barh(
        y, values, xerr=halves([metric for _, metric, _ in rows]),
        color=[color for *_, color in rows], height=0.66, ecolor=INK,
    )  # fmt: skip
    for at, value in zip(y, values, strict=True):
        axes.text(value - 0.05, at, f"{value:.3f}", ha="right", va="center", color="white",
                  fontsize=8)  # fmt: skip
    axes.set_yticks(y, [label for label, *_ in rows])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _shares(axes: Axes, shares: Mapping[str, float], style: str, color: str, label: str) -> None:
    k = sorted(map(int, shares))
    axes.plot(k, [100 * shares[str(n)] for n in k], style, color=color, ms=5, label=label)
