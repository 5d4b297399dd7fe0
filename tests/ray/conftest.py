"""One real cluster for all tests of a session that kill nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
import ray
from ray import tune

from sa2vp.models import load_backbone
from sa2vp.tuning.shared_backbone import share_backbone
from sa2vp.tuning.trainable import SA2VPTrainable


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """Start a cluster for two actors, who find the modules of the tests."""
    path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    # A GPU in name only, which nothing here computes on.
    ray.init(num_cpus=2, num_gpus=1, log_to_driver=False, include_dashboard=False, runtime_env=path)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def trainable(cluster: None) -> type[SA2VPTrainable]:  # noqa: ARG001 - whose object store it needs
    """Give the trainable with the demo's backbone, from an object store."""
    wrapped: type[SA2VPTrainable] = tune.with_parameters(
        SA2VPTrainable, backbone=share_backbone(load_backbone("demo"))
    )
    return wrapped
