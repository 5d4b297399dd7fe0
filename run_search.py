"""Search SA2VP's hyperparameters for a suite of tasks, then retrain and test the best settings."""

from __future__ import annotations

import sys

from sa2vp.cli.commands import run
from sa2vp.cli.search import make_search

app = make_search("run_search.py")

if __name__ == "__main__":
    sys.exit(run(app, "run_search.py", sys.argv[1:]))
