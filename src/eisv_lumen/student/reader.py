"""A voice distilled into data, spoken by the standard library alone: Python 3.9 and later.

Copy this file and a student's JSON to any machine; neither NumPy nor this package is needed::

    from reader import Student
    student = Student.load("student.json")
    student.speak(shape="convergence", temperature=0.3, seed=7)

A *row* says how a voice speaks of one shape: how often it draws each of five patterns, and a
weight for each of fifteen tokens. A student speaks with the row of a shape that is named, or that
nine rules find in a series of states; or with a mixture of further rows, whose weights a small
network reads from the fourteen numbers of a window's summary.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from operator import add, mul, sub, truediv
from typing import Any

__all__ = ["FORMAT", "Student", "checksum"]

FORMAT = "eisv-lumen-student/1"


class Student:
    """A distilled voice.

    Parameters
    ----------
    body
        What `FORMAT` names: `shapes`, `tokens`, `inquiry` (the tokens that end a question),
        `patterns` (a row a shape: P of single, pair, triple, repetition, question), `weights` (a
        row a shape, a weight a token), `rules` (the thresholds of the nine rules) and, if it reads
        summaries, `net`: `n_states`, `scales`, the layers `hidden` and `out`, a (row, bias) for
        each unit, and the `patterns` and `weights` that it mixes.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.shapes: list[str] = body["shapes"]
        self.tokens: list[str] = body["tokens"]
        self._net = body.get("net")
        self._row = {shape: k for k, shape in enumerate(self.shapes)}
        tables = [body] if self._net is None else [body, self._net]
        inquiry = [self.tokens.index(token) for token in body["inquiry"]]
        self._alone = [
            _Rows([patterns], [weights], inquiry)
            for table in tables
            for patterns, weights in zip(table["patterns"], table["weights"])
        ]
        self._mixed: _Rows | None = None
        if self._net is not None:
            self._mixed = _Rows(self._net["patterns"], self._net["weights"], inquiry)

    @classmethod
    def load(cls, path: str) -> Student:
        """Read a student from its JSON file.

        Raises
        ------
        ValueError
            It is no student, or its checksum does not fit: the file was changed or cut.
        """
        with open(path, encoding="utf-8") as file:
            return cls.loads(file.read(), str(path))

    @classmethod
    def loads(cls, text: str, name: str = "student") -> Student:
        """Read a student from text; `name` is what an error calls it."""
        try:
            found = json.loads(text)
            body, form, digest = found["student"], found["format"], found["sha256"]
        except KeyError as error:
            raise ValueError(f"{name}: not a student: field {error} is missing") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{name}: not a student: not a JSON object ({error})") from None
        if form != FORMAT:
            raise ValueError(f"{name}: its format is {form!r}; this reader knows {FORMAT!r}")
        if checksum(body) != digest:
            raise ValueError(f"{name}: its checksum does not fit; fetch or distil it again")
        try:
            return cls(body)
        except KeyError as error:
            raise ValueError(f"{name}: not a student: field {error} is missing") from None
        except (TypeError, ValueError, IndexError, ArithmeticError) as error:
            raise ValueError(f"{name}: not a student ({error!r})") from None

    def speak(
        self,
        shape: str | None = None,
        *,
        summary: Sequence[float] | None = None,
        series: Sequence[Sequence[float]] | None = None,
        temperature: float = 1.0,
        seed: int | random.Random | None = None,
    ) -> list[str]:
        """Say something of a window, which is given by exactly one of the first three.

        Parameters
        ----------
        shape
            One of `shapes`.
        summary
            n_states, duration [s], the means of E, I, S, V, of their first derivatives [1/s] and
            of their second [1/s²].
        series
            States in order of time: (t [s], E, I, S, V) or (t, E, I, S, V, ethical_drift).
        temperature
            T ≥ 0: at each step, the decision to stop included, probabilities are raised to 1/T.
            1 is the voice's own law; 0 is greedy, ties shared.
        seed
            A whole number, or a generator to draw from; None: a seed of the system's.

        Returns
        -------
        list of str
            One to three tokens.

        Raises
        ------
        ValueError
            What is given cannot be used.
        """
        mix, rows = self._speaker(shape, summary, series)
        _check(temperature)
        rng = seed if isinstance(seed, random.Random) else random.Random(seed)
        draw = rng.random
        if temperature == 1 and len(mix) > 1:  # to draw from a mixture is to draw a row first
            mix, rows = [1.0], self._alone[len(self.shapes) + _pick(mix, draw())]
        tokens, stop = self.tokens, len(self.tokens)
        a = _pick(_tempered(rows.first_step(mix), temperature), draw())
        b = _pick(_tempered(rows.second_step(mix, a), temperature), draw())
        if b == stop:
            return [tokens[a]]
        c = _pick(_tempered(rows.third_step(mix, a, b), temperature), draw())
        return [tokens[a], tokens[b]] if c == stop else [tokens[a], tokens[b], tokens[c]]

    def law(
        self,
        shape: str | None = None,
        *,
        summary: Sequence[float] | None = None,
        series: Sequence[Sequence[float]] | None = None,
        temperature: float = 1.0,
    ) -> dict[tuple[str, ...], float]:
        """Return the probability of each of the 2,970 expressions; arguments as for `speak`."""
        mix, rows = self._speaker(shape, summary, series)
        _check(temperature)
        tokens, n = self.tokens, len(self.tokens)
        found: dict[tuple[str, ...], float] = {}
        for a, p in enumerate(_normal(_tempered(rows.first_step(mix), temperature))):
            second = _normal(_tempered(rows.second_step(mix, a), temperature))
            found[(tokens[a],)] = p * second[n]
            for b, q in enumerate(second[:n]):
                third = _normal(_tempered(rows.third_step(mix, a, b), temperature))
                found[tokens[a], tokens[b]] = p * q * third[n]
                for c in range(n):
                    if a != b and c not in (a, b):
                        found[tokens[a], tokens[b], tokens[c]] = p * q * third[c]
        return found

    def read(self, summary: Sequence[float]) -> list[float]:
        """Return the weights of the mixed rows, as the network reads them from a summary."""
        net = self._net
        if net is None:
            raise ValueError("this student reads no summaries; give a shape or a series")
        if len(summary) != len(net["scales"]):
            raise ValueError(f"a summary has {len(net['scales'])} numbers, not {len(summary)}")
        if summary[0] not in net["n_states"]:
            taught = ", ".join(map(str, net["n_states"]))
            raise ValueError(f"n_states={summary[0]}: it was taught windows of {taught} states")
        # Rates span decades on either side of 0: asinh is linear there, logarithmic far out.
        x = list(map(math.asinh, map(truediv, summary, net["scales"])))
        if not math.isfinite(sum(x)):
            raise ValueError("a number of the summary is not finite")
        tanh, exp = math.tanh, math.exp
        h = [tanh(sum(map(mul, row, x)) + bias) for row, bias in net["hidden"]]
        z = [sum(map(mul, row, h)) + bias for row, bias in net["out"]]
        top = max(z)
        return _normal([exp(value - top) for value in z])

    def shape_of(self, series: Sequence[Sequence[float]]) -> str:
        """Return the shape of a window of states: the first of the nine rules that holds."""
        width = {len(state) for state in series}
        if len(series) < 2 or width not in ({5}, {6}):
            raise ValueError("a series is two states or more, all (t, E, I, S, V[, drift])")
        t, E, I, S, V, *drift = zip(*series)
        if not math.isfinite(sum(map(sum, zip(*series)))):
            raise ValueError("a number of the series is not finite")
        dt = list(map(sub, t[1:], t))
        if min(dt) < 0:
            raise ValueError("time decreases; sort the series by time")
        limit = self.body["rules"]
        dE, dS, dV = (_rates(x, dt) for x in (E, S, V))
        mean_dE = _mean(dE)
        if max(E) - min(E) >= limit["basin_range"]:
            if mean_dE < 0 and E[0] > E[-1]:
                return "basin_transition_down"
            if mean_dE > 0 and E[-1] > E[0]:
                return "basin_transition_up"
        if max(S) - min(S) >= limit["spike_range"] and 0 < S.index(max(S)) < len(S) - 1:
            return "entropy_spike_recovery"
        if drift and max(drift[0]) > limit["drift"]:
            return "drift_dissonance"
        rate = limit["rate"]
        if _mean(dV) > rate:
            return "void_rising"
        if _mean(dS) > rate:
            return "rising_entropy"
        if mean_dE < -rate:
            return "falling_energy"
        first = [dE, _rates(I, dt), dS, dV]
        fastest = max(map(_largest, first))
        if len(dE) > 1 and limit["still"] < fastest < rate:
            later = [step for step in dt if step > 0][1:]
            if all(_largest(list(map(truediv, map(sub, d[1:], d), later))) < rate for d in first):
                return "convergence"
        return "settled_presence"

    def _speaker(
        self,
        shape: str | None,
        summary: Sequence[float] | None,
        series: Sequence[Sequence[float]] | None,
    ) -> tuple[list[float], _Rows]:
        """Return who speaks of a window: rows, and the weights with which they are mixed."""
        if (shape is None) + (summary is None) + (series is None) != 2:
            raise ValueError("give exactly one of shape, summary and series")
        if summary is not None:
            mix = self.read(summary)
            assert self._mixed is not None
            return mix, self._mixed
        if series is not None:
            shape = self.shape_of(series)
        if shape not in self._row:
            raise ValueError(f"unknown shape {shape!r}: use one of {', '.join(self.shapes)}")
        return [1.0], self._alone[self._row[shape]]


class _Rows:
    """Rows that are mixed, as columns: for each token what it takes of each row.

    A step is a list of probabilities, not normalised: one a token, and from the second step on
    'stop' as the last. They are those of all that is said so far and the token together.
    """

    def __init__(
        self, patterns: list[list[float]], weights: list[list[float]], inquiry: list[int]
    ) -> None:
        p = [_normal(row) for row in patterns]
        _, self.pair, self.triple, _, _ = columns = list(zip(*p))
        self.inquiry = inquiry
        self.first = list(zip(*map(_normal, weights)))
        self.stop, self.again, asked = (
            [list(map(mul, first, columns[k])) for first in self.first] for k in (0, 3, 4)
        )
        self.asked = [[q / len(inquiry) for q in row] for row in asked]
        # Drawn without replacement: what is left is 1 less the weight of what was drawn.
        self.left = [[f / (1 - f) for f in first] for first in self.first]
        more = list(map(add, self.pair, self.triple))
        self.more = [list(map(mul, left, more)) for left in self.left]
        self.alone = [first[0] for first in self.first] if len(p) == 1 else None

    def first_step(self, mix: Sequence[float]) -> list[float]:
        if self.alone:
            m = mix[0]
            return [m * w for w in self.alone]
        return [sum(map(mul, mix, first)) for first in self.first]

    def second_step(self, mix: Sequence[float], a: int) -> list[float]:
        step = self.first_step(list(map(mul, mix, self.more[a])))
        step[a] = sum(map(mul, mix, self.again[a]))
        asked = sum(map(mul, mix, self.asked[a]))
        for b in self.inquiry:
            step[b] += asked
        step.append(sum(map(mul, mix, self.stop[a])))
        return step

    def third_step(self, mix: Sequence[float], a: int, b: int) -> list[float]:
        stop = sum(map(mul, mix, self.asked[a])) if b in self.inquiry else 0.0
        if a == b:
            stop += sum(map(mul, mix, self.again[a]))
            return [0.0] * len(self.first) + [stop]
        two = list(map(mul, map(mul, mix, self.left[a]), self.first[b]))
        stop += sum(map(mul, two, self.pair))
        drawn = map(add, self.first[a], self.first[b])
        step = self.first_step([m * t / (1 - d) for m, t, d in zip(two, self.triple, drawn)])
        step[a] = step[b] = 0.0
        step.append(stop)
        return step


def checksum(body: dict[str, Any]) -> str:
    """Return the SHA-256 of a student's body, written in one fixed form."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _rates(x: Sequence[float], dt: list[float]) -> list[float]:
    """Return the first derivatives; over a repeated time there is none."""
    if min(dt) > 0:
        return list(map(truediv, map(sub, x[1:], x), dt))
    return [(b - a) / step for a, b, step in zip(x, x[1:], dt) if step > 0]


def _mean(values: list[float]) -> float:
    # One by one, as the rules' kernel adds: the built-in sum rounds otherwise from 3.12 on.
    return reduce(add, values) / len(values) if values else 0.0


def _largest(values: list[float]) -> float:
    return max(map(abs, values), default=0.0)


def _check(temperature: float) -> None:
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature={temperature}: it must be finite, and at least 0")


def _tempered(step: list[float], temperature: float) -> list[float]:
    """Raise to 1/T; of greedy decoding's ties, none is broken by rounding."""
    if temperature == 1:
        return step
    top = max(step)
    if temperature == 0:
        return [float(p >= top * (1 - 1e-12)) for p in step]
    power = 1 / temperature
    return [(p / top) ** power for p in step]


def _normal(step: list[float]) -> list[float]:
    total = math.fsum(step)
    return [p / total for p in step]


def _pick(step: list[float], u: float) -> int:
    """Return the position that u in [0, 1) falls on, each as wide as its probability."""
    ends = list(accumulate(step))
    i = bisect_right(ends, u * ends[-1], 0, len(ends) - 1)
    while not step[i]:  # rounding left u beyond the last that can be
        i -= 1
    return i
