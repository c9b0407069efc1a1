"""Measuring rankers: metrics, certificates, the choice of the epoch, baselines."""
