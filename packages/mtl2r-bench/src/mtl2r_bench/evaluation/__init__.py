"""Evaluation of rankers: metrics, certificates, the choice of the epoch, reference rankers."""
