"""The shipped demo backbone, and two steps of the script that made it."""

import csv

import pytest
import torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer

from sa2vp.models.demo import ARCHITECTURE, WEIGHTS_PATH
from sa2vp.models.demo.drawings import Draughtsman
from sa2vp.models.demo.pretrain import PretrainSettings, learning_rate_factor, pretrain
from sa2vp.models.demo.shapes import FIELD_SIZE, shape_fields

TINY = {"steps": 2, "num_shapes": 6, "batch_size": 4, "held_out": 4}


@pytest.fixture(scope="module")
def drawing():
    return Draughtsman(shape_fields(6, seed=0), seed=0).draw(32)


def loaded(path):
    backbone = VisionTransformer(**ARCHITECTURE)
    backbone.load_state_dict(load_file(path))  # strict: no key missing, none left over
    return backbone.eval()


def test_shipped_weights_fit_the_architecture_and_the_repository():
    backbone = loaded(WEIGHTS_PATH)
    assert backbone.patch_embed.grid_size == (8, 8)
    assert sum(p.numel() for p in backbone.parameters()) <= 2_000_000
    assert WEIGHTS_PATH.stat().st_size <= 5_000_000
    with torch.no_grad():
        features = backbone(torch.zeros(2, 3, 32, 32))
    assert features.shape == (2, ARCHITECTURE["embed_dim"])
    assert features.isfinite().all()


def test_shipped_patch_tokens_know_the_way_to_the_centre():
    # A linear readout fitted on some drawings, of shapes that pre-training never showed, must hold
    # on others. Untrained tokens leave 0.95 of the error of always answering "here".
    shapes, backbone = shape_fields(6, seed=5), loaded(WEIGHTS_PATH)
    tokens, ways = [], []
    for seed in (0, 1):
        drawn = Draughtsman(shapes, seed).draw(128)
        with torch.no_grad():
            tokens.append(backbone.forward_features(drawn.images)[:, 1:][drawn.on_main])
        ways.append(drawn.patch_poses[drawn.on_main][:, 2:])
    readout = torch.linalg.lstsq(tokens[0], ways[0], driver="gelsd").solution
    error = (tokens[1] @ readout - ways[1]).abs().mean()
    assert error < 0.7 * ways[1].abs().mean()


def test_pretraining_is_seeded_and_writes_what_loads(tmp_path):
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        pretrain(PretrainSettings(seed=seed, **TINY), path, path.with_suffix(".csv"))
    first, again, other = (loaded(path).state_dict() for path in paths)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["pos_embed"], other["pos_embed"])
    rows = list(csv.DictReader(paths[0].with_suffix(".csv").open()))
    assert [(row["step"], row["images_seen"]) for row in rows] == [("2", "8")]


def test_settings_without_a_step_are_refused():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        PretrainSettings(steps=0)


def test_learning_rate_climbs_then_falls_to_zero():
    settings = PretrainSettings(steps=100, warmup_fraction=0.1)
    factors = [learning_rate_factor(step, settings) for step in (0, 9, 10, 55, 100)]
    assert factors == pytest.approx([0.1, 1, 1, 0.5, 0])


def test_drawing_shapes_and_ranges(drawing):
    assert drawing.images.shape == (32, 3, 32, 32)
    assert drawing.images.min() >= -1
    assert drawing.images.max() <= 1
    assert drawing.labels.shape == (32,)
    assert drawing.patch_labels.shape == drawing.on_main.shape == (32, 64)
    assert drawing.patch_labels.max() == 6  # six shapes, so 6 is the background
    assert drawing.patch_poses.shape == (32, 64, 4)


def test_main_shape_is_on_top_of_every_drawing(drawing):
    assert drawing.on_main.any(dim=1).all()
    on_main = torch.where(drawing.on_main, drawing.patch_labels, drawing.labels[:, None])
    share = (on_main == drawing.labels[:, None]).float().mean()
    assert share > 0.95  # a smaller shape may still show more of itself in a patch


def test_the_way_to_the_centre_leads_to_the_same_point(drawing):
    step = torch.tensor([2 / 8, 0.0])  # one patch to the right, in half images
    right = drawing.patch_poses[:, 1, 2:] - drawing.patch_poses[:, 0, 2:]
    torch.testing.assert_close(right, -step.expand(32, 2))


def test_easiest_drawings_stand_upright():
    poses = Draughtsman(shape_fields(2, seed=0), seed=0).draw(8, difficulty=0.0).patch_poses
    right = poses[:, 1, :2] - poses[:, 0, :2]  # the own frame's step per patch to the right
    assert (right[:, 0] > 0).all()
    torch.testing.assert_close(right[:, 1], torch.zeros(8), atol=1e-5, rtol=0)


def test_blobs_are_filled_and_strokes_are_lines():
    stroke, blob = shape_fields(2, seed=0)
    assert stroke.shape == (FIELD_SIZE, FIELD_SIZE)
    assert stroke.min() >= 0
    assert blob.min() < -0.1
