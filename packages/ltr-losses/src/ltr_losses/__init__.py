"""Ranking losses and metrics for PyTorch, with masks, weights and a task axis.

Every loss is `loss(scores, labels, *, mask=None, weights=None, reduction="mean")` and every metric
`metric(scores, labels, *, mask=None, k=None, ..., reduction="mean")`. The list axis is last,
leading axes broadcast, and only the axis before the list is reduced.
"""

from ltr_losses.__about__ import __version__
from ltr_losses._approx_mrr import approx_mrr_loss
from ltr_losses._approx_ndcg import approx_ndcg_loss
from ltr_losses._bce import bce_loss
from ltr_losses._binary_listnet import binary_listnet_loss
from ltr_losses._clicks import cascade_clicks, position_based_clicks
from ltr_losses._exposure import amortised_exposure, exposure_loss
from ltr_losses._gumbel import gumbel
from ltr_losses._hinge import pairwise_hinge_loss
from ltr_losses._lambda import lambda_loss
from ltr_losses._listmle import listmle_loss
from ltr_losses._listnet import listnet_loss
from ltr_losses._module import RankingLoss
from ltr_losses._mse import mse_loss
from ltr_losses._neural_ndcg import neural_ndcg_loss
from ltr_losses._ordinal import ordinal_loss
from ltr_losses._p_listmle import p_listmle_loss
from ltr_losses._pairwise_mse import pairwise_mse_loss
from ltr_losses._poly1_softmax import poly1_softmax_loss
from ltr_losses._propensity import power_law_propensity, propensity_from_counts
from ltr_losses._quantile import pairwise_quantile_loss
from ltr_losses._ranknet import ranknet_loss
from ltr_losses._self_normalised import self_normalised
from ltr_losses._softmax import softmax_loss
from ltr_losses._transforms import approx, bound
from ltr_losses._unique_softmax import unique_softmax_loss
from ltr_losses.metrics import (
    arp,
    average_precision,
    dcg,
    err,
    exposure_gap,
    hit_rate,
    mrr,
    ndcg,
    precision,
    rbp,
    recall,
)

__all__ = [
    "RankingLoss",
    "__version__",
    "amortised_exposure",
    "approx",
    "approx_mrr_loss",
    "approx_ndcg_loss",
    "arp",
    "average_precision",
    "bce_loss",
    "binary_listnet_loss",
    "bound",
    "cascade_clicks",
    "dcg",
    "err",
    "exposure_gap",
    "exposure_loss",
    "gumbel",
    "hit_rate",
    "lambda_loss",
    "listmle_loss",
    "listnet_loss",
    "mrr",
    "mse_loss",
    "ndcg",
    "neural_ndcg_loss",
    "ordinal_loss",
    "p_listmle_loss",
    "pairwise_hinge_loss",
    "pairwise_mse_loss",
    "pairwise_quantile_loss",
    "poly1_softmax_loss",
    "position_based_clicks",
    "power_law_propensity",
    "precision",
    "propensity_from_counts",
    "ranknet_loss",
    "rbp",
    "recall",
    "self_normalised",
    "softmax_loss",
    "unique_softmax_loss",
]
