"""Ranking metrics: higher is better unless the docstring says otherwise."""

from ltr_losses.metrics._ndcg import dcg, ndcg

__all__ = ["dcg", "ndcg"]
