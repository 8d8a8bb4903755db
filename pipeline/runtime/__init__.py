"""Signals and checkpoints: they may stop and continue a run, and never change its result."""
