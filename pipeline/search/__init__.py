"""Searches for hyperparameters: spaces, oracles, trials, and several processes at one search."""
