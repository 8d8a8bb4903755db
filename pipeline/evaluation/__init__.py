"""What a model is worth: inference, scores, calibration, mistakes, and statistics over seeds."""
