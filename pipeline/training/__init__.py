"""How any model is trained, epoch by epoch, on the devices at hand."""
