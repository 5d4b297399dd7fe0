import subprocess
import sys

COUNT_PAGE_FAULTS = """
import resource, sys
import torch
from sa2vp.training.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
for turn in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64, 1024, 1024)  # 256 MiB, freed at once
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(memory: str) -> int:
    """Count the faults of the third of three equal steps, in a process of its own."""
    command = [sys.executable, "-c", COUNT_PAGE_FAULTS, memory]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_freed_memory_is_used_again_without_a_fault_for_each_page() -> None:
    assert page_faults("returned") > 60_000  # 65,536 pages of 4 KiB
    assert page_faults("kept") < 100
