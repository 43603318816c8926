"""A Ray cluster that all tests of a file join.

Nobody starts Ray in this process beside it: after a start of its own, Ray 2.60 runs no actor on a cluster that the same
process joins later ("the actor never ran"). What is about the start of Ray has a process of its own.
"""

import os
from pathlib import Path

import cheap
import pytest


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def cluster(monkeypatch_module):
    """The address of two nodes of one GPU each. They are claimed, not there: the cells of these tests ask for none."""
    from ray.cluster_utils import Cluster

    paths = os.environ.get("PYTHONPATH", "")
    monkeypatch_module.setenv("PYTHONPATH", os.pathsep.join([str(Path(cheap.__file__).parent), paths]))  # for workers
    node = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 80 * 2**20}
    nodes = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        nodes.add_node(**node)
        yield nodes.address
    finally:
        nodes.shutdown()
