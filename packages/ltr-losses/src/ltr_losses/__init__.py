"""Ranking losses and metrics for PyTorch, with masks, weights and a task axis.

Every loss is `loss(scores, labels, *, mask=None, weights=None, reduction="mean")` and every metric
`metric(scores, labels, *, mask=None, k=None, ..., reduction="mean")`. The list axis is last,
leading axes broadcast, and only the axis before the list is reduced.
"""

from . import metrics
from .__about__ import __version__
from ._approx_mrr import approx_mrr_loss
from ._approx_ndcg import approx_ndcg_loss
from ._bce import bce_loss
from ._binary_listnet import binary_listnet_loss
from ._clicks import cascade_clicks, position_based_clicks
from ._exposure import amortised_exposure, exposure_loss
from ._gumbel import gumbel
from ._hinge import pairwise_hinge_loss
from ._intervention_harvesting import intervention_harvesting
from ._lambda import lambda_loss
from ._listmle import listmle_loss
from ._listnet import listnet_loss
from ._module import RankingLoss
from ._mse import mse_loss
from ._neural_ndcg import neural_ndcg_loss
from ._ordinal import ordinal_loss
from ._p_listmle import p_listmle_loss
from ._pairwise_mse import pairwise_mse_loss
from ._poly1_softmax import poly1_softmax_loss
from ._propensity import power_law_propensity, propensity_from_counts
from ._quantile import pairwise_quantile_loss
from ._ranknet import ranknet_loss
from ._regression_em import RegressionEM, regression_em
from ._self_normalised import self_normalised
from ._softmax import softmax_loss
from ._transforms import approx, bound
from ._unique_softmax import unique_softmax_loss
from .metrics import *  # noqa: F403  its `__all__` is the index of the metrics

__all__ = [
    "RankingLoss",
    "RegressionEM",
    "__version__",
    "amortised_exposure",
    "approx",
    "approx_mrr_loss",
    "approx_ndcg_loss",
    "bce_loss",
    "binary_listnet_loss",
    "bound",
    "cascade_clicks",
    "exposure_loss",
    "gumbel",
    "intervention_harvesting",
    "lambda_loss",
    "listmle_loss",
    "listnet_loss",
    "mse_loss",
    "neural_ndcg_loss",
    "ordinal_loss",
    "p_listmle_loss",
    "pairwise_hinge_loss",
    "pairwise_mse_loss",
    "pairwise_quantile_loss",
    "poly1_softmax_loss",
    "position_based_clicks",
    "power_law_propensity",
    "propensity_from_counts",
    "ranknet_loss",
    "regression_em",
    "self_normalised",
    "softmax_loss",
    "unique_softmax_loss",
]
__all__ += metrics.__all__
