"""The post's claims, each with the numbers of its results file and the tab that shows it."""

from __future__ import annotations

from dataclasses import dataclass

from curves import perfection
from folder import Report, reports

from eisv_lumen.expression.vocabulary import AFFINE_TOKENS, REAL_MIX

__all__ = ["Claim", "claims"]


@dataclass(frozen=True)
class Claim:
    """A sentence, the tab that shows it, and how that tab has to be set."""

    text: str
    tab: str
    temperature: float | None = None
    nucleus: bool | None = None
    report: str | None = None


def claims() -> list[Claim]:
    """Return the claims that the results travelling here can show."""
    law = reports()["law/imitator"]

    def perfect(temperature: float, nucleus: bool = False) -> float:
        cut = {"top_k": 20, "top_p": 0.95} if nucleus else {}
        return law.report.at(temperature, **cut).metrics["macro_coherence"].value

    found = [
        Claim(
            "Coherence is a thermometer: a perfect imitator reads "
            f"**{perfect(1.0):.3f}** at T = 1, **{perfect(0.3):.3f}** at T = 0.3 and "
            f"**{perfect(0.0):.3f}** greedily, without learning anything.",
            "thermometer", 1.0, False,
        ),
    ]  # fmt: skip
    late = ("v4", "v5", "v6")
    if {f"published/{name}" for name in late} <= set(reports()):
        plain, cut = (", ".join(_away(name, nucleus) for name in late) for nucleus in (False, True))
        found += [
            Claim(
                "With nothing cut off, the study’s V4, V5 and V6 stand "
                f"**{plain}** standard errors from perfect imitation over their own windows: the "
                "synthetic ceiling *is* perfect imitation.",
                "thermometer", 0.3, False,
            ),
            Claim(
                "Under the nucleus that Qwen3 brings, perfect imitation reads "
                f"**{perfect(0.3, True):.3f}**, and the same runs stand **{cut}** standard errors "
                "from it. The record cannot say which it was.",
                "thermometer", 0.3, True,
            ),
        ]  # fmt: skip
    if {"published/v5", "published/v5-real", "published/v6-real"} <= set(reports()):
        v5, drop, v6 = (_value(reports()[f"published/{n}"]) for n in ("v5", "v5-real", "v6-real"))
        found.append(
            Claim(
                f"From synthetic windows to real ones V5 fell from {v5:.3f} to **{drop:.3f}**; V6, "
                f"which had seen real ones, read **{v6:.3f}**.",
                "results", report="published/v5-real",
            )
        )  # fmt: skip
    if "law/feedback" in reports():
        learned = reports()["law/feedback"].report.at(1.0).metrics["coherence"].value
        found.append(
            Claim(
                f"After feedback the voice reads **{learned:.3f}** at T = 1: a target that an "
                "imitator can reach honestly, without cold decoding.",
                "results", report="law/feedback",
            )
        )  # fmt: skip
    both = [t for t in AFFINE_TOKENS["convergence"] if t in AFFINE_TOKENS["settled_presence"]]
    share = REAL_MIX["settled_presence"] + REAL_MIX["convergence"]
    found += [
        Claim(
            f"Settled presence and convergence, {share:.0%} of real windows, share {len(both)} of "
            "their four words: so a speaker that reads nothing still scores well on real data.",
            "voice",
        ),
        Claim(
            "A window’s shape follows from nine rules on its numbers, tried in order, and each "
            "can be checked.",
            "trajectory",
        ),
    ]
    return found


def _away(run: str, nucleus: bool) -> str:
    mean, error = perfection(run, 0.3, nucleus)
    away = (_value(reports()[f"published/{run}"]) - mean) / error
    return f"{away:+.1f}".replace("-", "−")


def _value(entry: Report) -> float:
    return entry.report.results[0].metrics["coherence"].value
