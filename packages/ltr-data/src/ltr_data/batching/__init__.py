"""Padded batches: which queries come together, in which order, and made ahead of their use."""
