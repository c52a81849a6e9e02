"""The compiled pass that summarises windows, and the one over windows that stand by themselves.

Rates are true divisions, and sums run in time order.

numba recompiles a cached function when its own file changes, not when one that it imports does:
after an edit of `kernel.py` clear `__pycache__`, lest this file go on with the old one.
"""

from __future__ import annotations

import numpy as np

from .kernel import CHUNK, classify_kernel, jit, mark_roughly, rates

N_SUMMARY = 14
"""Columns of a summary: n_states, duration, means of E I S V, of their first, of their second
derivatives."""


@jit
def summary_kernel(t, E, I, S, V, window, stride, out):  # type: ignore[no-untyped-def]
    """Write each window's summary to a row of `out`; returns as `classify_kernel`."""
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
        usable, _ = mark_roughly(tw, Ew, Iw, Sw, Vw, no_drift[:m], marks[:m])
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
