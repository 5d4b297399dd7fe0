"""A module for each format that datasets have on disk."""
