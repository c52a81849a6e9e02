import numpy as np
import pytest

from eisv_lumen.lvm.data.chunks import Chunks
from eisv_lumen.lvm.data.known_processes import ROTATION, ar1


@pytest.fixture(scope="session")
def chains():
    """An AR(1) process with coefficient .5: 12 articles of 30 chunks."""
    return ar1(0.5, dim=16).sample(12, 30, seed=1)


@pytest.fixture(scope="session")
def turning():
    """A process with an arrow of time: 12 articles of 30 chunks."""
    return ROTATION.sample(12, 30, seed=2)


@pytest.fixture
def chunks():
    """Three articles of two corpora, of 9, 4 and 7 chunks, with texts."""
    rng = np.random.default_rng(0)
    lengths = (9, 4, 7)
    vectors = rng.standard_normal((20, 8))
    return Chunks(
        vectors=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
        article=np.repeat(np.arange(3, dtype=np.int32), lengths),
        position=np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
        article_ids=("wiki/A", "wiki/B", "kjv/C"),
        encoder="test",
        texts=tuple(f"text {i}" for i in range(20)),
        fingerprint="test",
    )
