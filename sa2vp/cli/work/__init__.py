"""What the commands do once their options are sound, a module each; some are slow to import."""
