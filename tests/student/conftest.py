"""Students of the law itself: with a network of arbitrary weights, and without one."""

from __future__ import annotations

import numpy as np
import pytest

from eisv_lumen.expression.law import initial_laws
from eisv_lumen.student.fit import SCALES, rows_of_laws
from eisv_lumen.student.format import Net, Rows, make_student
from eisv_lumen.student.reader import Student


@pytest.fixture(scope="session")
def law_rows() -> Rows:
    return rows_of_laws(initial_laws())


@pytest.fixture(scope="session")
def some_net(law_rows: Rows) -> Net:
    rng = np.random.default_rng(11)
    mixed = Rows(rng.dirichlet(np.ones(5), 7), rng.gamma(1.0, 1.0, (7, 15)) + 0.01)
    return Net(
        (4,), SCALES, rng.normal(0, 0.3, (6, 14)), rng.normal(size=6), rng.normal(size=(7, 6)),
        rng.normal(size=7), mixed,
    )  # fmt: skip


@pytest.fixture(scope="session")
def student(law_rows: Rows, some_net: Net) -> Student:
    return make_student(law_rows, some_net)


@pytest.fixture(scope="session")
def summaries() -> np.ndarray:
    """Summaries of windows of four states, rounded as the real ones are."""
    from eisv_lumen.trajectory.simulate.lumen_like import summaries_like_real

    return summaries_like_real(60, 5)[1]
