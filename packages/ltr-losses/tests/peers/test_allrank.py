"""The cases of allRank's unit tests: tests/losses, test_approxndcg, test_lambdaloss, test_listnet.

A label of −1 is padding there; here the mask says so. Its smooth metrics are −NDCG, here 1 − NDCG.
"""

import math
from functools import partial

import pytest

from ltr_losses import (
    approx_ndcg_loss,
    binary_listnet_loss,
    lambda_loss,
    listmle_loss,
    listnet_loss,
    mrr,
    mse_loss,
    ndcg,
    neural_ndcg_loss,
    ordinal_loss,
    ranknet_loss,
)


def logistic(gap):
    return math.log1p(math.exp(-gap))


def logit(p):
    return math.log(p / (1 - p))


def entropy(target, p):
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def d(rank):
    return 1 / math.log2(1 + rank)


def dcg(*labels):
    return sum((2**y - 1) * d(rank) for rank, y in enumerate(labels, start=1))


PAD_1 = {"mask": [True, True, False]}
TOP = math.exp(1) / (1 + math.exp(1))
"""The softmax of the labels 1 and 0."""

LOSSES = [
    ("listmle_ignores_padded_value", listmle_loss, [0.5, 0.3, 0.5], [1, 0, -1], PAD_1, 0.59813893),
    ("listnet_simple", listnet_loss, [0.5, 0.2], [1, 0], {}, logistic(0.3) + (1 - TOP) * 0.3),
    (
        "listnet_ignores_padded_value",
        listnet_loss,
        [0.5, 0.2, 0.5],
        [1, 0, -1],
        PAD_1,
        logistic(0.3) + (1 - TOP) * 0.3,
    ),
    ("binary_listnet_simple", binary_listnet_loss, [0.5, 0.2], [1, 0], {}, logistic(0.3)),
    (
        "binary_listnet_stable_for_very_small_prediction",
        binary_listnet_loss,
        [0.5, -1e30],
        [1, 0],
        {},
        0,
    ),
    (
        "binary_listnet_ignores_padded_value",
        binary_listnet_loss,
        [0.5, 0.2, 0.5],
        [1, 0, -1],
        PAD_1,
        logistic(0.3),
    ),
    ("ranknet_onepair", ranknet_loss, [0.5, 0.2], [1, 0], {}, logistic(0.3)),
    ("ranknet_onepair_minus", ranknet_loss, [0.2, 0.5], [1, 0], {}, logistic(-0.3)),
    (
        "ranknet_two_pairs",
        ranknet_loss,
        [0.5, 0.2, 0.1],
        [1, 0, 0],
        {},
        (logistic(0.3) + logistic(0.4)) / 2,
    ),
    ("ranknet_pair_reversed", ranknet_loss, [0.2, 0.5], [0, 1], {}, logistic(0.3)),
    ("ranknet_pair_multirelevancy", ranknet_loss, [0.2, 0.5], [0, 2], {}, logistic(0.3)),
    ("ranknet_onepair_masked", ranknet_loss, [0.5, 0.2, 0.66], [1, 0, -1], PAD_1, logistic(0.3)),
    (
        "ranknet_two_pairs_weighted",
        ranknet_loss,
        [0.5, 0.2, 0.1],
        [2, 1, 0],
        {"power": 1.0},
        (logistic(0.3) + 2 * logistic(0.4) + logistic(0.1)) / 3,
    ),
    # The weight there is y_i² − y_j²: the difference of the squared labels.
    (
        "ranknet_two_pairs_weighted_pow",
        ranknet_loss,
        [0.5, 0.2, 0.1],
        [4, 1, 0],
        {"power": 1.0},
        (3 * logistic(0.3) + 4 * logistic(0.4) + logistic(0.1)) / 3,
    ),
    # There the root of the mean square of `levels · score − y`.
    ("pointwise_simple", mse_loss, [0.5, 0.2], [1, 0], {}, (0.5**2 + 0.2**2) / 2),
    (
        "pointwise_simple_padded",
        mse_loss,
        [0.5, 0.2, 0.5],
        [1, 0, -1],
        PAD_1,
        (0.5**2 + 0.2**2) / 2,
    ),
    (
        "pointwise_multiple_levels",
        mse_loss,
        [3 * 0.5, 3 * 0.2, 3 * 0.7, 3 * 0.8],
        [1, 0, 2, 3],
        {},
        (0.5**2 + 0.6**2 + 0.1**2 + 0.6**2) / 4,
    ),
    # There scores are probabilities, one row per document; here log-odds, one row per level.
    (
        "ordinal_single_doc",
        ordinal_loss,
        [[logit(0.8)], [logit(0.6)]],
        [1],
        {},
        entropy(1, 0.8) + entropy(0, 0.6),
    ),
    (
        "ordinal_simple",
        ordinal_loss,
        [[logit(0.8), logit(0.4), logit(0.2)], [logit(0.7), logit(0.3), logit(0.1)]],
        [2, 1, 0],
        {},
        (
            (entropy(1, 0.8) + entropy(1, 0.7))
            + (entropy(1, 0.4) + entropy(0, 0.3))
            + (entropy(0, 0.2) + entropy(0, 0.1))
        )
        / 3,
    ),
    (
        "ordinal_single_doc_padded",
        ordinal_loss,
        [[logit(0.8), logit(0.2)], [logit(0.6), logit(0.1)]],
        [1, -1],
        {"mask": [True, False]},
        entropy(1, 0.8) + entropy(0, 0.6),
    ),
]

# Each without and with padding. NDCG-Loss1 is not here: there it sums over all pairs, those of
# equal labels and those in the other order too.
SCORES, LABELS, PAD_4 = [0.5, 0.3, 0.5], [0.5, 0.3, 0.5], {"mask": [True, True, True, False]}
LOSSES += [
    (source, function, SCORES + scores, LABELS + labels, mask, expected)
    for source, function, expected in [
        ("approxndcg_ignores_padded", approx_ndcg_loss, 1 - 0.8499219417),
        # There in binary logarithms.
        ("ndcgloss2_ignores_padded", lambda_loss, 1.1244146823 * math.log(2)),
        ("ranknet_ignores_padded", partial(lambda_loss, scheme="ranknet"), 1.1962778568),
    ]
    for scores, labels, mask in [([], [], {}), ([1.0], [-1], PAD_4)]
]

SEVEN, GRADES = [0.5, 0.2, 0.1, 0.4, 1.0, -1.0, 0.63], [1, 2, 2, 4, 1, 4, 3]
SHORTFALL = 1 - dcg(1, 3, 1, 4, 2, 2, 4) / dcg(4, 4, 3, 2, 2, 1, 1)
LOSSES += [
    (source, neural_ndcg_loss, scores, labels, {"transposed": transposed, **options}, expected)
    for source, scores, labels, options, expected in [
        ("neuralNDCG_simple", [0.5, 0.2], [1, 0], {"temperature": 1e-4}, 0),
        ("neuralNDCG_longer", SEVEN, GRADES, {"temperature": 1e-4}, SHORTFALL),
        (
            "neuralNDCG_stable_for_very_small_prediction",
            [0.5, -1e30],
            [1, 0],
            {"temperature": 1e-4},
            0,
        ),
        (
            "neuralNDCG_ignores_padded_value",
            [*SEVEN, 1.0, 0.5, 0.3],
            [*GRADES, -1, -1, -1],
            {"temperature": 1e-3, "mask": [True] * 7 + [False] * 3},
            SHORTFALL,
        ),
    ]
    for transposed in (False, True)
]

BOTH = [[0.2, 0.5], [0.5, 0.2]], [[0, 1], [0, 1]], {"reduction": "none"}
METRICS = [
    ("ndcg_simple_1", ndcg, [0.5, 0.2], [1, 0], {}, 1),
    ("ndcg_simple_2", ndcg, [0.5, 0.2], [0, 1], {}, d(2)),
    ("ndcg_zero_when_no_relevant", ndcg, [0.5, 0.2], [0, 0], {"empty": 0.0}, 0),
    ("ndcg_for_multiple_ats", ndcg, [0.5, 0.2, 0.1], [1, 0, 1], {"k": 1}, 1),
    ("ndcg_for_multiple_ats", ndcg, [0.5, 0.2, 0.1], [1, 0, 1], {"k": 2}, 1 / (1 + d(2))),
    ("ndcg_with_padded_input", ndcg, [0.5, 0.2, 1.0], [1, 0, -1], PAD_1, 1),
    ("ndcg_with_padded_input_2", ndcg, [0.5, 0.2, 1.0], [0, 1, -1], PAD_1, d(2)),
    ("mrr_simple_1", mrr, [0.5, 0.2], [1, 0], {"k": 10}, 1),
    ("mrr_simple_no_ats", mrr, [0.5, 0.2], [1, 0], {}, 1),
    ("mrr_simple_2", mrr, [0.5, 0.2], [0, 1], {"k": 10}, 0.5),
    ("mrr_multiple_slates", mrr, *BOTH, [1, 0.5]),
    ("mrr_multiple_ats", mrr, [0.5, 0.2], [0, 1], {"k": 1}, 0),
    ("mrr_multiple_ats", mrr, [0.5, 0.2], [0, 1], {"k": 2}, 0.5),
    ("mrr_multiple_slates_multiple_ats", partial(mrr, k=1), *BOTH, [1, 0]),
    ("mrr_multiple_slates_multiple_ats", partial(mrr, k=2), *BOTH, [1, 0.5]),
    ("mrr_zero_when_no_relevant", mrr, [0.5, 0.2], [0, 0], {"k": 10, "empty": 0.0}, 0),
    ("mrr_with_padded_input", mrr, [0.5, 0.2, 1.0], [1, 0, -1], PAD_1, 1),
    ("mrr_with_padded_input_2", mrr, [0.5, 0.2, 1.0], [0, 1, -1], PAD_1, 0.5),
]


@pytest.mark.parametrize(
    ("source", "function", "scores", "labels", "options", "expected"), LOSSES + METRICS
)
def test_values_of_allrank(check, source, function, scores, labels, options, expected):
    check(function, scores, labels, options, expected)
