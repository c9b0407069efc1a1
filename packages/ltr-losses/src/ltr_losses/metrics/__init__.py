"""Ranking metrics: higher is better unless the docstring says otherwise."""

from ltr_losses.metrics._arp import arp
from ltr_losses.metrics._average_precision import average_precision
from ltr_losses.metrics._err import err
from ltr_losses.metrics._exposure import exposure_gap
from ltr_losses.metrics._hit_rate import hit_rate
from ltr_losses.metrics._mrr import mrr
from ltr_losses.metrics._ndcg import dcg, ndcg
from ltr_losses.metrics._precision import precision
from ltr_losses.metrics._rbp import rbp
from ltr_losses.metrics._recall import recall

__all__ = [
    "arp",
    "average_precision",
    "dcg",
    "err",
    "exposure_gap",
    "hit_rate",
    "mrr",
    "ndcg",
    "precision",
    "rbp",
    "recall",
]
