"""Tasks and their images."""
