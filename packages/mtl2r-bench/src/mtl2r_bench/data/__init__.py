"""From a data config to the lists that a run trains on, and their batches."""
