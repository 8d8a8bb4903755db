"""The report, the model card and the plots. Nothing here imports TensorFlow."""
