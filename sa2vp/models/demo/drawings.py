"""Pre-training images: deformed shapes over textured backgrounds, labelled per image and patch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sa2vp.models.demo.shapes import FIELD_EXTENT

IMAGE_SIZE = 32
GRID = 8
OBJECTS = 3
"""Shapes per image; the last is drawn largest and on top, and names the image's class."""

MAIN_RADIUS_PX = (4.5, 12.0)
OTHER_RADIUS_PX = (2.0, 4.0)
MAIN_CENTRE_PX = (6.0, 26.0)
STROKE_HALF_WIDTH_PX = (0.6, 1.5)
COVERED = 0.15
"""Share of a patch that a shape must cover to be that patch's class."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A batch of drawn images with what is asked about them.

    Attributes:
        images: float32 ``(B, 3, 32, 32)``, normalised as the backbone expects: -1 to 1.
        labels: int64 ``(B,)``, the class of the main shape.
        patch_labels: int64 ``(B, 64)``, the class of the shape that covers each patch most, or
            the number of classes where there is only background.
        patch_poses: float32 ``(B, 64, 4)``, where each patch's centre lies in the main shape's
            own frame (x, y), then the way from there to the shape's centre (x, y; half images).
        on_main: bool ``(B, 64)``, whether the patch shows the main shape; poses count only there.
    """

    images: Tensor
    labels: Tensor
    patch_labels: Tensor
    patch_poses: Tensor
    on_main: Tensor


@dataclass(frozen=True, slots=True)
class Poses:
    """Where the shapes stand. Lengths in pixels; ``K`` shapes per image.

    Attributes:
        centres: ``(B, K, 2)``, x before y.
        to_own: ``(B, K, 2, 2)``, maps an offset from the centre into the shape's own frame.
        radii: ``(B, K)``, pixels per own-frame unit.
    """

    centres: Tensor
    to_own: Tensor
    radii: Tensor


class Draughtsman:
    """Draws seeded batches of the given shape classes.

    Args:
        fields: ``(num_classes, F, F)`` signed distance fields, see ``shapes.shape_fields``.
        seed: fixes every batch that follows.
    """

    def __init__(self, fields: Tensor, seed: int) -> None:
        self.fields = fields
        self.generator = torch.Generator().manual_seed(seed)
        line = torch.arange(IMAGE_SIZE) + 0.5
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.pixels = torch.stack([x, y], dim=-1).reshape(-1, 2)  # (1024, 2)

    def draw(self, batch_size: int, difficulty: float = 1.0) -> Drawing:
        """Draw the next ``batch_size`` images.

        Args:
            batch_size: images B.
            difficulty: 0 leaves shapes upright and undeformed, the main one large in the middle,
                and backgrounds plain; at 1 all of this varies, turns by half a turn either way.
        """
        num_classes = len(self.fields)
        classes = torch.randint(num_classes, (batch_size, OBJECTS), generator=self.generator)
        poses = self._poses(batch_size, difficulty)
        own = self._own_frame(poses, difficulty)
        coverage = self._coverage(classes, poses, own)
        images = self._paint(coverage, difficulty)
        visible = _visible(_patch_means(coverage))  # (B, K, 64)
        share, top = visible.max(dim=1)
        patch_labels = classes.gather(1, top).masked_fill(share < COVERED, num_classes)
        return Drawing(
            images=images,
            labels=classes[:, -1],
            patch_labels=patch_labels,
            patch_poses=_patch_poses(own[:, -1], poses.centres[:, -1]),
            on_main=visible[:, -1] >= COVERED,
        )

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator)

    def _poses(self, B: int, difficulty: float) -> Poses:
        others = OBJECTS - 1
        centre = self._uniform(*MAIN_CENTRE_PX, B, 1, 2)
        radius = self._uniform(*MAIN_RADIUS_PX, B, 1)
        main_centre = torch.lerp(torch.tensor(IMAGE_SIZE / 2), centre, difficulty)
        main_radius = torch.lerp(torch.tensor(MAIN_RADIUS_PX[1]), radius, difficulty)
        centres = torch.cat([self._uniform(0, IMAGE_SIZE, B, others, 2), main_centre], dim=1)
        radii = torch.cat([self._uniform(*OTHER_RADIUS_PX, B, others), main_radius], dim=1)
        turn = difficulty * self._uniform(-math.pi, math.pi, B, OBJECTS)
        cos, sin = turn.cos(), turn.sin()
        rotation = torch.stack([cos, sin, -sin, cos], dim=-1).unflatten(-1, (2, 2))
        skew = torch.eye(2) + difficulty * self._uniform(-0.2, 0.2, B, OBJECTS, 2, 2)
        return Poses(centres, skew @ rotation / radii[..., None, None], radii)

    def _own_frame(self, poses: Poses, difficulty: float) -> Tensor:
        """Map every pixel into every shape's own frame, waves added as elastic deformation.

        Returns:
            ``(B, K, 1024, 2)``.
        """
        offsets = self.pixels - poses.centres[:, :, None]  # (B, K, 1024, 2)
        own = offsets @ poses.to_own.mT
        B, K = own.shape[:2]
        frequency = self._uniform(-3, 3, B, K, 2, 2)
        phase = self._uniform(0, 2 * math.pi, B, K, 1, 2)
        return own + 0.1 * difficulty * torch.sin(own @ frequency + phase)

    def _coverage(self, classes: Tensor, poses: Poses, own: Tensor) -> Tensor:
        """Find the share of each pixel that each shape covers, ``(B, K, 1024)``."""
        B, K = classes.shape
        fields = self.fields[classes].flatten(0, 1)[:, None]  # (B*K, 1, F, F)
        grid = (own / FIELD_EXTENT).reshape(B * K, IMAGE_SIZE, IMAGE_SIZE, 2)
        distance = F.grid_sample(fields, grid, padding_mode="border", align_corners=True)
        distance_px = distance.reshape(B, K, -1) * poses.radii[..., None]
        is_stroke = classes < len(self.fields) // 2
        half_width = self._uniform(*STROKE_HALF_WIDTH_PX, B, K) * is_stroke
        return (half_width[..., None] - distance_px + 0.5).clamp(0, 1)

    def _background(self, B: int, difficulty: float) -> Tensor:
        """Paint two textured regions, or for some images a plain one, ``(B, 3, 1024)``.

        At full difficulty three images in ten are plain, and half of those black.
        """
        sites = self._uniform(0, IMAGE_SIZE, B, 2, 2)
        distance = torch.cdist(self.pixels.expand(B, -1, 2), sites)  # (B, 1024, 2)
        second = (distance[..., 1] < distance[..., 0])[:, None]
        colours = self._uniform(0, 0.4, B, 2, 3, 1)
        frequency = self._uniform(-1.5, 1.5, B, 2, 2)
        gratings = torch.sin(frequency @ self.pixels.T + self._uniform(0, 6, B, 2, 1))  # (B, 2, P)
        amplitude = self._uniform(0, 0.15, B, 2, 3, 1)
        textures = colours + amplitude * gratings[:, :, None]  # (B, 2, 3, P)
        textured = torch.where(second, textures[:, 1], textures[:, 0])
        plain = self._uniform(0, 1, B, 1, 1) < 1 - 0.7 * difficulty
        return torch.where(plain, colours[:, 0] * self._uniform(0, 1, B, 1, 1).round(), textured)

    def _paint(self, coverage: Tensor, difficulty: float) -> Tensor:
        """Put the shapes over a background, ``(B, 3, 32, 32)``, -1 to 1.

        Shapes are brighter than the background by construction, so that each can be seen; half of
        the images are then inverted and a third lose their colour.
        """
        B, K = coverage.shape[:2]
        image = self._background(B, difficulty)
        colours = self._uniform(0.55, 1, B, K, 3, 1)
        for index in range(K):
            image = torch.lerp(image, colours[:, index], coverage[:, index, None])
        noise = torch.randn(image.shape, generator=self.generator)
        image = image + noise * difficulty * self._uniform(0, 0.06, B, 1, 1)
        grey = self._uniform(0, 1, B, 1, 1) < 1 / 3
        image = torch.where(grey, image.mean(dim=1, keepdim=True), image)
        inverted = self._uniform(0, 1, B, 1, 1) < 0.5
        image = torch.where(inverted, 1 - image, image).clamp(0, 1)
        return 2 * image.view(B, 3, IMAGE_SIZE, IMAGE_SIZE) - 1


def _patch_means(pixels: Tensor) -> Tensor:
    """Average ``(B, K, 1024)`` over each patch: ``(B, K, 64)``, row by row."""
    square = pixels.unflatten(-1, (IMAGE_SIZE, IMAGE_SIZE))
    return F.avg_pool2d(square, IMAGE_SIZE // GRID).flatten(2)


def _visible(coverage: Tensor) -> Tensor:
    """Take from each shape's coverage what the shapes drawn over it hide, ``(B, K, 64)``."""
    hidden = (1 - coverage).flip(1).cumprod(dim=1).flip(1)
    return torch.cat([coverage[:, :-1] * hidden[:, 1:], coverage[:, -1:]], dim=1)


def _patch_poses(own: Tensor, centres: Tensor) -> Tensor:
    """Gather the dense targets of the main shape, ``(B, 64, 4)``; see ``Drawing.patch_poses``."""
    own_means = _patch_means(own.mT)
    step = IMAGE_SIZE // GRID
    line = torch.arange(GRID) * step + step / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    patches = torch.stack([x, y]).flatten(1)  # (2, 64)
    to_centre = (centres[..., None] - patches) / (IMAGE_SIZE / 2)
    return torch.cat([own_means, to_centre], dim=1).mT
