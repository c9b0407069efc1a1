"""The cases of Rax's unit tests: losses_test, metrics_test, lambdaweights_test, t12n_test, docs.

Its losses are sums over documents or pairs, or means over those of the whole batch. Ours is a
mean over the pairs or documents of each list: hence the divisors.
"""

import math
from functools import partial

import pytest
import torch

from ltr_losses import (
    approx,
    approx_mrr_loss,
    approx_ndcg_loss,
    arp,
    average_precision,
    bce_loss,
    bound,
    dcg,
    lambda_loss,
    listmle_loss,
    mrr,
    mse_loss,
    ndcg,
    pairwise_hinge_loss,
    pairwise_mse_loss,
    pairwise_quantile_loss,
    poly1_softmax_loss,
    precision,
    ranknet_loss,
    recall,
    softmax_loss,
    unique_softmax_loss,
)


def lse(*scores):
    return math.log(sum(math.exp(s) for s in scores))


def logistic(gap):
    return math.log1p(math.exp(-gap))


def d(rank):
    return 1 / math.log2(1 + rank)


def g(label):
    return 2**label - 1


def squares(*errors):
    return sum(e * e for e in errors)


E = math.exp
L = lse(0, 1, 2, 3)
M = lse(1, 2, 3, 4)
ORDER = (L - 1) + (lse(2, 0, 3) - 2) + lse(0, 3)
"""ListMLE of the scores 1, 2, 0, 3, in this order."""
POLY = 1 - (E(2 - L) + E(1 - L)) / 2
UNIQUE = (lse(0, 3, 2) - 2) + (lse(0, 3, 1) - 1)
PAIRS = logistic(1) + logistic(-2) + logistic(-1) + logistic(2)
POINTS = logistic(0) + 3 + logistic(3) + logistic(1) + logistic(2)

S, Y = [0, 3, 1, 2], [0, 0, 1, 1]
BATCH, GRADES = [S, [3, 1, 4, 2]], [Y, [2, 0, 1, 0]]

# (their test, scores, labels, options of all, [(function, options, expected)])
LOSSES = [
    (
        "computes_loss_value",
        S,
        Y,
        {},
        [
            (softmax_loss, {}, 2 * L - 3),
            (listmle_loss, {}, ORDER),  # equal labels stay in order there too, without a key
            (poly1_softmax_loss, {}, 2 * L - 3 + POLY),
            (poly1_softmax_loss, {"epsilon": 0.1}, 2 * L - 3 + 0.1 * POLY),
            (unique_softmax_loss, {}, UNIQUE / 2),  # here over 2^max y
            (pairwise_hinge_loss, {}, 5 / 4),
            (ranknet_loss, {}, PAIRS / 4),
            (bce_loss, {}, POINTS / 4),
            (mse_loss, {}, 10 / 4),
            (pairwise_mse_loss, {}, squares(3, 0, 1, 3, 3, 2, 0, 3, 1, 1, 2, 1) / 12),
            (pairwise_quantile_loss, {}, (0.5 * (0 + 3 + 2) + 0.5 * 1) / 4),
            (pairwise_quantile_loss, {"tau": 1.0}, (0 + 3 + 2) / 4),
            (pairwise_quantile_loss, {"squared": True}, (0.5 * (9 + 4) + 0.5) / 4),
        ],
    ),
    (
        "computes_loss_with_extreme_inputs",
        [0, -2.1e26, 3.4e37, 42],
        [0, 1, 1, 0],
        {},
        [
            (softmax_loss, {}, 3.4e37),
            (listmle_loss, {}, 3.4e37),
            (poly1_softmax_loss, {}, 3.4e37),
            (pairwise_hinge_loss, {}, (2.1e26 + 2.1e26) / 4),
            (ranknet_loss, {}, (2.1e26 + 2.1e26) / 4),
            (bce_loss, {}, (2.1e26 + math.log(2) + 42) / 4),
            (mse_loss, {}, squares(2.1e26, 3.4e37, 42) / 4),  # inf in float32, there
            (pairwise_mse_loss, {}, 6 * 3.4e37**2 / 12),
            (pairwise_quantile_loss, {}, 0.5 * (2 * 2.1e26 + 2 * 3.4e37) / 4),
        ],
    ),
    (
        "computes_loss_for_zero_labels",
        S,
        [0, 0, 0, 0],
        {},
        [
            (softmax_loss, {}, 0),
            (unique_softmax_loss, {}, 0),
            (pairwise_hinge_loss, {}, 0),
            (ranknet_loss, {}, 0),
            (pairwise_quantile_loss, {}, 0),
            (bce_loss, {}, sum(logistic(-s) for s in S) / 4),
            (mse_loss, {}, squares(*S) / 4),
            (pairwise_mse_loss, {}, 2 * squares(3, 1, 2, 2, 1, 1) / 12),
        ],
    ),
    # A list of equal labels teaches nothing here. There it stays in the order of the index, which
    # these labels give.
    (
        "computes_loss_for_zero_labels",
        S,
        [3, 2, 1, 0],
        {},
        [(listmle_loss, {}, L + (lse(3, 1, 2) - 3) + (lse(1, 2) - 1))],
    ),
    (
        "computes_weighted_loss_value",
        [0, 3, 2, 1],
        Y,
        {"weights": [1, 1, 2, 1]},
        [
            (softmax_loss, {}, 2 * (L - 2) + (L - 1)),
            # There ε multiplies a weighted mean; here w ε y / Σ y, that is ε Σ w y / Σ y = 3/2 ε.
            (
                poly1_softmax_loss,
                {"epsilon": 2 / 3},
                2 * (L - 2) + (L - 1) + 1 - (2 * E(2 - L) + E(1 - L)) / 3,
            ),
            (unique_softmax_loss, {}, (2 * (lse(0, 3, 2) - 2) + lse(0, 3, 1) - 1) / 2),
            (pairwise_hinge_loss, {}, 7 / 4),
            (ranknet_loss, {}, 5.320569 / 4),
            (bce_loss, {}, (logistic(0) + 3 + logistic(3) + 2 * logistic(2) + logistic(1)) / 4),
            (mse_loss, {}, (9 + 2 * 1) / 4),
            (
                pairwise_mse_loss,
                {},
                (squares(3, 1, 0, 3, 2, 3) + 2 * squares(1, 2, 1) + squares(0, 3, 1)) / 12,
            ),
        ],
    ),
    (
        "computes_loss_value_with_vmap",
        BATCH,
        GRADES,
        {"reduction": "none"},
        [
            (softmax_loss, {}, [2 * L - 3, 2 * (M - 3) + (M - 4)]),
            (listmle_loss, {}, [ORDER, (M - 3) + (lse(4, 1, 2) - 4) + (lse(1, 2) - 1)]),
            (
                poly1_softmax_loss,
                {},
                [2 * L - 3 + POLY, 2 * (M - 3) + (M - 4) + 1 - (2 * E(3 - M) + E(4 - M)) / 3],
            ),
            (unique_softmax_loss, {}, [UNIQUE / 2, (3 * (M - 3) + lse(1, 4, 2) - 4) / 4]),
            (pairwise_hinge_loss, {}, [5 / 4, 2 / 5]),
            (
                ranknet_loss,
                {},
                [
                    PAIRS / 4,
                    (logistic(2) + logistic(-1) + logistic(1) + logistic(3) + logistic(2)) / 5,
                ],
            ),
            (
                bce_loss,
                {},
                [POINTS / 4, (logistic(3) + 1 + logistic(1) + logistic(4) + 2 + logistic(2)) / 4],
            ),
            (mse_loss, {}, [10 / 4, squares(1, 1, 3, 2) / 4]),
            (
                pairwise_mse_loss,
                {},
                [
                    squares(3, 0, 1, 3, 3, 2, 0, 3, 1, 1, 2, 1) / 12,
                    squares(0, 2, 1, 0, 2, 1, 2, 2, 1, 1, 1, 1) / 12,
                ],
            ),
        ],
    ),
    ("documentation of losses", [2, 1, 3], [1, 0, 0], {}, [(softmax_loss, {}, 1.4076059)]),
    # There 1/6, the mean over the three pairs of both lists.
    (
        "documentation of losses",
        [[2, 1, 0], [1, 0.5, 1.5]],
        [[1, 0, 0], [0, 0, 1]],
        {"mask": [[True, True, False], [True, True, True]], "reduction": "none"},
        [(pairwise_hinge_loss, {}, [0, (3 / 6) / 2])],
    ),
]

# Both lists have as many documents and pairs, so that both means agree.
REDUCED = [
    (softmax_loss, [lse(2, 1, 3) - 2, lse(1, 0.5, 1.5) - 1.5]),
    (listmle_loss, [lse(2, 1, 3) - 2 + lse(1, 3) - 1, lse(1.5, 1, 0.5) - 1.5 + lse(1, 0.5) - 1]),
    (
        poly1_softmax_loss,
        [
            lse(2, 1, 3) - 2 + 1 - E(2 - lse(2, 1, 3)),
            lse(1, 0.5, 1.5) - 1.5 + 1 - E(1.5 - lse(1, 0.5, 1.5)),
        ],
    ),
    (unique_softmax_loss, [(lse(2, 1, 3) - 2) / 2, (lse(1, 0.5, 1.5) - 1.5) / 2]),
    (pairwise_hinge_loss, [2 / 2, 0.5 / 2]),
    (ranknet_loss, [(logistic(1) + logistic(-1)) / 2, (logistic(0.5) + logistic(1)) / 2]),
    (
        bce_loss,
        [
            (logistic(2) + logistic(-1) + logistic(-3)) / 3,
            (logistic(1.5) + logistic(-1) + logistic(-0.5)) / 3,
        ],
    ),
    (mse_loss, [squares(1, 1, 3) / 3, squares(1, 0.5, 0.5) / 3]),
    (pairwise_mse_loss, [squares(0, 2, 0, 2, 2, 2) / 6, squares(0.5, 0.5, 0.5, 0, 0.5, 0) / 6]),
    (pairwise_quantile_loss, [0.5 * (0 + 2) / 2, 0.5 * (0.5 + 0) / 2]),
]
LOSSES += [
    (
        "computes_reduced_loss",
        [[2, 1, 3], [1, 0.5, 1.5]],
        [[1, 0, 0], [0, 0, 1]],
        {"reduction": reduction},
        [(loss, {}, sum(values) / lists) for loss, values in REDUCED],
    )
    for reduction, lists in (("mean", 2), ("sum", 1))
]

LABELDIFF, LAMBDARANK, NDCG2 = (
    partial(lambda_loss, scheme=scheme) for scheme in ("labeldiff", "lambdarank", "ndcg2")
)
THREE = g(1) * d(1) + g(0.3) * d(2)
TWO = g(2) * d(1) + g(1) * d(2)

# The weights of pairs, times the logistic loss of their gap. There the weights are those of DCG
# times the length of the list; here those of NDCG.
LOSSES += [
    (
        "computes_lambdaweights",
        [0, 1, 2],
        [0, 1, 0.3],
        {},
        [
            (LABELDIFF, {}, logistic(1) + 0.7 * logistic(-1) + 0.3 * logistic(2)),
            (
                LAMBDARANK,
                {},
                (d(2) - d(3)) * g(1) * logistic(1) / THREE
                + (d(1) - d(2)) * (g(1) - g(0.3)) * logistic(-1) / THREE
                + (d(1) - d(3)) * g(0.3) * logistic(2) / THREE,
            ),
            (
                NDCG2,
                {},
                (d(1) - d(2)) * g(1) * logistic(1) / THREE
                + (d(1) - d(2)) * (g(1) - g(0.3)) * logistic(-1) / THREE
                + (d(2) - d(3)) * g(0.3) * logistic(2) / THREE,
            ),
        ],
    ),
    (
        "lambdaweights_with_batchdim",
        [[0, 1, 2], [0.5, 1.5, 1]],
        [[0, 2, 1], [0, 0, 1]],
        {"reduction": "none"},
        [
            (
                LABELDIFF,
                {},
                [2 * logistic(1) + logistic(-1) + logistic(2), logistic(0.5) + logistic(-0.5)],
            ),
            (
                LAMBDARANK,
                {},
                [
                    (d(2) - d(3)) * g(2) * logistic(1) / TWO
                    + (d(1) - d(2)) * (g(2) - g(1)) * logistic(-1) / TWO
                    + (d(1) - d(3)) * g(1) * logistic(2) / TWO,
                    (d(2) - d(3)) * logistic(0.5) + (d(1) - d(2)) * logistic(-0.5),
                ],
            ),
            (
                NDCG2,
                {},
                [
                    (d(1) - d(2)) * g(2) * logistic(1) / TWO
                    + (d(1) - d(2)) * (g(2) - g(1)) * logistic(-1) / TWO
                    + (d(2) - d(3)) * g(1) * logistic(2) / TWO,
                    (d(1) - d(2)) * (logistic(0.5) + logistic(-0.5)),
                ],
            ),
        ],
    ),
    (
        "lambdaweights_with_where_mask",
        [0, 1, 2],
        [0, 1, 0.3],
        {"mask": [True, False, True]},
        [
            (LABELDIFF, {}, 0.3 * logistic(2)),
            (LAMBDARANK, {}, (d(1) - d(2)) * logistic(2)),
            (NDCG2, {}, (d(1) - d(2)) * logistic(2)),
        ],
    ),
    # There −metric, here 1 − metric.
    (
        "documentation of t12n",
        [0, 1, 3, 2],
        [0, 0, 1, 2],
        {},
        [
            (approx_ndcg_loss, {}, 1 - 0.71789175),
            (approx(ndcg), {}, 1 - 0.71789175),
            (approx_mrr_loss, {}, 1 - 0.6965873),
            (approx(mrr), {}, 1 - 0.6965873),
        ],
    ),
    ("documentation of t12n", [0, 1, 3, 2], [0, 1, 0, 1], {}, [(bound(mrr), {}, 1 - 1 / 3)]),
    (
        "documentation of approx_ranks",
        [-1, 1, 0],
        [0, 0, 1],
        {},
        [(approx_ndcg_loss, {}, 1 - 0.63092977)],
    ),
    # The bound on the rank of each document, as the ARP where it alone is relevant.
    (
        "computes_upper_bound_on_ranks",
        [[2, -1.5, 0.9]] * 3,
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        {"reduction": "none"},
        [(bound(arp, lower_is_better=True), {}, [1 + 0 + 0, 1 + 4.5 + 3.4, 1 + 2.1 + 0])],
    ),
]

METRICS = [
    (
        "computes_metric_value",
        S,
        Y,
        {},
        [
            (mrr, {}, 1 / 2),
            (recall, {}, 1),
            (recall, {"k": 3}, 1),
            (precision, {}, 0.5),
            (precision, {"k": 3}, 2 / 3),
            (average_precision, {}, (0.5 + 2 / 3) / 2),
            (dcg, {}, d(2) + d(3)),
            (ndcg, {}, (d(2) + d(3)) / (d(1) + d(2))),
        ],
    ),
    (
        "computes_metric_value_on_batch_with_vmap",
        [S, [1, 4, 3, 2]],
        [Y, [2, 0, 0, 1]],
        {"reduction": "none"},
        [
            (mrr, {}, [1 / 2, 1 / 3]),
            (recall, {}, [1, 1]),
            (recall, {"k": 3}, [1, 1 / 2]),
            (precision, {}, [0.5, 0.5]),
            (precision, {"k": 3}, [2 / 3, 1 / 3]),
            (average_precision, {}, [(0.5 + 2 / 3) / 2, (1 / 3 + 0.5) / 2]),
            (dcg, {}, [d(2) + d(3), d(3) + 3 * d(4)]),
            (ndcg, {}, [(d(2) + d(3)) / (d(1) + d(2)), (d(3) + 3 * d(4)) / (3 * d(1) + d(2))]),
        ],
    ),
    (
        "computes_weighted_metric",
        S,
        Y,
        {"weights": [1, 2, 1, 2]},
        [(dcg, {}, 2 * d(2) + d(3)), (ndcg, {}, (2 * d(2) + d(3)) / (2 * d(1) + d(2)))],
    ),
    (
        "computes_metric_with_topn_1",
        S,
        [1, 0, 1, 1],
        {"k": 1},
        [(metric, {}, 0) for metric in (mrr, recall, precision, average_precision, dcg, ndcg)],
    ),
    (
        "computes_metric_with_topn_3",
        S,
        [1, 0, 1, 1],
        {"k": 3},
        [
            (mrr, {}, 1 / 2),
            (recall, {}, 2 / 3),
            (precision, {}, 2 / 3),
            (average_precision, {}, (1 / 2 + 2 / 3) / 3),
            (dcg, {}, d(2) + d(3)),
            (ndcg, {}, (d(2) + d(3)) / (d(1) + d(2) + d(3))),
        ],
    ),
    (
        "computes_metric_value_with_no_relevant_labels",
        S,
        [0, 0, 0, 0],
        {},
        [
            (mrr, {"empty": 0.0}, 0),
            (recall, {"empty": 0.0}, 0),
            (recall, {"empty": 0.0, "k": 3}, 0),
            (precision, {"empty": 0.0}, 0),
            (precision, {"empty": 0.0, "k": 3}, 0),
            (average_precision, {"empty": 0.0}, 0),
            (dcg, {}, 0),
            (ndcg, {"empty": 0.0}, 0),
        ],
    ),
    # A score of −∞ means "not retrieved" there; here the list is cut at the three that are.
    (
        "treats_neginf_as_unranked_items",
        [-math.inf, 5, 2, -math.inf, 1],
        [1, 0, 1, 0, 0],
        {"k": 3},
        [
            (mrr, {}, 1 / 2),
            (precision, {}, 1 / 3),
            (recall, {}, 1 / 2),
            (average_precision, {}, 1 / 2 / 2),
            (dcg, {}, d(2)),
            (ndcg, {}, d(2) / (d(1) + d(2))),
        ],
    ),
    (
        "ignores_lists_containing_only_invalid_items",
        BATCH,
        GRADES,
        {"mask": [[True] * 4, [False] * 4]},
        [
            (mrr, {}, 1 / 2),
            (precision, {"k": 2}, 1 / 2),
            (recall, {"k": 2}, 1 / 2),
            (average_precision, {}, (0.5 + 2 / 3) / 2),
            (dcg, {}, d(2) + d(3)),
            (ndcg, {}, (d(2) + d(3)) / (d(1) + d(2))),
        ],
    ),
    ("documentation of metrics", [2, 1, 3], [2, 0, 1], {}, [(ndcg, {}, 0.79670763)]),
    (
        "documentation of metrics",
        [[2, 1, 3], [1, 0.5, 1.5]],
        [[2, 0, 1], [0, 0, 1]],
        {},
        [(ndcg, {}, 0.8983538)],
    ),
]
METRICS += [
    (
        "computes_reduced_metric",
        [[2, 1, 3], [1, 0.5, 1.5]],
        [[1, 0, 0], [0, 1, 2]],
        {"reduction": reduction},
        [
            (mrr, {}, (1 / 2 + 1) / lists),
            (precision, {"k": 2}, (1 / 2 + 1 / 2) / lists),
            (recall, {"k": 2}, (1 + 1 / 2) / lists),
            (average_precision, {}, (1 / 2 + (1 + 2 / 3) / 2) / lists),
            (dcg, {}, (d(2) + 3 * d(1) + d(3)) / lists),
            (ndcg, {}, (d(2) + (3 * d(1) + d(3)) / (3 * d(1) + d(2))) / lists),
        ],
    )
    for reduction, lists in (("mean", 2), ("sum", 1))
]

CASES = [
    (source, function, scores, labels, {**common, **options}, expected)
    for source, scores, labels, common, rows in LOSSES + METRICS
    for function, options, expected in rows
]


@pytest.mark.parametrize(("source", "function", "scores", "labels", "options", "expected"), CASES)
def test_values_of_rax(check, source, function, scores, labels, options, expected):
    check(function, scores, labels, options, expected)


def test_unique_softmax_of_rax_with_extreme_inputs(check):
    scores, labels = [0, -2.1e26, 3.4e37, 42], [0, 1, 1, 0]
    check(unique_softmax_loss, scores, labels, {}, (42 + 2.1e26) / 2)


# (where, function, scores, labels, gradient)
GRADIENTS = [
    (
        "documentation of losses",
        softmax_loss,
        [[0, 1, 3], [1, 2, 0]],
        [[0, 0, 1], [1, 0, 0]],
        [[0.02100503, 0.0570976, -0.07810265], [-0.37763578, 0.33262047, 0.04501529]],
    ),
    # There that of the metric.
    (
        "documentation of approx_ranks",
        approx_ndcg_loss,
        [-1, 1, 0],
        [0, 0, 1],
        [0.03763788, 0.03763788, -0.07527576],
    ),
]


@pytest.mark.parametrize(("source", "function", "scores", "labels", "expected"), GRADIENTS)
def test_gradients_of_rax(source, function, scores, labels, expected):
    s = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(s, torch.tensor(labels)), s)
    torch.testing.assert_close(gradient, torch.tensor(expected).double(), rtol=1e-6, atol=1e-7)
