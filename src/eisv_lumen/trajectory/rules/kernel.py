"""The compiled pass over a series: shape codes, without materialising windows.

The series is walked in chunks that stay in the cache. One pass over its columns folds what the
rates of a state reach into one byte of marks, in a loop that the compiler vectorises. A window
then needs only the union of its marks and the ranges of E and S, joined from those of the blocks
that windows share.

That pass takes rates roughly, by one reciprocal a state instead of true divisions, and keeps none.
Labels are nevertheless those of the plain definition to the last bit: a chunk in which a rate, or
the rate of a rate, lies too near a limit for that (or times repeat) is marked anew by true
divisions, and where a mean decides, the window's own rates are truly divided and added up in time
order.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ...expression.vocabulary import SHAPES
from .thresholds import BASIN_RANGE, DRIFT_LIMIT, RATE_LIMIT, SPIKE_RANGE, STILL

_DOWN = SHAPES.index("basin_transition_down")
_UP = SHAPES.index("basin_transition_up")
_SPIKE = SHAPES.index("entropy_spike_recovery")
_DRIFT = SHAPES.index("drift_dissonance")
_VOID = SHAPES.index("void_rising")
_RISING = SHAPES.index("rising_entropy")
_FALLING = SHAPES.index("falling_energy")
_CONVERGENCE = SHAPES.index("convergence")
_SETTLED = SHAPES.index("settled_presence")

CHUNK = 4096
"""States in a chunk: its columns fit the second-level cache."""
_AHEAD = 64  # steps that get their rates along with those of a window that needs them

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
def _marks(peak, turn, steepest):  # type: ignore[no-untyped-def]
    return (
        (_FAST if peak >= RATE_LIMIT else 0)
        | (_LIVE if peak > STILL else 0)
        | (_BENT if turn >= RATE_LIMIT else 0)
        | (_STEEP if steepest >= RATE_LIMIT * (1 - _MARGIN) else 0)
    )


@jit
def mark_roughly(t, E, I, S, V, drift, marks):  # type: ignore[no-untyped-def]
    """Mark the states of a chunk with rates that one reciprocal a state gives.

    Returns (usable, whether some marks may be wrong). One pass over six columns: what a turn needs
    of the state before is carried along in registers.
    """
    de0 = di0 = ds0 = dv0 = 0.0
    usable = _finite(t[0], E[0], I[0], S[0], V[0], drift[0])
    doubt = False
    marks[0] = _ADRIFT if drift[0] > DRIFT_LIMIT else 0
    for k in range(1, marks.size):
        dt = t[k] - t[k - 1]
        usable &= (dt >= 0.0) & _finite(dt, E[k], I[k], S[k], V[k], drift[k])
        per_dt = 1.0 / dt
        de, di = (E[k] - E[k - 1]) * per_dt, (I[k] - I[k - 1]) * per_dt
        ds, dv = (S[k] - S[k - 1]) * per_dt, (V[k] - V[k - 1]) * per_dt
        peak = max(abs(de), abs(di), abs(ds), abs(dv))
        turn = max(abs(de - de0), abs(di - di0), abs(ds - ds0), abs(dv - dv0)) * per_dt
        doubt |= (
            (dt < _SOON) | _near(peak, RATE_LIMIT) | _near(peak, STILL) | _near(turn, RATE_LIMIT)
        )
        marks[k] = _marks(peak, turn, max(-de, ds, dv)) | (_ADRIFT if drift[k] > DRIFT_LIMIT else 0)
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
def _mark_exactly(dt, d1, marks):  # type: ignore[no-untyped-def]
    """Mark the states of a chunk anew, from the rates of all its steps."""
    de0 = di0 = ds0 = dv0 = 0.0
    for k in range(marks.size - 1):
        de, di, ds, dv = d1[0, k], d1[1, k], d1[2, k], d1[3, k]
        peak = max(abs(de), abs(di), abs(ds), abs(dv))
        turn = max(abs(de - de0), abs(di - di0), abs(ds - ds0), abs(dv - dv0)) / dt[k]
        marks[k + 1] = (
            marks[k + 1] & _ADRIFT
            | _marks(peak, turn, max(-de, ds, dv))
            | (_REPEAT if dt[k] == 0.0 else 0)
        )
        de0, di0, ds0, dv0 = de, di, ds, dv


@jit
def _is_bent(dt, d1, lo, hi):  # type: ignore[no-untyped-def]
    """Whether some second derivative of steps lo to hi - 1 reaches the limit, if times repeat.

    A repeated time has no rate, so the rate before it is the predecessor of the rate after it.
    The interval is still that to the state before, which has the same time as that predecessor.
    """
    previous = -1
    for k in range(lo, hi):
        if dt[k] > 0.0:
            if previous >= 0:
                for j in range(4):
                    if abs((d1[j, k] - d1[j, previous]) / dt[k]) >= RATE_LIMIT:
                        return True
            previous = k
    return False


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
def _label(  # type: ignore[no-untyped-def]
    t, E, I, S, V, marks, unions, low_high, block, window, stride, taken, dt, d1, out
):
    """Apply the rules, in order, to each window of a chunk.

    `low_high` has a row a block of states; windows begin and end where blocks do. `dt` and `d1`
    hold the rates of the first `taken` steps; more are taken where they decide. The loop stands in
    here because a call with arrays costs more than a window.
    """
    blocks, blocks_apart = window // block, stride // block
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
        basin = e_high - e_low >= BASIN_RANGE
        spike = s_high - s_low >= SPIKE_RANGE and S[lo] != s_high
        decided = union | marks[lo] & _ADRIFT
        converges = (union & (_LIVE | _FAST) == _LIVE) & (not bent) & (window > 2)
        if not (basin | spike) and not decided & (_STEEP | _ADRIFT | _REPEAT):
            # Most windows end here: they have no mean to divide, and no branch to be guessed.
            out[w] = _CONVERGENCE if converges else _SETTLED
            continue
        n = window - 1
        if union & _REPEAT:
            for k in range(lo, last):
                n -= dt[k] == 0.0
            bent = _is_bent(dt, d1, lo, last)
            converges = (union & (_LIVE | _FAST) == _LIVE) & (not bent) & (n > 1)
            n = max(n, 1)
        total_e = total_s = total_v = 0.0
        if basin or union & _STEEP:
            if taken < last:
                first, taken = max(taken, lo), min(last + _AHEAD, t.size - 1)
                rates(t, E, I, S, V, first, taken, dt, d1)
            for k in range(lo, last):
                total_e += d1[0, k]
                total_s += d1[2, k]
                total_v += d1[3, k]
        if basin and total_e / n < 0 and E[lo] > E[last]:
            out[w] = _DOWN
            continue
        if basin and total_e / n > 0 and E[last] > E[lo]:
            out[w] = _UP
            continue
        if spike:
            peak = lo + 1
            while S[peak] != s_high:
                peak += 1
            if peak < last:
                out[w] = _SPIKE
                continue
        if decided & _ADRIFT:
            out[w] = _DRIFT
        elif total_v / n > RATE_LIMIT:
            out[w] = _VOID
        elif total_s / n > RATE_LIMIT:
            out[w] = _RISING
        elif total_e / n < -RATE_LIMIT:
            out[w] = _FALLING
        else:
            out[w] = _CONVERGENCE if converges else _SETTLED


@jit
def classify_kernel(t, E, I, S, V, drift, window, stride, out):  # type: ignore[no-untyped-def]
    """Write the shape code of each window to `out`.

    `drift` may be empty. Returns the number of windows done: all, or those before the first chunk
    that holds a value that cannot be used.
    """
    group = max(1, min(out.size, (CHUNK - window) // stride + 1))
    size = (group - 1) * stride + window
    none = np.zeros(0 if drift.size else size)
    marks = np.empty(size, np.uint8)
    spare = np.empty((2, size), np.uint8)
    dt = np.empty(size - 1)
    d1 = np.empty((4, size - 1))
    block = _gcd(window, stride)
    low_high = np.empty((size // block, 4))
    for done in range(0, out.size, group):
        count = min(group, out.size - done)
        a = done * stride
        m = (count - 1) * stride + window
        b = a + m
        tw, Ew, Iw, Sw, Vw = t[a:b], E[a:b], I[a:b], S[a:b], V[a:b]
        drifts = drift[a:b] if drift.size else none[:m]
        usable, doubt = mark_roughly(tw, Ew, Iw, Sw, Vw, drifts, marks[:m])
        if not usable:
            return done
        taken = 0
        if doubt:
            taken = m - 1
            rates(tw, Ew, Iw, Sw, Vw, 0, taken, dt, d1)
            _mark_exactly(dt, d1, marks[:m])
        _ranges(Ew, Sw, block, low_high[: m // block])
        unions = _unions(marks[:m], spare, window - 2)
        _label(
            tw, Ew, Iw, Sw, Vw, marks, unions, low_high, block, window, stride, taken, dt, d1,
            out[done : done + count],
        )  # fmt: skip
    return out.size
