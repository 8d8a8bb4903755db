"""Ground: errors, atomic and byte-stable files, the arrays of the data set, and where a run keeps its files."""
