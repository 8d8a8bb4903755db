"""params.yaml: kinds of values, a schema per subject, reading, and what each declared run trains."""
