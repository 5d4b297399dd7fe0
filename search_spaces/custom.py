"""One's own data: the paper's ranges, from the README's most frequent FGVC values."""

from __future__ import annotations

from search_spaces.kinds import TaskSpace, initial
from search_spaces.ranges import ranges

SPACE = TaskSpace(
    ranges(16, 32, 64), initial(inter_dim=32, inter_weight=0.1, lr=1e-3, batch_size=32)
)
