"""Tell backbones apart by their weights: the same name may stand for other files."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def fingerprint(backbone: nn.Module) -> str:
    """Hash every array of the state dict by name, shape, type and bytes.

    The order of the arrays and the device they lie on make no difference.

    Returns:
        16 hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for name, array in sorted(backbone.state_dict().items()):
        digest.update(f"{name!r} {tuple(array.shape)} {array.dtype}\n".encode())
        # As bytes, because NumPy lacks some of torch's types.
        digest.update(array.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
