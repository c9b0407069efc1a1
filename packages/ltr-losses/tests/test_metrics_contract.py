"""Every metric keeps the contract, with its defaults, and with the options of some rows."""

from functools import partial

import pytest

from ltr_losses import metrics, testing

# `exposure_gap` takes groups, not labels; the exponential gain of `dcg` has no large labels.
METRICS = {
    **{n: getattr(metrics, n) for n in metrics.__all__ if n not in ("dcg", "exposure_gap")},
    "average-precision-k": partial(metrics.average_precision, k=3),
    "dcg-linear": partial(metrics.dcg, gain="linear"),
    "hit-rate-k": partial(metrics.hit_rate, k=2),
    "mrr-threshold": partial(metrics.mrr, threshold=2.0),
    "ndcg-ties": partial(metrics.ndcg, ties="average"),
    "ndcg-own": partial(metrics.ndcg, gain=lambda y: y**0.5, discount=lambda r: 1.0 / r),
    "ndcg-k": partial(metrics.ndcg, k=3),
    "precision-ties": partial(metrics.precision, k=2, ties="average"),
    "recall-k": partial(metrics.recall, k=2),
}
# DCG of a list without relevant documents is 0, not nothing.
CASES = [
    pytest.param(metric, check, id=f"{name}-{check.__name__}")
    for name, metric in METRICS.items()
    for check in testing.METRIC_CHECKS
    if not (name == "dcg-linear" and check is testing.check_metric_values)
]


@pytest.mark.parametrize(("metric", "check"), CASES)
def test_contract(metric, check):
    check(metric)
