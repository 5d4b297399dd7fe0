"""Shortcuts: what gives the same numbers as :mod:`~sa2vp.models.plain` for less time or memory."""
