"""Chains of unit vectors whose best predictor is known exactly.

One family is enough. The next vector is von Mises–Fisher around the turned present one,

    y ~ vMF(mean direction = T c_4, concentration κ),

with T the rotation by a fixed angle in the planes of coordinates (0, 1), (2, 3), … The mean of
such a draw is ``ρ T c_4``, ρ the mean resultant length A_D(κ), so that, whatever came earlier,

- E[y | context] = ρ T c_4 is the least-squares predictor;
- E cos of two chunks k apart is ρ^k cos(k · angle);
- log p(y | context) = κ ⟨T c_4, y⟩ + const orders candidates as well as any ranker can.

Angle 0 is the AR(1) process (best direction: copy-last); with 60° and ρ = .7 the arrow of time is
in the data; ρ = 0 is noise (`lvm.md` §2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .chunks import window_starts
from .sequences import CONTEXT_LENGTH, SequenceSet

__all__ = ["NOISE", "ROTATION", "Process", "ar1"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Process:
    """A Markov chain on the unit sphere.

    Attributes
    ----------
    resultant
        ρ in [0, 1): mean cosine of the next vector with the turned present one.
    angle
        Of the turn [degrees].
    dim
        D, even.
    """

    resultant: float
    angle: float = 0.0
    dim: int = 64

    def __post_init__(self) -> None:
        """Refuse what is no such process."""
        if not 0 <= self.resultant < 1:
            raise InputError(f"resultant {self.resultant}: must lie in [0, 1)")
        if self.dim < 2 or self.dim % 2:
            raise InputError(f"dim {self.dim}: must be even, as the turn is by planes")

    @cached_property
    def concentration(self) -> float:
        """κ, for which the mean resultant length is `resultant`."""
        from scipy.optimize import brentq

        if self.resultant == 0:
            return 0.0
        guess = self.resultant * self.dim / (1 - self.resultant**2)  # Banerjee et al. 2005, about
        return float(
            brentq(lambda k: _mean_resultant(k, self.dim) - self.resultant, guess / 4, guess * 4)
        )

    def lag_cosine(self, lag: int) -> float:
        """Return r_lag, the expected cosine of two chunks `lag` apart."""
        return float(self.resultant**lag * np.cos(np.radians(lag * self.angle)))

    def turn(self, vectors: Floats) -> Floats:
        """Turn vectors (..., D) by the angle in every plane of two neighbouring coordinates."""
        c, s = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        x, y = vectors[..., 0::2], vectors[..., 1::2]
        return np.stack([c * x - s * y, s * x + c * y], -1).reshape(vectors.shape).astype("f4")

    def predict(self, contexts: Floats) -> Floats:
        """Return E[next | context], (N, D), of contexts (N, K, D): no mean error is smaller."""
        return np.float32(self.resultant) * self.turn(contexts[:, -1])

    def scores(self, contexts: Floats, pool: Floats) -> Floats:
        """Return log p(candidate is next) up to a constant, (N, P), of a pool (P, D)."""
        return np.float32(self.concentration) * (self.turn(contexts[:, -1]) @ pool.T)

    def sample(
        self,
        n_articles: int,
        length: int,
        seed: int,
        context_length: int = CONTEXT_LENGTH,
    ) -> SequenceSet:
        """Draw independent articles, each a chain of `length` chunks from a uniform start."""
        rng = np.random.default_rng(seed)
        noise = self._around_first_axis(n_articles * length, rng).reshape(
            n_articles, length, self.dim
        )
        vectors = np.empty_like(noise)
        vectors[:, 0] = _unit(rng.standard_normal((n_articles, self.dim)))
        for t in range(1, length):
            vectors[:, t] = _carry_first_axis(noise[:, t], self.turn(vectors[:, t - 1]))
        vectors = _unit(vectors)  # float32 sums must not drift off the sphere
        article = np.repeat(np.arange(n_articles, dtype=np.int32), length)
        position = np.tile(np.arange(length, dtype=np.int32), n_articles)
        return SequenceSet(
            vectors=vectors.reshape(-1, self.dim),
            article=article,
            position=position,
            article_ids=tuple(f"chain-{i:05d}" for i in range(n_articles)),
            starts=window_starts(article, position, context_length),
            context_length=context_length,
            encoder=(name := f"process({self.resultant}, {self.angle}, {self.dim})"),
            fingerprint=name,  # there is nothing else to it
        )

    def _around_first_axis(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw n vectors from vMF around the first axis."""
        if self.concentration == 0:
            return _unit(rng.standard_normal((n, self.dim)))
        from scipy.stats import vonmises_fisher

        axis = np.eye(1, self.dim)[0]
        return _unit(vonmises_fisher(axis, self.concentration).rvs(n, random_state=rng))


NOISE = Process(0.0)
"""Independent uniform vectors: nothing is predictable."""
ROTATION = Process(0.7, angle=60.0)
"""Direction exists: the best predictor's margin is .7 − cos 60° = +.20."""


def ar1(phi: float, dim: int = 64) -> Process:
    """Return the AR(1) process with coefficient `phi`: its best direction is copy-last."""
    return Process(phi, dim=dim)


def _mean_resultant(concentration: float, dim: int) -> float:
    """A_D(κ) = I_{D/2}(κ) / I_{D/2−1}(κ), by Gauss's continued fraction: no Bessel underflow."""
    ratio = 0.0
    for order in range(dim // 2 + 200 + int(concentration), dim // 2 - 1, -1):
        ratio = 1 / (2 * order / concentration + ratio)
    return ratio


def _carry_first_axis(draws: Floats, centre: Floats) -> Floats:
    """Reflect draws around the first axis so that they lie around `centre`, row by row."""
    mirror = -centre.copy()
    mirror[:, 0] += 1
    scale = np.einsum("ij,ij->i", mirror, mirror)
    along = np.einsum("ij,ij->i", mirror, draws)
    factor = np.where(scale > 1e-12, 2 * along / np.maximum(scale, 1e-12), 0)
    return np.asarray(draws - factor[:, None] * mirror, dtype=np.float32)


def _unit(x: NDArray[np.floating]) -> Floats:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True), dtype=np.float32)
