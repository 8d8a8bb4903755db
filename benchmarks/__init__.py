"""How fast the programs train, measured and never asserted."""
