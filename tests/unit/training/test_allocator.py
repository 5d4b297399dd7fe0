import subprocess
import sys

COUNT_PAGE_FAULTS = """
import resource, statistics, sys
import torch
from sa2vp.training.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
linear, images = torch.nn.Linear(8, 2048), torch.ones(4096, 8)
counts = []
for step in range(16):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.nn.functional.gelu(linear(images)).sum().backward()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(statistics.median_high(counts[8:]))
"""
PAGES_OF_AN_ACTIVATION = 4096 * 2048 * 4 // 4096


def page_faults(memory: str) -> int:
    """Count the page faults of equal steps in a process of its own; give the median.

    Of the last eight of sixteen: the heap grows in the first ones, and now and then in a later one.
    """
    command = [sys.executable, "-c", COUNT_PAGE_FAULTS, memory]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_freed_memory_is_used_again_without_a_fault_for_each_page() -> None:
    assert page_faults("returned") > PAGES_OF_AN_ACTIVATION
    assert page_faults("kept") < PAGES_OF_AN_ACTIVATION / 10
