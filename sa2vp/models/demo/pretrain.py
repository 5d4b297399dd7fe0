"""Pre-train the demo backbone; ``benchmarks/pretrain_demo.py`` is the command."""

from __future__ import annotations

import csv
import logging
import math
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from sa2vp.models.demo import ARCHITECTURE
from sa2vp.models.demo.drawings import Draughtsman, Drawing
from sa2vp.models.demo.shapes import shape_fields

logger = logging.getLogger(__name__)

SHAPES_SEED = 1
HELD_OUT_SEED = 2
"""The training drawings take the seeds above it."""
POSE_SIZE = 4
BACKGROUND_WEIGHT = 0.1
"""Of a background patch in the patch loss: three patches in four show no shape."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainSettings:
    """What one pre-training run depends on.

    Attributes:
        steps: optimizer steps, each on freshly drawn images.
        seed: of the weights and of the drawings.
        num_shapes: classes the drawings are made of.
        batch_size: images per step.
        lr: peak learning rate of AdamW, after ``warmup_fraction`` of the steps.
        warmup_fraction: share of the steps with a rising learning rate.
        ramp_fraction: share of the steps over which the drawings reach full difficulty; the first
            shapes are learned from easy drawings.
        weight_decay: on matrices only.
        log_every: steps between two rows of the log and two saved weight files.
        held_out: images, drawn from another seed, behind the logged accuracies.
    """

    steps: int
    seed: int = 0
    num_shapes: int = 100
    batch_size: int = 64
    lr: float = 1.5e-3
    warmup_fraction: float = 0.04
    ramp_fraction: float = 0.5
    weight_decay: float = 0.05
    log_every: int = 250
    held_out: int = 512

    def __post_init__(self) -> None:
        """Refuse a run without a step or a row of the log."""
        for name in ("steps", "num_shapes", "batch_size", "log_every", "held_out"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of the training log; losses of the step's batch, scores on held-out drawings.

    The held-out drawings are of full difficulty throughout.
    """

    step: int
    images_seen: int
    image_loss: float
    patch_loss: float
    pose_loss: float
    held_out_image_acc_pct: float
    held_out_patch_acc_pct: float
    held_out_pose_error: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the three heads say.

    Attributes:
        image_logits: ``(B, num_shapes)``, from the class token.
        patch_logits: ``(B, 64, num_shapes + 1)``, from the patch tokens.
        poses: ``(B, 64, 4)``, from the patch tokens, as ``Drawing.patch_poses``.
    """

    image_logits: Tensor
    patch_logits: Tensor
    poses: Tensor


class PretrainModel(nn.Module):
    """The backbone under the three linear heads that pre-training throws away."""

    def __init__(self, num_shapes: int) -> None:
        super().__init__()
        self.backbone = VisionTransformer(**ARCHITECTURE)
        width = ARCHITECTURE["embed_dim"]
        waves = build_sincos2d_pos_embed(list(self.backbone.patch_embed.grid_size), width)
        with torch.no_grad():  # neighbours start out alike, which random embeddings must learn
            self.backbone.pos_embed[:, 1:] = 0.2 * waves
        self.image_head = nn.Linear(width, num_shapes)
        self.patch_head = nn.Linear(width, num_shapes + 1)
        self.pose_head = nn.Linear(width, POSE_SIZE)

    def forward(self, images: Tensor) -> Prediction:
        """Predict the targets of a ``Drawing`` from images ``(B, 3, 32, 32)``."""
        tokens = self.backbone.forward_features(images)  # (B, 65, D), class token first
        patches = tokens[:, 1:]
        return Prediction(
            self.image_head(tokens[:, 0]), self.patch_head(patches), self.pose_head(patches)
        )


def task_losses(prediction: Prediction, drawing: Drawing) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the image, patch and pose loss: two cross entropies and a smooth L1."""
    weight = torch.ones(prediction.patch_logits.shape[-1])
    weight[-1] = BACKGROUND_WEIGHT
    patch_logits, patch_labels = prediction.patch_logits, drawing.patch_labels
    return (
        F.cross_entropy(prediction.image_logits, drawing.labels),
        F.cross_entropy(patch_logits.flatten(0, 1), patch_labels.flatten(), weight),
        F.smooth_l1_loss(
            prediction.poses[drawing.on_main], drawing.patch_poses[drawing.on_main], beta=0.1
        ),
    )


@torch.no_grad()
def held_out_scores(model: PretrainModel, drawing: Drawing) -> tuple[float, float, float]:
    """Score held-out drawings: image and patch accuracy (%), mean absolute pose error.

    Patch accuracy counts the patches with a shape on them only: most show background.
    """
    model.eval()
    prediction: Prediction = model(drawing.images)
    model.train()
    image_hits = prediction.image_logits.argmax(-1) == drawing.labels
    drawn = drawing.patch_labels < prediction.patch_logits.shape[-1] - 1
    patch_hits = (prediction.patch_logits.argmax(-1) == drawing.patch_labels)[drawn]
    error = (prediction.poses - drawing.patch_poses).abs()[drawing.on_main]
    return (
        100 * image_hits.float().mean().item(),
        100 * patch_hits.float().mean().item(),
        error.mean().item(),
    )


def learning_rate_factor(step: int, settings: PretrainSettings) -> float:
    """Climb linearly to 1, then follow a cosine to 0."""
    warmup = max(1, round(settings.warmup_fraction * settings.steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, settings.steps - warmup)))


def make_optimizer(model: nn.Module, settings: PretrainSettings) -> torch.optim.AdamW:
    """Build AdamW with weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.98))


def pretrain(settings: PretrainSettings, weights: Path, log: Path) -> None:
    """Train on drawn images; write the backbone's weights and the log as it goes.

    Args:
        settings: the run; the same settings give the same weights on one machine.
        weights: safetensors file, the backbone without heads; overwritten.
        log: CSV file of ``LogRow``; overwritten.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    torch.manual_seed(settings.seed)
    shapes = shape_fields(settings.num_shapes, SHAPES_SEED)
    held_out = Draughtsman(shapes, HELD_OUT_SEED).draw(settings.held_out)
    draughtsman = Draughtsman(shapes, HELD_OUT_SEED + 1 + settings.seed)
    model = PretrainModel(settings.num_shapes)
    optimizer = make_optimizer(model, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, settings)
    )
    rows: list[LogRow] = []
    started = time.perf_counter()
    for step in range(1, settings.steps + 1):
        difficulty = min(1.0, step / (settings.ramp_fraction * settings.steps))
        drawing = draughtsman.draw(settings.batch_size, difficulty)
        losses = train_step(model, optimizer, drawing)
        schedule.step()
        if step % settings.log_every == 0 or step == settings.steps:
            scores = held_out_scores(model, held_out)
            seconds = round(time.perf_counter() - started, 1)
            rows.append(LogRow(step, step * settings.batch_size, *losses, *scores, seconds))
            logger.info("%s", rows[-1])
            save_backbone(model.backbone, weights)
            write_log(rows, log)


def train_step(
    model: PretrainModel, optimizer: torch.optim.Optimizer, drawing: Drawing
) -> tuple[float, float, float]:
    """Take one optimizer step on the sum of the three losses; return them."""
    losses = task_losses(model(drawing.images), drawing)
    total = torch.stack(losses).sum()
    if not torch.isfinite(total):
        raise FloatingPointError(f"pre-training loss is {total.item()}; lower the learning rate")
    optimizer.zero_grad()
    total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    image_loss, patch_loss, pose_loss = (loss.item() for loss in losses)
    return image_loss, patch_loss, pose_loss


def save_backbone(backbone: nn.Module, path: Path) -> None:
    """Write the state dict as safetensors."""
    save_file({name: value.contiguous() for name, value in backbone.state_dict().items()}, path)


def write_log(rows: list[LogRow], path: Path) -> None:
    """Write the rows as CSV, with a header."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(LogRow)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
