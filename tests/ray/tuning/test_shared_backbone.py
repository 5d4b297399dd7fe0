"""A backbone that the processes of a node share, on a real Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from tiny import make_tiny_backbone, make_tiny_swin

from sa2vp.models import create_sa2vp
from sa2vp.models.fingerprint import fingerprint
from sa2vp.tuning.cluster import slots_of_cluster
from sa2vp.tuning.shared_backbone import SharedBackbone, open_backbone, share_backbone

pytestmark = pytest.mark.usefixtures("cluster")


class Reader:
    """Looks at the backbone from a process of its own."""

    def __init__(self, shared: SharedBackbone) -> None:
        self._backbone = open_backbone(shared)

    def fingerprint(self) -> str:
        return fingerprint(self._backbone)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        model = create_sa2vp(self._backbone, num_classes=3, dropout=0.0)
        found: torch.Tensor = model(images)[0].detach()
        return found

    def files_of_weights(self) -> set[str]:
        """Name the files that the arrays' memory is mapped from."""
        spans = []
        for line in Path(f"/proc/{os.getpid()}/maps").read_text().splitlines():
            span, _, _, _, _, *file = line.split()
            low, high = (int(end, 16) for end in span.split("-"))
            spans.append((low, high, " ".join(file)))
        return {
            file
            for array in self._backbone.state_dict().values()
            for low, high, file in spans
            if low <= array.data_ptr() < high
        }


@pytest.mark.parametrize("make", [make_tiny_backbone, make_tiny_swin])
def test_processes_compute_alike_on_memory_that_they_share(
    make: Callable[[], Any],
) -> None:
    backbone = make()
    shared = share_backbone(backbone)
    readers = [ray.remote(Reader).remote(shared) for _ in range(2)]
    assert shared.fingerprint == fingerprint(backbone)
    assert ray.get([r.fingerprint.remote() for r in readers]) == [shared.fingerprint] * 2
    images = torch.rand(2, 3, *backbone.patch_embed.img_size)
    torch.manual_seed(0)
    expected = create_sa2vp(backbone, num_classes=3, dropout=0.0)(images)[0].detach()
    for found in ray.get([reader.logits.remote(images) for reader in readers]):
        torch.testing.assert_close(found, expected)
    files = ray.get([reader.files_of_weights.remote() for reader in readers])
    assert files[0] == files[1]
    assert len(files[0]) == 1
    assert "plasma" in files[0].pop()


@pytest.mark.parametrize(("gpus", "places"), [(1.0, 1), (0.5, 2), (0.3, 3)])
def test_fractions_of_a_gpu_hold_several_trials(gpus: float, places: int) -> None:
    assert slots_of_cluster({"CPU": 0.5, "GPU": gpus})() == places
