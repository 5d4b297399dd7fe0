"""SA2VP: spatially aligned and adapted visual prompts (AAAI 2024), searched with Ray Tune."""

__version__ = "0.1.0"
