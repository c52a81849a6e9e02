"""The compiled passes over a series: shape codes and summaries, without materialising windows.

The series is walked in chunks that stay in the cache. One pass over its columns folds what the
rates of a state reach into one byte of marks, in a loop that the compiler vectorises. Most windows
are then decided by the union of their marks and the ranges of E and S, joined from those of the
blocks that windows share: they reach no limit of the screen (`thresholds.Screen`). The others are
measured, quantity by quantity as the rules ask for them, by the plain definition: rates are true
divisions, added up in time order.

The first pass takes rates roughly, by one reciprocal a state instead of true divisions, and keeps
none. Labels are nevertheless those of the plain definition to the last bit: a chunk in which a
rate, or the rate of a rate, lies too near a limit for that (or times repeat) is marked again by
true divisions.

All kernels stand in this file, and rules and limits are arguments: numba compiles a cached kernel
again when its own file changes, not when a file changes that it imports.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...expression.shapes import QUANTITIES
from .thresholds import RELATIONS

CHUNK = 4096
"""States in a chunk: its columns fit the second-level cache."""
_AHEAD = 64  # steps that get their rates along with those of a window that needs them

N_SUMMARY = 14
"""Columns of a summary: n_states, duration, means of E I S V, of their first, of their second
derivatives."""

# Positions in QUANTITIES, where four stand for E, I, S, V. (A test compares them.)
_RANGE, _CHANGE, _MEAN, _PEAK, _DRIFT, _N_SECOND, _FIRST, _SECOND = 0, 4, 8, 12, 16, 17, 18, 19
_AT_LEAST, _ABOVE = 0, 1  # positions in RELATIONS
_N_QUANTITIES = 20
assert len(QUANTITIES) == _N_QUANTITIES
assert RELATIONS == ("≥", ">", "<")

# Marks of a state. Rates are relative to the state before, bends to the rate before.
_FAST = np.uint8(1)  # some |rate| reaches the limit
_LIVE = np.uint8(2)  # some |rate| is more than still
_BENT = np.uint8(4)  # some |rate of a rate| reaches the limit
_STEEP = np.uint8(8)  # a rate by itself so large that a mean of rates might pass the limit
_ADRIFT = np.uint8(16)  # drift above its limit
_REPEAT = np.uint8(32)  # same time as the state before: no rate here

# A rough rate is off by 4e-16 of itself. Bends count only among rates below the limit, so one is
# off by 4e-17 / _SOON at most: a thousandth of the margin around the limit. Nor can a mean of
# rates that all lie below the margin round up to the limit, however many there are.
_MARGIN = 1e-6  # of a limit
_SOON = 1e-6  # [s] after the state before

jit = njit(cache=True, nogil=True, error_model="numpy")


@jit
def _gcd(a, b):  # type: ignore[no-untyped-def]
    """Greatest common divisor: states in a block, at whose borders windows begin and end."""
    while b:
        a, b = b, a % b
    return a


@jit
def _finite(*values):  # type: ignore[no-untyped-def]
    """Whether no value is NaN or infinite: times 0 such a value is NaN, and so is the sum."""
    total = 0.0
    for x in values:
        total += x * 0.0
    return total == 0.0


@jit
def _near(x, limit):  # type: ignore[no-untyped-def]
    return abs(x - limit) < _MARGIN * limit


@jit
def _marks(peak, turn, steepest, screen):  # type: ignore[no-untyped-def]
    return (
        (_FAST if peak >= screen.fast else 0)
        | (_LIVE if peak > screen.still else 0)
        | (_BENT if turn >= screen.bent else 0)
        | (_STEEP if steepest >= screen.steep * (1 - _MARGIN) else 0)
    )


@jit
def mark_roughly(t, E, I, S, V, drift, screen, marks):  # type: ignore[no-untyped-def]
    """Mark the states of a chunk with rates that one reciprocal a state gives.

    Returns (usable, whether some marks may be wrong). One pass over six columns: what a turn needs
    of the state before is carried along in registers.
    """
    de0 = di0 = ds0 = dv0 = 0.0
    usable = _finite(t[0], E[0], I[0], S[0], V[0], drift[0])
    doubt = False
    marks[0] = _ADRIFT if drift[0] > screen.drift else 0
    for k in range(1, marks.size):
        dt = t[k] - t[k - 1]
        usable &= (dt >= 0.0) & _finite(dt, E[k], I[k], S[k], V[k], drift[k])
        per_dt = 1.0 / dt
        de, di = (E[k] - E[k - 1]) * per_dt, (I[k] - I[k - 1]) * per_dt
        ds, dv = (S[k] - S[k - 1]) * per_dt, (V[k] - V[k - 1]) * per_dt
        peak = max(abs(de), abs(di), abs(ds), abs(dv))
        turn = max(abs(de - de0), abs(di - di0), abs(ds - ds0), abs(dv - dv0)) * per_dt
        doubt |= (
            (dt < _SOON)
            | _near(peak, screen.fast)
            | _near(peak, screen.still)
            | _near(turn, screen.bent)
        )
        marks[k] = _marks(peak, turn, max(-de, ds, dv), screen) | (
            _ADRIFT if drift[k] > screen.drift else 0
        )
        de0, di0, ds0, dv0 = de, di, ds, dv
    return usable, doubt


@jit
def _rate(x, dt, rate):  # type: ignore[no-untyped-def]
    for k in range(rate.size):
        d = (x[k + 1] - x[k]) / dt[k]
        rate[k] = d if dt[k] > 0.0 else 0.0


@jit
def rates(t, E, I, S, V, lo, hi, dt, d1):  # type: ignore[no-untyped-def]
    """Write how long steps lo to hi - 1 take and their rates, 0 where a time repeats.

    Step k leads from state k to the next.
    """
    steps, states = slice(lo, hi), slice(lo, hi + 1)
    times, lengths = t[states], dt[steps]
    for k in range(lengths.size):
        lengths[k] = times[k + 1] - times[k]
    _rate(E[states], lengths, d1[0, steps])
    _rate(I[states], lengths, d1[1, steps])
    _rate(S[states], lengths, d1[2, steps])
    _rate(V[states], lengths, d1[3, steps])


@jit
def _mark_exactly(dt, d1, screen, marks):  # type: ignore[no-untyped-def]
    """Mark the states of a chunk anew, from the rates of all its steps."""
    de0 = di0 = ds0 = dv0 = 0.0
    for k in range(marks.size - 1):
        de, di, ds, dv = d1[0, k], d1[1, k], d1[2, k], d1[3, k]
        peak = max(abs(de), abs(di), abs(ds), abs(dv))
        turn = max(abs(de - de0), abs(di - di0), abs(ds - ds0), abs(dv - dv0)) / dt[k]
        marks[k + 1] = (
            marks[k + 1] & _ADRIFT
            | _marks(peak, turn, max(-de, ds, dv), screen)
            | (_REPEAT if dt[k] == 0.0 else 0)
        )
        de0, di0, ds0, dv0 = de, di, ds, dv


@jit
def _or(x, y, out):  # type: ignore[no-untyped-def]
    for k in range(out.size):
        out[k] = x[k] | y[k]


@jit
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


@jit
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


@jit
def _steepest(dt, d1, lo, last, order):  # type: ignore[no-untyped-def]
    """Return the greatest absolute first or second derivative of steps lo to last - 1.

    A repeated time has no rate, so the rate before it is the predecessor of the rate after it.
    The interval is still that to the state before, which has the same time as that predecessor.
    """
    most = 0.0
    previous = -1
    for k in range(lo, last):
        if dt[k] > 0.0:
            if order == 1:
                for j in range(4):
                    most = max(most, abs(d1[j, k]))
            elif previous >= 0:
                for j in range(4):
                    most = max(most, abs((d1[j, k] - d1[j, previous]) / dt[k]))
            previous = k
    return most


@jit
def _range(x, lo, last):  # type: ignore[no-untyped-def]
    low = high = x[lo]
    for k in range(lo + 1, last + 1):
        low, high = min(low, x[k]), max(high, x[k])
    return high - low


@jit
def _peak(x, lo, last):  # type: ignore[no-untyped-def]
    """Return the number of states between the first greatest value and the nearer end."""
    at = lo
    for k in range(lo + 1, last + 1):
        if x[k] > x[at]:
            at = k
    return min(at - lo, last - at)


@jit
def _n_rates(dt, lo, last):  # type: ignore[no-untyped-def]
    n = 0
    for k in range(lo, last):
        n += dt[k] > 0.0
    return n


@jit
def _measure(  # type: ignore[no-untyped-def]
    q, E, I, S, V, drift, dt, d1, lo, last, found
):
    """Write a quantity of a window that `_label` does not find by itself."""
    if q == _MEAN + 1:
        total = 0.0
        for k in range(lo, last):
            total += d1[1, k]
        found[q] = total / max(_n_rates(dt, lo, last), 1)
    elif q == _N_SECOND:
        found[q] = max(_n_rates(dt, lo, last) - 1, 0)
    elif q == _RANGE + 1:
        found[q] = _range(I, lo, last)
    elif q == _RANGE + 3:
        found[q] = _range(V, lo, last)
    elif q == _PEAK:
        found[q] = _peak(E, lo, last)
    elif q == _PEAK + 1:
        found[q] = _peak(I, lo, last)
    elif q == _PEAK + 2:
        found[q] = _peak(S, lo, last)
    elif q == _PEAK + 3:
        found[q] = _peak(V, lo, last)
    elif q == _DRIFT:
        most = drift[lo]
        for k in range(lo + 1, last + 1):
            most = max(most, drift[k])
        found[q] = most
    else:
        found[q] = _steepest(dt, d1, lo, last, 1 if q == _FIRST else 2)


@jit
def _label(  # type: ignore[no-untyped-def]
    t,
    E,
    I,
    S,
    V,
    drift,
    marks,
    unions,
    low_high,
    block,
    window,
    stride,
    taken,
    dt,
    d1,
    screen,
    rules,
    found,
    out,
):
    """Apply the rules, in order, to each window of a chunk.

    `low_high` has a row for each block of states; windows begin and end where blocks do. `dt` and
    `d1` hold the rates of the first `taken` steps; more are taken for windows that need them.
    """
    blocks, blocks_apart = window // block, stride // block
    calm_code, rest_code = np.int8(screen.calm), np.int8(screen.rest)
    # Without a screen every window is beyond it.
    least_e = screen.range_E if screen.calm >= 0 else -1.0
    least_s = screen.range_S
    middle = (screen.still + screen.fast) / 2
    for w in range(out.size):
        lo = w * stride
        last = lo + window - 1
        b = w * blocks_apart
        e_low, e_high = low_high[b, 0], low_high[b, 1]
        s_low, s_high = low_high[b, 2], low_high[b, 3]
        for b in range(w * blocks_apart + 1, w * blocks_apart + blocks):
            e_low = min(e_low, low_high[b, 0])
            e_high = max(e_high, low_high[b, 1])
            s_low = min(s_low, low_high[b, 2])
            s_high = max(s_high, low_high[b, 3])
        union = unions[lo + 2] if window > 2 else np.uint8(0)
        bent = union & _BENT != 0  # the window's first rate has no predecessor inside the window
        union |= marks[lo + 1]
        range_e, range_s = e_high - e_low, s_high - s_low
        decided = union | marks[lo] & _ADRIFT
        calm = (union & (_LIVE | _FAST) == _LIVE) & (not bent) & (window > 2)
        beyond = (range_e >= least_e) | (range_s >= least_s)
        if not beyond and not decided & (_STEEP | _ADRIFT | _REPEAT):
            # Most windows end here: they have no mean to divide, and no branch to be guessed.
            out[w] = calm_code if calm else rest_code
            continue
        found[:] = np.nan
        found[_RANGE], found[_RANGE + 2] = range_e, range_s
        found[_CHANGE], found[_CHANGE + 1] = E[last] - E[lo], I[last] - I[lo]
        found[_CHANGE + 2], found[_CHANGE + 3] = S[last] - S[lo], V[last] - V[lo]
        repeats = union & _REPEAT != 0
        if screen.calm >= 0:  # then rules compare these with the limits of the marks alone
            if not decided & _ADRIFT:
                found[_DRIFT] = screen.drift
            if not repeats:
                found[_N_SECOND] = window - 2
                found[_FIRST] = np.inf if union & _FAST else middle if union & _LIVE else 0.0
                found[_SECOND] = np.inf if bent else 0.0
        row = 0 if beyond else screen.narrow
        while True:
            q = np.int64(rules[row, 1])
            if q < 0:
                break
            if np.isnan(found[q]):
                if taken < last and (_MEAN <= q < _PEAK or q > _DRIFT):
                    first, taken = max(taken, lo), min(last + _AHEAD, t.size - 1)
                    rates(t, E, I, S, V, first, taken, dt, d1)
                if _MEAN <= q < _PEAK and q != _MEAN + 1:  # added up in time order, together
                    e = s = v = 0.0
                    for k in range(lo, last):
                        e, s, v = e + d1[0, k], s + d1[2, k], v + d1[3, k]
                    n = max(_n_rates(dt, lo, last), 1) if repeats else window - 1
                    found[_MEAN], found[_MEAN + 2], found[_MEAN + 3] = e / n, s / n, v / n
                else:
                    _measure(q, E, I, S, V, drift, dt, d1, lo, last, found)
            value, relation, bound = found[q], rules[row, 2], rules[row, 3]
            holds = value > bound or (relation == _AT_LEAST and value == bound)
            if relation > _ABOVE:
                holds = value < bound
            following = np.int64(rules[row, 4])
            if holds and row + 1 == following:
                break
            row = row + 1 if holds else following
        out[w] = rules[row, 0]


@jit
def classify_kernel(  # type: ignore[no-untyped-def]
    t, E, I, S, V, drift, window, stride, screen, rules, out
):
    """Write the shape code of each window to `out`.

    `drift` may be empty; `screen` and `rules` are those of `thresholds`. Returns the number of
    windows done: all, or those before the first chunk that holds a value that cannot be used.
    """
    group = max(1, min(out.size, (CHUNK - window) // stride + 1))
    size = (group - 1) * stride + window
    none = np.zeros(0 if drift.size else size)
    marks = np.empty(size, np.uint8)
    spare = np.empty((2, size), np.uint8)
    dt = np.empty(size - 1)
    d1 = np.empty((4, size - 1))
    found = np.empty(_N_QUANTITIES)
    block = _gcd(window, stride)
    low_high = np.empty((size // block, 4))
    for done in range(0, out.size, group):
        count = min(group, out.size - done)
        a = done * stride
        m = (count - 1) * stride + window
        b = a + m
        tw, Ew, Iw, Sw, Vw = t[a:b], E[a:b], I[a:b], S[a:b], V[a:b]
        drifts = drift[a:b] if drift.size else none[:m]
        usable, doubt = mark_roughly(tw, Ew, Iw, Sw, Vw, drifts, screen, marks[:m])
        if not usable:
            return done
        taken = 0
        if doubt:
            taken = m - 1
            rates(tw, Ew, Iw, Sw, Vw, 0, taken, dt, d1)
            _mark_exactly(dt, d1, screen, marks[:m])
        _ranges(Ew, Sw, block, low_high[: m // block])
        unions = _unions(marks[:m], spare, window - 2)
        _label(
            tw, Ew, Iw, Sw, Vw, drifts, marks, unions, low_high, block, window, stride, taken, dt,
            d1, screen, rules, found, out[done : done + count],
        )  # fmt: skip
    return out.size


@jit
def summary_kernel(t, E, I, S, V, window, stride, screen, out):  # type: ignore[no-untyped-def]
    """Write each window's summary to a row of `out`; returns as `classify_kernel`.

    Rates are true divisions, and sums run in time order.
    """
    n_windows = out.shape[0]
    group = max(1, min(n_windows, (CHUNK - window) // stride + 1))
    size = (group - 1) * stride + window
    no_drift = np.zeros(size)
    marks = np.empty(size, np.uint8)
    dt = np.empty(size - 1)
    d1 = np.empty((4, size - 1))
    for done in range(0, n_windows, group):
        count = min(group, n_windows - done)
        a = done * stride
        m = (count - 1) * stride + window
        b = a + m
        tw, Ew, Iw, Sw, Vw = t[a:b], E[a:b], I[a:b], S[a:b], V[a:b]
        usable, _ = mark_roughly(tw, Ew, Iw, Sw, Vw, no_drift[:m], screen, marks[:m])
        if not usable:
            return done
        rates(tw, Ew, Iw, Sw, Vw, 0, m - 1, dt, d1)
        for w in range(count):
            lo = w * stride
            hi = lo + window
            row = out[done + w]
            row[0] = window
            row[1] = tw[hi - 1] - tw[lo]
            for j, x in enumerate((Ew, Iw, Sw, Vw)):
                row[2 + j], row[6 + j], row[10 + j] = _means(
                    x[lo:hi], dt[lo : hi - 1], d1[j, lo : hi - 1]
                )
    return n_windows


@jit
def _means(x, dt, rate):  # type: ignore[no-untyped-def]
    """Means of a window's values, first and second derivatives; of none, 0."""
    total0, total1, total2 = x[0], 0.0, 0.0
    n_rates = 0
    previous = 0
    for k in range(dt.size):
        total0 += x[k + 1]
        if dt[k] > 0.0:
            total1 += rate[k]
            if n_rates:
                total2 += (rate[k] - rate[previous]) / dt[k]
            n_rates += 1
            previous = k
    return total0 / x.size, total1 / max(n_rates, 1), total2 / max(n_rates - 1, 1)


@jit
def label_kernel(t, X, drift, screen, rules, shape, summary):  # type: ignore[no-untyped-def]
    """Classify and summarise windows, one per row; returns the number done.

    X is (n, w, 4); `shape` (n,) and `summary` (n, 14) are written.
    """
    n, window = t.shape
    for i in range(n):
        E, I, S, V = X[i, :, 0].copy(), X[i, :, 1].copy(), X[i, :, 2].copy(), X[i, :, 3].copy()
        code = shape[i : i + 1]
        done = classify_kernel(t[i], E, I, S, V, drift[i], window, window, screen, rules, code)
        if done == 0:
            return i
        summary_kernel(t[i], E, I, S, V, window, window, screen, summary[i : i + 1])
    return n
