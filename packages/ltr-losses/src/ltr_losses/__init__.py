"""Ranking losses and metrics for PyTorch, with masks, weights and a task axis.

Every loss is `loss(scores, labels, *, mask=None, weights=None, reduction="mean")` and every metric
`metric(scores, labels, *, mask=None, k=None, ..., reduction="mean")`. The list axis is last,
leading axes broadcast, and only the axis before the list is reduced.
"""

from ltr_losses.__about__ import __version__
from ltr_losses._bce import bce_loss
from ltr_losses._lambda import lambda_loss
from ltr_losses._listmle import listmle_loss
from ltr_losses._listnet import listnet_loss
from ltr_losses._mse import mse_loss
from ltr_losses._softmax import softmax_loss
from ltr_losses.metrics import dcg, ndcg

__all__ = [
    "__version__",
    "bce_loss",
    "dcg",
    "lambda_loss",
    "listmle_loss",
    "listnet_loss",
    "mse_loss",
    "ndcg",
    "softmax_loss",
]
