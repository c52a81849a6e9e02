"""Chains of unit vectors whose best predictor is known, to try the metric on."""

import numpy as np

K, DIM, ARTICLES, LENGTH = 5, 32, 16, 36
RESULTANT = 0.7
PROCESSES = {
    "a random walk: the next chunk is like the last": 0.0,
    "a rotation: each chunk turns from the last by 60°": 60.0,
    "noise: nothing follows from anything": None,
}
PREDICTORS = (
    "the optimum",
    "an oracle",
    "copies the last chunk",
    "the negative of the last chunk",
    "the mean of the context",
)


def turn(vectors, degrees):
    """Turn vectors by an angle in every plane of two neighbouring coordinates."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y = vectors[..., 0::2], vectors[..., 1::2]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1).reshape(vectors.shape)


def chain(angle, seed=0):
    """Draw articles of chunks, (ARTICLES, LENGTH, DIM); `angle` None: independent chunks."""
    rng = np.random.default_rng(seed)
    chunks = _unit(rng.standard_normal((ARTICLES, LENGTH, DIM)))
    if angle is None:
        return chunks
    for t in range(1, LENGTH):
        centre = turn(chunks[:, t - 1], angle)
        across = _unit(chunks[:, t] - (chunks[:, t] * centre).sum(-1, keepdims=True) * centre)
        chunks[:, t] = RESULTANT * centre + np.sqrt(1 - RESULTANT**2) * across
    return chunks


def examples(chunks):
    """Lay every window over the articles: references, contexts, articles and positions."""
    at = [(a, p) for a in range(len(chunks)) for p in range(K, chunks.shape[1])]
    return {
        "references": np.array([chunks[a, p] for a, p in at], np.float32),
        "contexts": np.array([chunks[a, p - K : p] for a, p in at], np.float32),
        "articles": [str(a) for a, _ in at],
        "positions": [p for _, p in at],
    }


def predict(name, angle, given, contexts):
    """Return what a predictor says of some contexts; the oracle looks its windows up."""
    if name == "copies the last chunk":
        return contexts[:, -1]
    if name == "the negative of the last chunk":
        return -contexts[:, -1]
    if name == "the mean of the context":
        return contexts.mean(axis=1)
    if name == "an oracle":
        known = {
            c.tobytes(): y for c, y in zip(given["contexts"], given["references"], strict=True)
        }
        asked = np.ascontiguousarray(contexts, np.float32)
        return np.array([known.get(c.tobytes(), c.mean(axis=0)) for c in asked])
    best = contexts[:, -1] if angle is None else turn(contexts[:, -1], angle)
    return (0.0 if angle is None else RESULTANT) * best


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
