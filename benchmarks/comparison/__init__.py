"""The parts of ``compare_searches.py``: tables, replays, ways to search, simulation, scores."""
