"""The demo suite.

Each task starts from the authors' configuration for the VTAB-1k task nearest to it
(``readme_hyperparameters.csv``), and may go beyond: the demo trains for 8 epochs, the authors
for 100, so the learning rate reaches higher.
"""

from __future__ import annotations

from search_spaces.kinds import Choice, LogUniform, Range, TaskSpace, initial

RANGES: dict[str, Range] = {
    "inter_dim": Choice(4, 8, 16, 32, 64),
    "inter_weight": LogUniform(0.05, 2.0),
    "lr": LogUniform(5e-4, 2e-2),
    "batch_size": Choice(20, 40),
}

SPACES = {
    # as svhn: digits in the wild
    "digits": TaskSpace(RANGES, initial(inter_dim=16, inter_weight=0.5, lr=1e-3, batch_size=40)),
    # as dsprites_location
    "location": TaskSpace(RANGES, initial(inter_dim=32, inter_weight=1.5, lr=1e-3, batch_size=40)),
    # as dsprites_orientation
    "orientation": TaskSpace(
        RANGES, initial(inter_dim=16, inter_weight=0.1, lr=1e-3, batch_size=40)
    ),
}
