"""A frozen backbone in Ray's object store: each node holds its weights once, for all its trials."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import ray
import torch

from sa2vp.models import Backbone
from sa2vp.models.fingerprint import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SharedBackbone:
    """Where the trials of a search find their backbone.

    Attributes:
        stored: the backbone without its weights, and these by name, in the object store.
        fingerprint: of the weights.
    """

    stored: ray.ObjectRef
    fingerprint: str


def share_backbone(backbone: Backbone) -> SharedBackbone:
    """Put a backbone into the object store, which keeps it for as long as this process lives."""
    weights = {name: array.numpy() for name, array in backbone.state_dict().items()}
    return SharedBackbone(ray.put((_without_weights(backbone), weights)), fingerprint(backbone))


@lru_cache(maxsize=1)
def open_backbone(shared: SharedBackbone) -> Backbone:
    """Give the backbone, on the node's only copy of its weights; once for each process.

    The copy is read-only to all: nothing may train or change these weights in place.
    """
    stored: tuple[Backbone, dict[str, NDArray[np.float32]]] = ray.get(shared.stored)
    backbone, weights = stored
    with warnings.catch_warnings():
        # That the arrays cannot be written to is the point.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        arrays = {name: torch.from_numpy(array) for name, array in weights.items()}
    backbone.load_state_dict(arrays, assign=True)
    return backbone.eval()


def _without_weights(backbone: Backbone) -> Backbone:
    """Copy a backbone with placeholders for the arrays of its state dict."""
    kept = backbone.state_dict(keep_vars=True).values()
    return copy.deepcopy(backbone, {id(array): _emptied(array) for array in kept})


def _emptied(array: torch.Tensor) -> torch.Tensor:
    empty = torch.empty_like(array, device="meta")
    if isinstance(array, torch.nn.Parameter):
        return torch.nn.Parameter(empty, requires_grad=array.requires_grad)
    return empty
