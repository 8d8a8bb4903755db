"""What a model is: its layers, its initial weights and its file."""
