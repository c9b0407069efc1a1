"""Feature transforms, which are fitted to the training split and saved with the model."""
