"""Show a results folder's tables, or write them in other formats, a report or recipes."""

from __future__ import annotations

import sys

from sa2vp.cli.commands import run
from sa2vp.cli.tables import make_tables

app = make_tables("reproduce_tables.py")

if __name__ == "__main__":
    sys.exit(run(app, "reproduce_tables.py", sys.argv[1:]))
