"""Gates on the data, before training, and the readings that look like gates but cannot decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, Final

from ...core.errors import InputError
from . import diagnostics as d
from .copies import check_no_copies
from .identity import check_alike
from .sequences import SequenceSet
from .splits import check_disjoint

__all__ = ["COHERENCE", "PARITY", "TEMPORAL_SIGNAL", "Gate", "GateReport", "check", "refuse_or_go"]

COHERENCE: Final = 0.40
TEMPORAL_SIGNAL: Final = 0.08
NARRATIVE: Final = 0.10
"""The study's thresholds (`lvm.md` §1, §2.4)."""
PARITY: Final = 0.05
"""How far train and validation may lie apart: the study asked that they agree and gave no figure;
this is what its test E allows between validation and other data."""


@dataclass(frozen=True)
class Gate:
    """One condition on the data."""

    name: str
    split: str
    value: float
    threshold: float
    """The value must be at least this; for parity, at most."""
    floor: float | None
    """The value without order, all else kept; None where there is none."""
    passed: bool


@dataclass(frozen=True)
class GateReport:
    """All that is known of a pair of splits before training."""

    gates: tuple[Gate, ...]
    readings: dict[str, d.Readings]
    distinctness: dict[str, d.Distinctness]
    narrative: dict[str, d.Narrative]
    next_token: dict[str, d.NextToken]

    @property
    def passed(self) -> bool:
        """Say whether every gate holds."""
        return all(gate.passed for gate in self.gates)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; what could not be measured is null."""
        return {"passed": self.passed, **_plain(asdict(self))}


def check(train: SequenceSet, validation: SequenceSet | None = None) -> GateReport:
    """Take every reading of the data and set the gates' thresholds beside them.

    Parameters
    ----------
    train, validation
        Windows; without validation there is no parity to be checked.

    Raises
    ------
    InputError
        A set holds no window, the two share an article or near copies of one, or they differ in
        encoder or width.
    """
    splits = {"train": train} | ({} if validation is None else {"validation": validation})
    for name, s in splits.items():
        if len(s) == 0:
            raise InputError(f"{name}: no window; give longer articles or more of them")
    check_alike(splits)
    check_disjoint(splits)
    check_no_copies(splits, "make the sequences again with --drop-copies")
    readings = {name: d.read(s) for name, s in splits.items()}
    gates = [gate for name, found in readings.items() for gate in _of_split(name, found)]
    if validation is not None:
        gates += _of_pair(readings["train"], readings["validation"])
    return GateReport(
        tuple(gates),
        readings,
        {name: d.distinctness(s) for name, s in splits.items()},
        {name: d.narrative_delta(s) for name, s in splits.items()},
        {name: d.next_token_delta(s) for name, s in splits.items()},
    )


def refuse_or_go(report: GateReport, force: bool = False) -> None:
    """Refuse data that fails a gate, unless told to go on.

    Raises
    ------
    InputError
        A gate fails and `force` is not given; the message names all that fail.
    """
    if not report.passed and not force:
        raise InputError(
            f"the data fails {', '.join(_words(report.gates))}: there may be nothing to learn "
            "from it. `eisv-lumen lvm check` shows all; --force trains all the same"
        )


def _of_split(name: str, found: d.Readings) -> Iterable[Gate]:
    floor = found.coherence_floor
    rises = min(
        (b - a for a, b in zip(found.by_place, found.by_place[1:], strict=False)),
        default=float("nan"),
    )
    # Where K = 1 there is neither a pair inside the context nor an order: nan passes nothing.
    yield Gate("coherence", name, found.coherence, COHERENCE, floor, found.coherence >= COHERENCE)
    signal = found.temporal_signal
    yield Gate("temporal signal", name, signal, TEMPORAL_SIGNAL, 0.0, signal >= TEMPORAL_SIGNAL)
    yield Gate("smallest rise by place", name, rises, 0.0, 0.0, rises > 0)


def _of_pair(a: d.Readings, b: d.Readings) -> Iterable[Gate]:
    for reading in ("coherence", "temporal_signal"):
        apart = abs(getattr(a, reading) - getattr(b, reading))
        name = f"parity of {reading.replace('_', ' ')}"
        yield Gate(name, "train, validation", apart, PARITY, None, apart <= PARITY)


def _words(gates: Iterable[Gate]) -> Iterable[str]:
    for gate in gates:
        if not gate.passed:
            yield f"{gate.name} of {gate.split} ({gate.value:+.3f} against {gate.threshold:+.2f})"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and isnan(value) else value
