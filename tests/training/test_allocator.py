import subprocess
import sys

COUNT_PAGE_FAULTS = """
import resource, sys
import torch
from sa2vp.training.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
linear, images = torch.nn.Linear(512, 2048), torch.ones(8192, 512)
counts = []
for step in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.nn.functional.gelu(linear(images)).sum().backward()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(counts))
"""
PAGES_OF_AN_ACTIVATION = 8192 * 2048 * 4 // 4096


def page_faults(memory: str) -> int:
    """Count the page faults of eight equal steps in a process of its own; give the fewest.

    Memory that is handed back costs them in every step; a heap that still grows, in one or two.
    """
    command = [sys.executable, "-c", COUNT_PAGE_FAULTS, memory]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_freed_memory_is_used_again_without_a_fault_for_each_page() -> None:
    assert page_faults("returned") > PAGES_OF_AN_ACTIVATION
    assert page_faults("kept") < PAGES_OF_AN_ACTIVATION / 10
