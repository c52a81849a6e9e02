"""`reference/eisv.md` §2 and §3 word by word: slow, obvious, plain Python.

What the compiled kernel is compared with. A state is a dict with the keys t, E, I, S, V and
ethical_drift; nothing here is shared with the package but the names of the shapes.
"""

DIMS = ("E", "I", "S", "V")


def difference(times, values):
    """(value differences / time differences, their times): none over a repeated time."""
    stamps, rates = [], []
    for k in range(1, len(times)):
        if times[k] == times[k - 1]:
            continue
        rates.append((values[k] - values[k - 1]) / (times[k] - times[k - 1]))
        stamps.append(times[k])
    return stamps, rates


def derivatives(states, dim):
    """First and second derivatives of one dimension over a window."""
    stamps, first = difference([s["t"] for s in states], [s[dim] for s in states])
    _, second = difference(stamps, first)
    return first, second


def mean(values):
    """Arithmetic mean, added up in order (`sum` compensates from Python 3.12 on); of none, 0."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values) if values else 0.0


def shape_of(states):  # noqa: PLR0911 (nine rules, nine ends)
    """Name of the first rule that holds."""
    E, S = [s["E"] for s in states], [s["S"] for s in states]
    first = {dim: derivatives(states, dim)[0] for dim in DIMS}
    second = {dim: derivatives(states, dim)[1] for dim in DIMS}
    range_E, range_S = max(E) - min(E), max(S) - min(S)
    if range_E >= 0.2 and mean(first["E"]) < 0 and E[0] > E[-1]:
        return "basin_transition_down"
    if range_E >= 0.2 and mean(first["E"]) > 0 and E[-1] > E[0]:
        return "basin_transition_up"
    if range_S >= 0.2 and S.index(max(S)) not in (0, len(S) - 1):
        return "entropy_spike_recovery"
    if max(s["ethical_drift"] for s in states) > 0.3:
        return "drift_dissonance"
    if mean(first["V"]) > 0.05:
        return "void_rising"
    if mean(first["S"]) > 0.05:
        return "rising_entropy"
    if mean(first["E"]) < -0.05:
        return "falling_energy"
    all_first = [d for dim in DIMS for d in first[dim]]
    all_second = [d for dim in DIMS for d in second[dim]]
    if (
        all_first
        and all_second
        and all(abs(d) < 0.05 for d in all_first)
        and all(abs(d) < 0.05 for d in all_second)
        and any(abs(d) > 1e-9 for d in all_first)
    ):
        return "convergence"
    return "settled_presence"


def summary_of(states):
    """The 14 numbers of a window."""
    orders = [derivatives(states, dim) for dim in DIMS]
    return [
        float(len(states)),
        states[-1]["t"] - states[0]["t"],
        *(mean([s[dim] for s in states]) for dim in DIMS),
        *(mean(first) for first, _ in orders),
        *(mean(second) for _, second in orders),
    ]


def windows_of(states, window, stride):
    """All whole windows."""
    return [states[start : start + window] for start in range(0, len(states) - window + 1, stride)]


def as_states(t, X, drift=None):
    """Columns to dicts."""
    drift = [0.0] * len(t) if drift is None else drift
    return [
        {"t": float(time), **dict(zip(DIMS, map(float, x), strict=True)), "ethical_drift": float(d)}
        for time, x, d in zip(t, X, drift, strict=True)
    ]
