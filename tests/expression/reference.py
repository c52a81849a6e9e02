"""The voice, read off `reference/eisv.md` §4 word by word: slow, obvious, by enumeration."""

from __future__ import annotations

from collections import defaultdict

from eisv_lumen.expression.vocabulary import INQUIRY_TOKENS, PATTERN_PMF, SHAPES, TOKENS


def law(shape: str, weights: dict[str, float]) -> dict[tuple[str, ...], float]:
    """Probability of each expression, by walking every way to draw one."""
    single, pair, triple, repetition, question = PATTERN_PMF[SHAPES.index(shape)]
    pmf: dict[tuple[str, ...], float] = defaultdict(float)
    total = sum(weights.values())
    for a in TOKENS:
        p_a = weights[a] / total
        pmf[(a,)] += single * p_a
        pmf[(a, a)] += repetition * p_a
        for inquiry in INQUIRY_TOKENS:
            pmf[(a, inquiry)] += question * p_a / len(INQUIRY_TOKENS)
        rest = total - weights[a]
        for b in TOKENS:
            if b == a:
                continue
            p_b = weights[b] / rest
            pmf[(a, b)] += pair * p_a * p_b
            for c in TOKENS:
                if c not in (a, b):
                    pmf[(a, b, c)] += triple * p_a * p_b * weights[c] / (rest - weights[b])
    return dict(pmf)


def temper(pmf: dict[tuple[str, ...], float], temperature: float) -> dict[tuple[str, ...], float]:
    """Decode token by token: each step's probabilities to the power 1/T, renormalised."""
    mass: dict[tuple[str, ...], float] = defaultdict(float)  # of a prefix, all continuations
    for expression, p in pmf.items():
        for k in range(len(expression) + 1):
            mass[expression[:k]] += p
    children: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for prefix in mass:
        if prefix:
            children[prefix[:-1]].append(prefix)
    out: dict[tuple[str, ...], float] = {}

    def walk(prefix: tuple[str, ...], p: float) -> None:
        steps = {child: mass[child] for child in children[prefix]}
        stop = pmf.get(prefix, 0.0)
        scaled = {child: (m / mass[prefix]) ** (1 / temperature) for child, m in steps.items()}
        scaled_stop = (stop / mass[prefix]) ** (1 / temperature) if stop else 0.0
        norm = sum(scaled.values()) + scaled_stop
        if prefix:
            out[prefix] = p * scaled_stop / norm
        for child, s in scaled.items():
            walk(child, p * s / norm)

    walk((), 1.0)
    return out
