"""How a person calls a stage, and what they see while it runs."""
