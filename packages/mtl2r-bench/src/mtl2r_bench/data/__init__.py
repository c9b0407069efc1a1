"""The data of a run: splits from a data config, and their batches."""
