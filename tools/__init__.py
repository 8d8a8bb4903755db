"""Commands beside the stages: `make` calls them, DVC never does."""
