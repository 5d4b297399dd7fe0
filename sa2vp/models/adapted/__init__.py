"""What the methods besides SA2VP build: timm's own backbone, with learned parts put into it."""

from __future__ import annotations

from sa2vp.models.adapted.model import Adapted
from sa2vp.models.adapted.structure import (
    blocks_of,
    own_backbone,
    set_drop_path,
    set_vit_dropout,
)

__all__ = ["Adapted", "blocks_of", "own_backbone", "set_drop_path", "set_vit_dropout"]
