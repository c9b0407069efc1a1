"""Every metric keeps the contract: add a metric here by one line."""

from functools import partial

import pytest

from ltr_losses import metrics, testing

METRICS = {
    "arp": metrics.arp,
    "average-precision": metrics.average_precision,
    "average-precision-k": partial(metrics.average_precision, k=3),
    "dcg-linear": partial(metrics.dcg, gain="linear"),
    "err": metrics.err,
    "hit-rate": partial(metrics.hit_rate, k=2),
    "mrr": partial(metrics.mrr, threshold=2.0),
    "ndcg": partial(metrics.ndcg, ties="average"),
    "ndcg-own": partial(metrics.ndcg, gain=lambda y: y**0.5, discount=lambda r: 1.0 / r),
    "ndcg-k": partial(metrics.ndcg, k=3),
    "precision": partial(metrics.precision, k=2, ties="average"),
    "rbp": metrics.rbp,
    "recall": partial(metrics.recall, k=2),
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
