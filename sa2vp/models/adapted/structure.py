"""A backbone of a model's own, over arrays that it shares with other models.

A method puts learned parts into timm's modules, or learns some of their arrays. The backbone that
it is given belongs to all models of the process, and its arrays may be read-only. So the modules
are copied, and of the arrays those alone that are learned.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from typing import Any

from timm.layers import DropPath
from timm.models.swin_transformer import SwinTransformer
from torch import nn

from sa2vp.models.suitability import Backbone

BRANCHES = ("drop_path1", "drop_path2")
"""Of a block of timm's: what its two residual branches pass last."""


def own_backbone(backbone: Backbone, learned: Callable[[str], bool] = lambda _: False) -> Any:
    """Copy a backbone's modules, and share its arrays but for those that are learned.

    Args:
        backbone: left as it is, but frozen.
        learned: tells from an array's name whether it is learned, and then copied.

    Returns:
        The copy. Nothing in it draws at random.
    """
    backbone.requires_grad_(False)
    shared = {id(array): array for array in chain(backbone.parameters(), backbone.buffers())}
    own = deepcopy(backbone, shared).train()
    for name, array in list(own.named_parameters()):
        if learned(name):
            module, _, leaf = name.rpartition(".")
            own.get_submodule(module).register_parameter(leaf, nn.Parameter(array.clone()))
    for name, module in list(own.named_modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, DropPath) or name == "patch_drop":
            own.set_submodule(name, nn.Identity())
    return own


def blocks_of(backbone: Any) -> list[Any]:
    """List the blocks, from the first to the last."""
    if isinstance(backbone, SwinTransformer):
        return [block for stage in backbone.layers for block in stage.blocks]
    return [*backbone.blocks]


def set_vit_dropout(backbone: Any, rate: float) -> None:
    """Draw dropout as VPT's ViT does: after the embeddings, and after both Linears of each MLP.

    Its Swin draws none.
    """
    if isinstance(backbone, SwinTransformer):
        return
    backbone.pos_drop.p = rate
    for block in blocks_of(backbone):
        block.mlp.drop1.p = block.mlp.drop2.p = rate


def set_drop_path(backbone: Any, rate: float) -> None:
    """Leave out residual branches at random, at rates that rise linearly from 0 at the first block.

    Args:
        backbone: as :func:`own_backbone` gives it.
        rate: of the last block.
    """
    blocks = blocks_of(backbone)
    for index, block in enumerate(blocks):
        own_rate = rate * index / (len(blocks) - 1)
        for branch in BRANCHES if own_rate > 0 else ():
            setattr(block, branch, DropPath(own_rate))
