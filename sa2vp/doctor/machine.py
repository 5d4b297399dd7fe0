"""Versions, devices, and the number formats that they compute in."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import torch

from sa2vp.doctor.report import Line, judged
from sa2vp.training.configuration import PRECISIONS
from sa2vp.training.precision import choose_precision

PACKAGES = ("sa2vp", "torch", "timm", "ray", "optuna", "numpy")
CHECK = "machine"


def look_at_versions() -> Iterator[Line]:
    """Name what is installed; what a search alone needs may be missing."""
    yield Line(CHECK, "Python", platform.python_version())
    for package in PACKAGES:
        try:
            yield Line(CHECK, package, version(package))
        except PackageNotFoundError:
            yield Line(CHECK, package, "not installed", "skipped")
    yield Line(CHECK, "CUDA that PyTorch was built for", str(torch.version.cuda))


def look_at_devices(device: torch.device) -> Iterator[Line]:
    """Name the device, its memory and what it computes in."""
    yield Line(CHECK, "CPU cores", str(os.cpu_count()))
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        major, minor = torch.cuda.get_device_capability(device)
        yield Line(CHECK, "GPU", f"{properties.name}, capability {major}.{minor}")
        free, whole = torch.cuda.mem_get_info(device)
        yield Line(CHECK, "its memory", f"{free / 2**30:.1f} of {whole / 2**30:.1f} GiB are free")
        yield Line(CHECK, "GPUs here", str(torch.cuda.device_count()))
    for asked in PRECISIONS:
        try:
            precision = choose_precision(asked, device)
        except ValueError as error:
            yield Line(CHECK, f"--precision {asked}", str(error), "skipped")
            continue
        dtype = getattr(torch, "float32" if precision == "tf32" else precision)
        ones = torch.ones(64, 256, dtype=dtype, device=device)
        product = (ones @ ones.T)[0, 0].item()
        found = precision if asked == "auto" else f"a product of 256 ones is {product:g}"
        yield judged(CHECK, f"--precision {asked}", found, good=product == 256)
