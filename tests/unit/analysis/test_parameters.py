"""Where methods stand by their learned parameters."""

import pandas as pd
import pytest
import timm
import torch

from analysis.parameters import COUNTS, LEARNED, own_points, published_points
from analysis.published import read_accuracy, read_author_settings
from sa2vp.methods import METHODS
from sa2vp.models import create_sa2vp

ARCHITECTURES = {
    "vit_b16_in21k": "vit_base_patch16_224.augreg_in21k",
    "swin_b_in22k": "swin_base_patch4_window7_224.ms_in22k",
}


@pytest.mark.parametrize(("backbone", "architecture"), ARCHITECTURES.items())
def test_the_counts_are_the_models(backbone: str, architecture: str) -> None:
    frozen = timm.create_model(architecture, pretrained=False, num_classes=0)
    counts = COUNTS[backbone]
    assert counts.backbone == sum(parameter.numel() for parameter in frozen.parameters())
    for dim in (8, 64):
        model = create_sa2vp(frozen, num_classes=5, inter_dim=dim, inter_weight=0.1)
        assert model.count_learned() == counts.fixed + dim * counts.per_channel


@pytest.mark.parametrize("backbone", COUNTS)
def test_what_other_methods_learn_is_counted_on_the_models(backbone: str) -> None:
    with torch.device("meta"):
        frozen = timm.create_model(ARCHITECTURES[backbone], num_classes=0)
        for printed, count in LEARNED[backbone].items():
            name, values = printed, {}
            if printed.startswith("adapter-"):
                name, values = "adapter-vpt", {"reduction": int(printed.rpartition("-")[2])}
            assert METHODS[name].of(values).build(frozen, 5).count_learned() == count


def test_methods_of_known_parameters_are_points_and_the_others_lines() -> None:
    fgvc = read_accuracy().query("benchmark == 'fgvc'")
    settings = read_author_settings("fgvc", "vit_b16")
    points, lines = published_points(fgvc, settings, "vit_b16_in21k", ["cub200", "nabirds"])
    learned = points.set_index("method")["learned"]
    # The README's inter_dim is 16 on CUB-200 and 32 on NABirds; heads are not counted.
    assert learned["sa2vp"] == (372_912 + 714_336) / 2
    assert learned["full"] == 85_798_656
    assert learned["linear"] == 0
    full = fgvc.query("method == 'full'").set_index("task")["top1_percent"]
    top1 = points.set_index("method")["top1_percent"]
    assert top1["full"] == pytest.approx((full["cub200"] + full["nabirds"]) / 2)
    # VPT's prompt lengths are 10 on CUB-200 and 50 on NABirds.
    assert learned["vpt-deep"] == 12 * 768 * 30
    assert "e2vpt" in set(lines["method"])
    assert not set(lines["method"]) & set(points["method"])


def test_own_runs_are_a_mean_or_a_point_per_task() -> None:
    rows = pd.DataFrame(
        {
            "task": ["digits", "location", "late"],
            "trainable_params": pd.array([100, 300, None], dtype="Int64"),
            "test_top1_mean": [90.0, 70.0, None],
        }
    )
    by_task = own_points(rows, by_task=True)
    assert by_task["method"].tolist() == ["digits", "location"]
    (mean,) = own_points(rows, by_task=False).to_dict("records")
    assert (mean["learned"], mean["top1_percent"]) == (200.0, 80.0)
