"""The compiled pass over a series: shape codes and summaries, without materialising windows.

The series is walked in chunks that stay in the cache. First the rates of change are taken, once a
state, and folded into one byte of marks a state, in loops that the compiler vectorises. A window
then needs only the union of its marks and the ranges of E and S, joined from those of the blocks
that windows share; where a mean decides, it adds up its own rates. Divisions are true divisions
and sums run in time order, so labels are those of the plain definition to the last bit: a
reciprocal or a running sum would flip labels at the thresholds.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..expression.vocabulary import SHAPES
from .rules import BASIN_RANGE, DRIFT_LIMIT, RATE_LIMIT, SPIKE_RANGE, STILL

N_SUMMARY = 14
"""Columns of a summary: n_states, duration, means of E I S V, of their first, of their second
derivatives."""

_DOWN = SHAPES.index("basin_transition_down")
_UP = SHAPES.index("basin_transition_up")
_SPIKE = SHAPES.index("entropy_spike_recovery")
_DRIFT = SHAPES.index("drift_dissonance")
_VOID = SHAPES.index("void_rising")
_RISING = SHAPES.index("rising_entropy")
_FALLING = SHAPES.index("falling_energy")
_CONVERGENCE = SHAPES.index("convergence")
_SETTLED = SHAPES.index("settled_presence")

_CHUNK = 2048

# Marks of a state. Rates are relative to the state before, bends to the rate before.
_FAST = np.uint8(1)  # some |rate| reaches the limit
_LIVE = np.uint8(2)  # some |rate| is more than still
_BENT = np.uint8(4)  # some |rate of a rate| reaches the limit
_STEEP = np.uint8(8)  # a rate by itself so large that a mean of rates might pass the limit
_REPEAT = np.uint8(16)  # same time as the state before: no rate here
_ADRIFT = np.uint8(32)  # drift above its limit
# A mean of rates below this cannot round up to the limit, however many there are.
_NEAR_LIMIT = RATE_LIMIT * (1 - 1e-6)

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _gcd(a, b):  # type: ignore[no-untyped-def]
    """Greatest common divisor: states in a block, at whose borders windows begin and end."""
    while b:
        a, b = b, a % b
    return a


@_jit
def _rate(x, dt, rate, m):  # type: ignore[no-untyped-def]
    """First derivatives; return whether all states are finite."""
    finite = abs(x[0]) < np.inf
    rate[0] = 0.0
    for k in range(1, m):
        d = (x[k] - x[k - 1]) / dt[k]
        rate[k] = d if dt[k] > 0.0 else 0.0
        finite &= abs(x[k]) < np.inf
    return finite


@_jit
def _rates(t, E, I, S, V, dt, d1):  # type: ignore[no-untyped-def]
    """First derivatives of a chunk; return (usable, some time is repeated)."""
    m = t.size
    usable = abs(t[0]) < np.inf
    repeated = False
    dt[0] = 1.0
    for k in range(1, m):
        d = t[k] - t[k - 1]
        usable &= (d >= 0.0) & (d < np.inf)
        repeated |= d == 0.0
        dt[k] = d
    usable &= _rate(E, dt, d1[0], m)
    usable &= _rate(I, dt, d1[1], m)
    usable &= _rate(S, dt, d1[2], m)
    usable &= _rate(V, dt, d1[3], m)
    return usable, repeated


@_jit
def _mark(dt, d1, drift, marks):  # type: ignore[no-untyped-def]
    """Fold the rates of a chunk into one byte of marks a state; return whether drift is finite."""
    e, i, s, v = d1[0], d1[1], d1[2], d1[3]
    marks[0] = 0
    for k in range(1, marks.size):
        peak = max(abs(e[k]), abs(i[k]), abs(s[k]), abs(v[k]))
        turn = max(
            abs(e[k] - e[k - 1]),
            abs(i[k] - i[k - 1]),
            abs(s[k] - s[k - 1]),
            abs(v[k] - v[k - 1]),
        )
        steep = max(-e[k], s[k], v[k]) >= _NEAR_LIMIT
        marks[k] = (
            (_FAST if peak >= RATE_LIMIT else 0)
            | (_LIVE if peak > STILL else 0)
            | (_BENT if turn / dt[k] >= RATE_LIMIT else 0)
            | (_STEEP if steep else 0)
        )
    finite = True
    for k in range(drift.size):
        marks[k] |= _ADRIFT if drift[k] > DRIFT_LIMIT else 0
        finite &= abs(drift[k]) < np.inf
    return finite


@_jit
def _is_bent(dt, d1, lo, hi):  # type: ignore[no-untyped-def]
    """Whether some second derivative reaches the limit, where times repeat.

    A repeated time has no rate, so the rate before it is the predecessor of the rate after it.
    The interval is still that to the state before, which has the same time as that predecessor.
    """
    previous = -1
    for k in range(lo + 1, hi):
        if dt[k] > 0.0:
            if previous >= 0:
                for j in range(4):
                    if abs((d1[j, k] - d1[j, previous]) / dt[k]) >= RATE_LIMIT:
                        return True
            previous = k
    return False


@_jit
def _or(x, y, out):  # type: ignore[no-untyped-def]
    for k in range(out.size):
        out[k] = x[k] | y[k]


@_jit
def _unions(marks, spare, length):  # type: ignore[no-untyped-def]
    """Return, at each position, the union of the `length` marks from it on, by doubling."""
    n = marks.size
    source = 0
    _or(marks, marks, spare[0, :n])
    done = 1
    while done < length:
        step = min(done, length - done)
        _or(spare[source, : n - step], spare[source, step:n], spare[1 - source, : n - step])
        source = 1 - source
        done += step
    return spare[source, :n]


@_jit
def _ranges(E, S, block, low_high):  # type: ignore[no-untyped-def]
    """Write least and greatest E, least and greatest S of each block of states to its row."""
    length = np.uint64(block)  # unsigned: no check for positions counted from the end
    for b in range(low_high.shape[0]):
        lo = np.uint64(b * block)
        e_low = e_high = E[lo]
        s_low = s_high = S[lo]
        for k in range(lo + np.uint64(1), lo + length):
            e, s = E[k], S[k]
            e_low = e if e < e_low else e_low
            e_high = e if e > e_high else e_high
            s_low = s if s < s_low else s_low
            s_high = s if s > s_high else s_high
        row = low_high[b]
        row[0], row[1], row[2], row[3] = e_low, e_high, s_low, s_high


@_jit
def _label(E, S, dt, d1, marks, unions, low_high, block, window, stride, out):  # type: ignore[no-untyped-def]
    """Apply the rules, in order, to each window of a chunk.

    `low_high` has a row a block of states; windows begin and end where blocks do. The loop stands
    in here because a call with arrays costs more than a window.
    """
    blocks, blocks_apart = window // block, stride // block
    for w in range(out.size):
        lo = w * stride
        hi = lo + window
        b = w * blocks_apart
        e_low, e_high = low_high[b, 0], low_high[b, 1]
        s_low, s_high = low_high[b, 2], low_high[b, 3]
        for b in range(w * blocks_apart + 1, w * blocks_apart + blocks):
            e_low = min(e_low, low_high[b, 0])
            e_high = max(e_high, low_high[b, 1])
            s_low = min(s_low, low_high[b, 2])
            s_high = max(s_high, low_high[b, 3])
        e_first, s_first = E[lo], S[lo]
        union = unions[lo + 2] if window > 2 else np.uint8(0)
        bent = union & _BENT != 0  # the window's first rate has no predecessor inside the window
        union |= marks[lo + 1]
        n_rates = hi - lo - 1
        if union & _REPEAT:
            for k in range(lo + 1, hi):
                n_rates -= dt[k] == 0.0
        basin = e_high - e_low >= BASIN_RANGE
        total_e = total_s = total_v = 0.0
        if basin or union & _STEEP:
            for k in range(lo + 1, hi):
                total_e += d1[0, k]
                total_s += d1[2, k]
                total_v += d1[3, k]
        n = max(n_rates, 1)
        if basin and total_e / n < 0 and e_first > E[hi - 1]:
            out[w] = _DOWN
            continue
        if basin and total_e / n > 0 and E[hi - 1] > e_first:
            out[w] = _UP
            continue
        if s_high - s_low >= SPIKE_RANGE and s_first != s_high:
            peak = lo + 1
            while S[peak] != s_high:
                peak += 1
            if peak < hi - 1:
                out[w] = _SPIKE
                continue
        if (union | marks[lo]) & _ADRIFT:
            out[w] = _DRIFT
        elif total_v / n > RATE_LIMIT:
            out[w] = _VOID
        elif total_s / n > RATE_LIMIT:
            out[w] = _RISING
        elif total_e / n < -RATE_LIMIT:
            out[w] = _FALLING
        elif n_rates > 1 and union & _LIVE and not union & _FAST:
            if union & _REPEAT:
                bent = _is_bent(dt, d1, lo, hi)
            out[w] = _SETTLED if bent else _CONVERGENCE
        else:
            out[w] = _SETTLED


@_jit
def classify_kernel(t, E, I, S, V, drift, window, stride, out):  # type: ignore[no-untyped-def]
    """Write the shape code of each window to `out`.

    `drift` may be empty. Returns the number of windows done: all, or those before the first chunk
    that holds a value that cannot be used.
    """
    group = max(1, (_CHUNK - window) // stride + 1)
    size = (group - 1) * stride + window
    dt = np.empty(size)
    d1 = np.empty((4, size))
    marks = np.empty(size, np.uint8)
    spare = np.empty((2, size), np.uint8)
    block = _gcd(window, stride)
    low_high = np.empty((size // block, 4))
    for done in range(0, out.size, group):
        count = min(group, out.size - done)
        a = done * stride
        m = (count - 1) * stride + window
        b = a + m
        usable, repeated = _rates(t[a:b], E[a:b], I[a:b], S[a:b], V[a:b], dt, d1)
        if not usable or not _mark(dt, d1, drift[a:b], marks[:m]):
            return done
        if repeated:
            for k in range(1, m):
                marks[k] |= _REPEAT if dt[k] == 0.0 else 0
        _ranges(E[a:b], S[a:b], block, low_high[: m // block])
        unions = _unions(marks[:m], spare, window - 2)
        _label(
            E[a:b], S[a:b], dt, d1, marks, unions, low_high, block, window, stride,
            out[done : done + count],
        )  # fmt: skip
    return out.size


@_jit
def summary_kernel(t, E, I, S, V, window, stride, out):  # type: ignore[no-untyped-def]
    """Write each window's summary to a row of `out`; returns as `classify_kernel`."""
    n_windows = out.shape[0]
    group = max(1, (_CHUNK - window) // stride + 1)
    size = (group - 1) * stride + window
    dt = np.empty(size)
    d1 = np.empty((4, size))
    for done in range(0, n_windows, group):
        count = min(group, n_windows - done)
        a = done * stride
        b = a + (count - 1) * stride + window
        usable, _ = _rates(t[a:b], E[a:b], I[a:b], S[a:b], V[a:b], dt, d1)
        if not usable:
            return done
        for w in range(count):
            lo = w * stride
            hi = lo + window
            row = out[done + w]
            row[0] = window
            row[1] = t[a + hi - 1] - t[a + lo]
            for j, x in enumerate((E, I, S, V)):
                row[2 + j], row[6 + j], row[10 + j] = _means(
                    x[a + lo : a + hi], dt[lo:hi], d1[j, lo:hi]
                )
    return n_windows


@_jit
def _means(x, dt, rate):  # type: ignore[no-untyped-def]
    """Means of a window's values, first and second derivatives; of none, 0."""
    total0, total1, total2 = x[0], 0.0, 0.0
    n_rates = 0
    previous = 0
    for k in range(1, x.size):
        total0 += x[k]
        if dt[k] > 0.0:
            total1 += rate[k]
            if n_rates:
                total2 += (rate[k] - rate[previous]) / dt[k]
            n_rates += 1
            previous = k
    return total0 / x.size, total1 / max(n_rates, 1), total2 / max(n_rates - 1, 1)


@_jit
def each_kernel(t, X, drift, shape, summary):  # type: ignore[no-untyped-def]
    """Classify and summarise windows that stand one a row; returns the number done.

    X is (n, w, 4); `shape` (n,) and `summary` (n, 14) are written.
    """
    n, window = t.shape
    for i in range(n):
        E, I, S, V = X[i, :, 0].copy(), X[i, :, 1].copy(), X[i, :, 2].copy(), X[i, :, 3].copy()
        if classify_kernel(t[i], E, I, S, V, drift[i], window, window, shape[i : i + 1]) == 0:
            return i
        summary_kernel(t[i], E, I, S, V, window, window, summary[i : i + 1])
    return n
