"""What more than one stage uses, one subject a file. Nothing here imports a stage."""
