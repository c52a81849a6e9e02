"""The rule-based voice: it draws expressions from its law and learns from how they score (§4)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.files import read_json, write_json
from .coherence import split_tokens
from .law import WEIGHT_AFFINE, WEIGHT_OTHER, ExpressionLaw
from .vocabulary import AFFINE, INQUIRY_TOKENS, PATTERN_PMF, SHAPES, TOKENS, shape_code, token_codes

__all__ = ["LEARNING_RATE", "WEIGHT_MAX", "WEIGHT_MIN", "Voice"]

LEARNING_RATE = 0.08
WEIGHT_MIN, WEIGHT_MAX = 0.1, 10.0
_FORMAT = "eisv-lumen-voice/1"
_INQUIRY = [TOKENS.index(token) for token in INQUIRY_TOKENS]


class Voice:
    """A voice with its own token weights for each shape.

    Parameters
    ----------
    seed
        Seed of all that it draws.

    Attributes
    ----------
    weights : ndarray, shape (9, 15)
        Weight of each of `TOKENS` for each of `SHAPES`, in [0.1, 10].

    Examples
    --------
    >>> from eisv_lumen import coherence
    >>> voice = Voice(seed=7)
    >>> before = voice.law("void_rising").coherence()
    >>> for _ in range(200):
    ...     expression = voice.speak("void_rising")[0]
    ...     voice.feedback("void_rising", expression, coherence([expression], "void_rising")[0])
    >>> voice.law("void_rising").coherence() > before
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.weights: npt.NDArray[np.float64] = np.where(AFFINE, WEIGHT_AFFINE, WEIGHT_OTHER)
        self._rng = np.random.default_rng(seed)

    def law(self, shape: str) -> ExpressionLaw:
        """Return the exact law of what the voice says for a shape at this moment."""
        return ExpressionLaw.from_weights(shape, self.weights[shape_code(shape)])

    def laws(self) -> list[ExpressionLaw]:
        """Return the nine laws, in the order of `SHAPES`."""
        return [self.law(shape) for shape in SHAPES]

    def speak(self, shape: str, n: int = 1) -> list[tuple[str, ...]]:
        """Draw `n` expressions for a shape; tokens stand without tildes.

        Raises
        ------
        UnknownNameError
            `shape` is none of `SHAPES`.
        InputError
            `n` is negative.
        """
        code = shape_code(shape)
        if n < 0:
            raise InputError(f"n={n}: give 0 or more")
        if n > 8:
            return self.law(shape).sample(n, self._rng)
        return [tuple(TOKENS[i] for i in self._draw(code)) for _ in range(n)]

    def feedback(self, shape: str, expression: str | Sequence[str], score: float) -> None:
        """Learn from the score of an expression.

        Each token, a repeated one twice, gets weight += 0.08 · 2 (score − 0.5), clamped to
        [0.1, 10] after each step.

        Parameters
        ----------
        shape
            One of `SHAPES`.
        expression
            Its tokens, or a string of them with spaces between, with tildes or without.
        score
            Coherence, in [0, 1].

        Raises
        ------
        UnknownNameError
            The shape or a token is unknown. Nothing is learned then.
        ValueError
            The score is not in [0, 1], or the expression is none. Nothing is learned then.
        """
        if not 0 <= score <= 1:
            raise InputError(f"score={score}: a coherence is in [0, 1]")
        self._learn(shape_code(shape), token_codes(split_tokens(expression)), score)

    def learn(self, shapes: Iterable[str]) -> None:
        """For each shape in turn: speak once, score the expression's coherence, learn from it."""
        affine = AFFINE.tolist()
        for shape in shapes:
            code = shape_code(shape)
            tokens = self._draw(code)
            self._learn(code, tokens, sum(affine[code][i] for i in tokens) / len(tokens))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the voice as JSON: weights by shape and token, and the state of its draws."""
        weights = {
            shape: dict(zip(TOKENS, row, strict=True))
            for shape, row in zip(SHAPES, self.weights.tolist(), strict=True)
        }
        state = self._rng.bit_generator.state
        write_json(path, {"format": _FORMAT, "weights": weights, "rng": state})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Voice:
        """Read a voice that `save` wrote; it goes on exactly where that one stood.

        Raises
        ------
        InputError
            The file is missing, is not a voice, or holds a weight out of range.
        """
        saved = read_json(path)
        try:
            if saved["format"] != _FORMAT:
                raise InputError(f"{path}: format is {saved['format']!r}, not {_FORMAT!r}")
            voice = cls()
            voice.weights = np.array(
                [[float(saved["weights"][s][token]) for token in TOKENS] for s in SHAPES]
            )
            voice._rng.bit_generator.state = saved["rng"]
        except KeyError as error:
            raise InputError(f"{path}: not a voice: {error.args[0]!r} is missing") from error
        except InputError:
            raise
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise InputError(f"{path}: not a voice: {error}") from error
        w = voice.weights
        inside = (w >= WEIGHT_MIN) & (w <= WEIGHT_MAX)
        if not inside.all():
            row, column = np.argwhere(~inside)[0]
            raise InputError(
                f"{path}: weights, {SHAPES[row]}, {TOKENS[column]}: {w[row, column]} is not in "
                f"[{WEIGHT_MIN}, {WEIGHT_MAX}]"
            )
        return voice

    def _learn(self, code: int, tokens: Sequence[int], score: float) -> None:
        step = LEARNING_RATE * 2 * (score - 0.5)
        for token in tokens:
            moved = self.weights[code, token] + step
            self.weights[code, token] = min(max(moved, WEIGHT_MIN), WEIGHT_MAX)

    def _draw(self, code: int) -> list[int]:
        """Draw one expression token by token: the law's definition, acted out."""
        u = self._rng.random(4).tolist()
        weights = self.weights[code].tolist()
        pattern = _pick(PATTERN_PMF[code].tolist(), u[0])
        first = _pick(weights, u[1])
        if pattern == 0:
            return [first]
        if pattern == 3:
            return [first, first]
        if pattern == 4:
            return [first, _INQUIRY[int(u[2] * len(_INQUIRY))]]
        weights[first] = 0.0
        second = _pick(weights, u[2])
        if pattern == 1:
            return [first, second]
        weights[second] = 0.0
        return [first, second, _pick(weights, u[3])]


def _pick(weights: list[float], u: float) -> int:
    """Return the position that u in [0, 1) falls on, each as wide as its weight."""
    left = u * sum(weights)
    last = 0
    for i, weight in enumerate(weights):
        if weight > 0:
            if left < weight:
                return i
            left -= weight
            last = i
    return last  # rounding left a remainder beyond the last weight
