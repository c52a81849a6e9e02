"""Dask workers for the tests; the Hub double of tests/hub."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1])]  # hub_double


@pytest.fixture(scope="session")
def threads():
    """Two workers in this process: what a task writes and hands back, without the start-up."""
    from distributed import Client, LocalCluster

    from eisv_lumen.cluster.workers import Crew

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield lambda: Crew(client, True, lambda text: None)


@pytest.fixture(scope="session")
def processes():
    """Two worker processes, as `cluster windows` starts them."""
    from eisv_lumen.cluster.hire import hire

    with hire(workers=2) as crew:
        yield crew
