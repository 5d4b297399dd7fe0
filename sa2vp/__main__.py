"""``python -m sa2vp``: the same as the command ``sa2vp``."""

from __future__ import annotations

import sys

from sa2vp.cli.main import main

sys.exit(main())
