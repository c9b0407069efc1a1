"""The cases of TF-Ranking's unit tests: keras/losses_test, keras/metrics_test, metrics_impl_test.

A label below 0 is padding there; here the mask says so. Its pairwise and pointwise losses are
divided by the number of documents of the batch and its listwise ones by the number of lists, those
that teach nothing included; where that differs, a row asks for the value of each list, or for the
sum. Its smooth metrics are −metric, here 1 − metric, and their temperature is 0.1.
"""

import math
from functools import partial

import pytest
import torch

from ltr_losses import (
    approx_mrr_loss,
    approx_ndcg_loss,
    arp,
    average_precision,
    bce_loss,
    dcg,
    hit_rate,
    lambda_loss,
    listmle_loss,
    mrr,
    mse_loss,
    ndcg,
    ordinal_loss,
    p_listmle_loss,
    pairwise_hinge_loss,
    pairwise_mse_loss,
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


def entropy(labels, scores):
    return sum(logistic(s) + (1 - y) * s for y, s in zip(labels, scores, strict=True))


def squares(*errors):
    return sum(e * e for e in errors)


def d(rank):
    return 1 / math.log2(1 + rank)


NONE, SUM = {"reduction": "none"}, {"reduction": "sum"}
WITHOUT_2 = {"mask": [True, False, True]}
TEMPERATURE = {"temperature": 0.1}
LN2, LN3 = math.log(2), math.log(3)
THREE = lse(1, 2, 3)

PAIRWISE = [[1, 3, 2], [1, 2, 3]], [[0, 0, 1], [0, 0, 2]]
LISTWISE = [[1, 3, 2], [1, 2, 3], [1, 2, 3]], [[0, 0, 1], [0, 0, 2], [0, 0, 0]]
UNIQUE = LISTWISE[0], [[0, 0, 1], [0, 1, 2], [0, 0, 0]]
POINTS = [[0.2, 0.5, 0.3], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5]], [[0, 0, 1], [0, 0, 2], [0, 0, 0]]
ORDERS = [[0, LN3, LN2], [0, LN2, LN3]], [[0, 2, 1], [1, 0, 2]]
FIRST, SECOND = LN2 + math.log(3 / 2), LN2 + LN3
"""−log of 3/6 · 2/3, and of 3/6 · 1/3."""
SMOOTH = [[1.4, -2.8, -0.4], [0, 1.8, 10.2], [1, 1.2, -3.2]]
SMOOTH_1 = (3 * d(3) + d(2)) / (3 * d(1) + d(2))
SMOOTH_2 = (7 * d(1) + d(3)) / (7 * d(1) + d(2))
# Heads are the last axis there, here the last but one.
HEADS = [[[1, 3, 2], [2, 2, 3]], [[1, 2, 3], [3, 2, 2]], [[1, 2, 3], [1, 1, 3]]]
LAMBDARANK = partial(lambda_loss, scheme="lambdarank")

LOSSES = [
    ("pairwise_hinge_loss", pairwise_hinge_loss, *PAIRWISE, NONE, [(0 + 2) / 2, 0]),
    (
        "pairwise_hinge_loss, itemwise weights",
        pairwise_hinge_loss,
        *PAIRWISE,
        {"weights": [[2, 3, 4], [1, 1, 1]], **NONE},
        [4 * (0 + 2) / 2, 0],
    ),
    (
        "pairwise_logistic_loss",
        ranknet_loss,
        *PAIRWISE,
        NONE,
        [(logistic(1) + logistic(-1)) / 2, (logistic(2) + logistic(1)) / 2],
    ),
    (
        "pairwise_logistic_loss, itemwise weights",
        ranknet_loss,
        *PAIRWISE,
        {"weights": [[2, 3, 4], [1, 1, 1]], **NONE},
        [4 * (logistic(1) + logistic(-1)) / 2, (logistic(2) + logistic(1)) / 2],
    ),
    (
        "pairwise_logistic_loss, listwise weights",
        ranknet_loss,
        *PAIRWISE,
        {"weights": [[2], [1]], **SUM},
        (2 * (logistic(1) + logistic(-1)) + logistic(2) + logistic(1)) / 2,
    ),
    # There gains are labels, not normalised, and discounts 1 / ln(1 + r).
    (
        "pairwise_logistic_loss, lambda weight",
        LAMBDARANK,
        *PAIRWISE,
        {"weights": [[2], [1]], **SUM},
        2 * ((d(2) - d(3)) * logistic(1) + (d(1) - d(2)) * logistic(-1))
        + ((d(1) - d(3)) * logistic(2) + (d(1) - d(2)) * logistic(1)),
    ),
    # There the sum over the pairs is divided by n, here by n (n − 1).
    (
        "pairwise_mse_loss",
        pairwise_mse_loss,
        *PAIRWISE,
        {},
        (squares(-2, 0, 2) + squares(-1, 0, 1)) * 2 / 6 / 2,
    ),
    (
        "pairwise_mse_loss, weights",
        pairwise_mse_loss,
        *PAIRWISE,
        {"weights": [[1], [2]]},
        (squares(-2, 0, 2) + 2 * squares(-1, 0, 1)) * 2 / 6 / 2,
    ),
    ("softmax_loss", softmax_loss, *LISTWISE, SUM, (THREE - 2) + 2 * (THREE - 3)),
    (
        "softmax_loss, weights",
        softmax_loss,
        *LISTWISE,
        {"weights": [[2], [1], [1]], **SUM},
        2 * (THREE - 2) + 2 * (THREE - 3),
    ),
    # Here over 2^max y.
    (
        "unique_softmax_loss",
        unique_softmax_loss,
        *UNIQUE,
        NONE,
        [(THREE - 2) / 2, (lse(1, 2) - 2 + 3 * (THREE - 3)) / 4, 0],
    ),
    (
        "unique_softmax_loss, weights",
        unique_softmax_loss,
        *UNIQUE,
        {"weights": [[2], [1], [1]], **NONE},
        [2 * (THREE - 2) / 2, (lse(1, 2) - 2 + 3 * (THREE - 3)) / 4, 0],
    ),
    # A label of 2 is not clipped there: without the second list.
    (
        "sigmoid_cross_entropy_loss",
        bce_loss,
        POINTS[0][::2],
        POINTS[1][::2],
        SUM,
        (entropy(POINTS[1][0], POINTS[0][0]) + entropy(POINTS[1][2], POINTS[0][2])) / 3,
    ),
    (
        "sigmoid_cross_entropy_loss, weights",
        bce_loss,
        POINTS[0][::2],
        POINTS[1][::2],
        {"weights": [[2], [1]], **SUM},
        (2 * entropy(POINTS[1][0], POINTS[0][0]) + entropy(POINTS[1][2], POINTS[0][2])) / 3,
    ),
    (
        "mean_squared_loss",
        mse_loss,
        *POINTS,
        {},
        (squares(0.2, 0.5, 0.7) + squares(0.2, 0.3, 1.5) + squares(0.2, 0.3, 0.5)) / 9,
    ),
    (
        "mean_squared_loss, weights",
        mse_loss,
        *POINTS,
        {"weights": [[2], [1], [1]]},
        (2 * squares(0.2, 0.5, 0.7) + squares(0.2, 0.3, 1.5) + squares(0.2, 0.3, 0.5)) / 9,
    ),
    (
        "ordinal_loss",
        ordinal_loss,
        HEADS,
        UNIQUE[1],
        NONE,
        [
            (entropy([0, 0, 1], [1, 3, 2]) + entropy([0, 0, 0], [2, 2, 3])) / 3,
            (entropy([0, 1, 1], [1, 2, 3]) + entropy([0, 0, 1], [3, 2, 2])) / 3,
            (entropy([0, 0, 0], [1, 2, 3]) + entropy([0, 0, 0], [1, 1, 3])) / 3,
        ],
    ),
    (
        "ordinal_loss, weights",
        ordinal_loss,
        HEADS,
        UNIQUE[1],
        {"weights": [[2], [1], [1]]},
        (
            2 * (entropy([0, 0, 1], [1, 3, 2]) + entropy([0, 0, 0], [2, 2, 3]))
            + (entropy([0, 1, 1], [1, 2, 3]) + entropy([0, 0, 1], [3, 2, 2]))
            + (entropy([0, 0, 0], [1, 2, 3]) + entropy([0, 0, 0], [1, 1, 3]))
        )
        / 9,
    ),
    # There over three documents, the padding included.
    (
        "ordinal_loss_with_invalid_labels",
        ordinal_loss,
        [[[1, 3, 2], [0, -100, 3]]],
        [[0, -1, 1]],
        WITHOUT_2,
        (entropy([0, 1], [1, 2]) + entropy([0, 0], [0, 3])) / 2,
    ),
    (
        "ordinal_loss_with_fraction_label, use_fraction_label",
        ordinal_loss,
        HEADS,
        [[0, 0.5, 1.2], [0, 0.8, 2], [0, 0, 0.1]],
        {},
        (
            (entropy([0, 0.5, 1], [1, 3, 2]) + entropy([0, 0, 0.2], [2, 2, 3]))
            + (entropy([0, 0.8, 1], [1, 2, 3]) + entropy([0, 0, 1], [3, 2, 2]))
            + (entropy([0, 0, 0.1], [1, 2, 3]) + entropy([0, 0, 0], [1, 1, 3]))
        )
        / 9,
    ),
    ("list_mle_loss", listmle_loss, *ORDERS, {}, (FIRST + SECOND) / 2),
    (
        "list_mle_loss, weights",
        listmle_loss,
        *ORDERS,
        {"weights": [[2], [1]]},
        (2 * FIRST + SECOND) / 2,
    ),
    # Equal labels are shuffled there; in that order they are given here.
    ("list_mle_loss_tie", listmle_loss, [LN2, 0, LN3], [0, 0, 1], {}, FIRST),
    # The weights of the places, 2^(n − i) − 1, are here over their sum.
    (
        "list_mle_loss_lambda_weight",
        p_listmle_loss,
        *ORDERS,
        {},
        ((3 * LN2 + math.log(3 / 2)) + (3 * LN2 + LN3)) / 2 / (3 + 1 + 0),
    ),
    (
        "approx_ndcg_loss",
        approx_ndcg_loss,
        SMOOTH,
        [[0, 2, 1], [1, 0, 3], [0, 0, 0]],
        {**TEMPERATURE, **NONE},
        [1 - SMOOTH_1, 1 - SMOOTH_2, 0],
    ),
    (
        "approx_ndcg_loss, weights",
        approx_ndcg_loss,
        SMOOTH,
        [[0, 2, 1], [1, 0, 3], [0, 0, 0]],
        {**TEMPERATURE, "weights": [[2], [1], [1]], **NONE},
        [2 * (1 - SMOOTH_1), 1 - SMOOTH_2, 0],
    ),
    # There the mean over the relevant documents: here a list for each of them.
    ("approx_mrr_loss", approx_mrr_loss, SMOOTH[0], [0, 0, 1], TEMPERATURE, 1 - 1 / 2),
    (
        "approx_mrr_loss",
        approx_mrr_loss,
        [SMOOTH[1]] * 2,
        [[1, 0, 0], [0, 0, 1]],
        TEMPERATURE,
        1 - (1 / 3 + 1) / 2,
    ),
]
LOSSES += [
    (f"{source}_with_invalid_labels", function, [1, 3, 2], [0, -1, 1], WITHOUT_2, expected)
    for source, function, expected in [
        ("pairwise_logistic_loss", ranknet_loss, logistic(1)),
        ("softmax_loss", softmax_loss, lse(1, 2) - 2),
        ("unique_softmax_loss", unique_softmax_loss, (lse(1, 2) - 2) / 2),
        # There over three documents, the padding included.
        ("sigmoid_cross_entropy_loss", bce_loss, (logistic(2) + logistic(-1)) / 2),
        ("mean_squared_loss", mse_loss, (1 + 1) / 2),
    ]
]

# Two lists, summed. Where a loss is a mean here, the weights undo it.
FLAT, FLAT_LABELS, OFFSETS = [1, 3, 2, 3, 2], [0, 0, 1, 0, 2], {"offsets": [0, 3, 5], **SUM}
PADDED, PADDED_LABELS = [[1, 3, 2], [3, 2, 0]], [[0, 0, 1], [0, 2, 0]]
PADDING = {"mask": [[True] * 3, [True, True, False]], **SUM}
LOSSES += [
    ("loss_with_ragged_tensors", function, scores, labels, options, expected)
    for function, scores, labels, options, expected in [
        (softmax_loss, FLAT, FLAT_LABELS, OFFSETS, 4.034129),
        (
            unique_softmax_loss,
            FLAT,
            FLAT_LABELS,
            {**OFFSETS, "weights": [2, 2, 2, 4, 4]},  # 2^max y
            5.347391,
        ),
        (mse_loss, FLAT, FLAT_LABELS, {**OFFSETS, "weights": [3, 3, 3, 2, 2]}, 20),
        # Their shuffle put the second document of the tie first.
        (listmle_loss, [3, 1, 2, 3, 2], FLAT_LABELS, OFFSETS, 2.8477957),
        (pairwise_hinge_loss, PADDED, PADDED_LABELS, {**PADDING, "weights": [[2], [1]]}, 4),
        (ranknet_loss, PADDED, PADDED_LABELS, {**PADDING, "weights": [[2], [1]]}, 2.9397852),
        (partial(lambda_loss, scheme="ranknet"), PADDED, PADDED_LABELS, PADDING, 2.9397852),
        (approx_ndcg_loss, PADDED, PADDED_LABELS, {**PADDING, **TEMPERATURE}, 2 - 1.2618682),
        (approx_mrr_loss, PADDED, PADDED_LABELS, {**PADDING, **TEMPERATURE}, 2 - 1.0000114),
    ]
]

ONE, IN_ORDER, EMPTY = [1, 3, 2], [3, 2, 1], {"empty": 0.0}
EACH = [IN_ORDER] * 3, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
MORE = [IN_ORDER] * 3, [[1, 0, 2], [0, 1, 0], [0, 0, 1]]
HITS = [[1, 3, 2], [1, 2, 3], [3, 1, 2]], [[0, 0, 1], [0, 1, 2], [0, 1, 0]]
FOUR, GRADED = [4, 3, 2, 1], [0, 3, 1, 0]
RAGGED = [1, 2, 0, 1, 2, 3, 4, 2, 1], [1, 0, 0, 0, 2, 2, 0, 1, 0], {"offsets": [0, 3, 5, 9]}

METRICS = [
    ("mrr_should_be_single_value", mrr, ONE, [0, 0, 1], {}, 1 / 2),
    ("mrr_should_be_0_when_no_rel_item", mrr, ONE, [0, 0, 0], EMPTY, 0),
    ("mrr_should_be_0_when_no_rel_item_in_topn", mrr, ONE, [0, 0, 1], {"k": 1}, 0),
    ("mrr_should_handle_topn", mrr, *EACH, {"k": 1, **NONE}, [1, 0, 0]),
    ("mrr_should_handle_topn", mrr, *EACH, {"k": 2, **NONE}, [1, 1 / 2, 0]),
    ("mrr_should_handle_topn", mrr, *EACH, {"k": 6, **NONE}, [1, 1 / 2, 1 / 3]),
    (
        "mrr_should_ignore_padded_labels",
        mrr,
        [1, 2, 3],
        [0, 1, -1],
        {"mask": [True, True, False]},
        1,
    ),
    (
        "mrr_should_give_a_value_for_each_list_in_batch_inputs",
        mrr,
        [ONE, [1, 2, 3]],
        [[0, 0, 1], [0, 1, 1]],
        NONE,
        [1 / 2, 1],
    ),
    ("mean_reciprocal_rank", mrr, *HITS, {}, (1 / 2 + 1 + 1 / 3) / 3),
    ("mean_reciprocal_rank", mrr, *HITS, {"k": 1}, (0 + 1 + 0) / 3),
    ("mean_reciprocal_rank", mrr, *HITS, {"k": 2}, (1 / 2 + 1 + 0) / 3),
    ("mean_reciprocal_rank_with_ragged_inputs", mrr, *RAGGED, (1 / 2 + 1 + 1 / 2) / 3),
    ("hits", hit_rate, *HITS, {"k": 1}, (0 + 1 + 0) / 3),
    ("hits", hit_rate, *HITS, {"k": 2}, (1 + 1 + 0) / 3),
    ("hits", hit_rate, *HITS, {"k": 3}, (1 + 1 + 1) / 3),
    ("average_relevance_position", arp, ONE, [0, 0, 1], {}, 2),
    (
        "arp_should_ignore_padded_items",
        arp,
        [1, 5, 4, 3, 2],
        [1, -1, 1, -1, 0],
        {"mask": [True, False, True, False, True]},
        (1 + 3) / 2,
    ),
    (
        "arp_should_multiply_labels_with_weights",
        arp,
        [ONE, [1, 2, 3]],
        [[0, 0, 1], [0, 1, 2]],
        {"weights": [[1, 2, 3], [4, 5, 6]], **NONE},
        [2, (12 * 1 + 5 * 2) / (12 + 5)],
    ),
    ("recall_should_be_single_value", recall, ONE, [0, 0, 1], {}, 1),
    ("recall_should_be_0_when_no_rel_items", recall, ONE, [0, 0, 0], EMPTY, 0),
    ("recall_should_handle_topn", recall, ONE, [0, 0, 1], {"k": 1}, 0),
    ("recall_should_handle_topn", recall, ONE, [0, 0, 1], {"k": 2}, 1),
    ("recall_should_handle_topn", recall, ONE, [0, 0, 1], {"k": 6}, 1),
    (
        "recall_should_be_single_value_per_list",
        recall,
        [ONE, [1, 3, 4]],
        [[1, 0, 1], [0, 1, 1]],
        {"k": 2, **NONE},
        [1 / 2, 1],
    ),
    ("precision_should_be_single_value", precision, ONE, [0, 0, 1], {}, 1 / 3),
    ("precision_should_be_0_when_no_rel_items", precision, ONE, [0, 0, 0], EMPTY, 0),
    (
        "precision_should_be_single_value_per_list",
        precision,
        [[1, 3, 2, 4], [4, 1, 3, 2]],
        [[0, 0, 1, 1], [0, 0, 1, 0]],
        NONE,
        [2 / 4, 1 / 4],
    ),
    ("precision_should_handle_topn", precision, *MORE, {"k": 1, **NONE}, [1, 0, 0]),
    ("precision_should_handle_topn", precision, *MORE, {"k": 2, **NONE}, [1 / 2, 1 / 2, 0]),
    # For `topn=6` there: a list of three is divided by three.
    ("precision_should_handle_topn", precision, *MORE, NONE, [2 / 3, 1 / 3, 1 / 3]),
    ("precision_with_ragged_inputs", precision, *RAGGED, (1 / 3 + 1 / 2 + 2 / 4) / 3),
    ("map_should_be_single_value", average_precision, IN_ORDER, [0, 1, 0], {}, 1 / 2),
    (
        "map_should_treat_graded_relevance_as_binary_relevance",
        average_precision,
        [3, 4, 1, 2],
        [0, 2, 1, 3],
        {},
        (1 + 2 / 3 + 3 / 4) / 3,
    ),
    ("map_should_be_0_when_no_rel_items", average_precision, IN_ORDER, [0, 0, 0], EMPTY, 0),
    (
        "map_should_be_single_value_per_list",
        average_precision,
        [ONE, ONE],
        [[0, 0, 1], [0, 1, 1]],
        NONE,
        [1 / 2, 1],
    ),
    ("map_should_handle_topn", average_precision, *MORE, {"k": 1, **NONE}, [1 / 2, 0, 0]),
    ("map_should_handle_topn", average_precision, *MORE, {"k": 2, **NONE}, [1 / 2, 1 / 2, 0]),
    (
        "map_should_handle_topn",
        average_precision,
        *MORE,
        {"k": 6, **NONE},
        [(1 + 2 / 3) / 2, 1 / 2, 1 / 3],
    ),
    ("ndcg_should_be_single_value", ndcg, IN_ORDER, [0, 1, 0], {}, d(2) / d(1)),
    ("ndcg_should_be_0_when_no_rel_items", ndcg, IN_ORDER, [0, 0, 0], EMPTY, 0),
    (
        "ndcg_should_operate_on_graded_relevance",
        ndcg,
        FOUR,
        GRADED,
        {},
        (7 * d(2) + d(3)) / (7 * d(1) + d(2)),
    ),
    (
        "ndcg_should_operate_on_graded_relevance_with_custom_gain_fn",
        ndcg,
        FOUR,
        GRADED,
        {"gain": lambda y: y / 2},
        (3 / 2 * d(2) + 1 / 2 * d(3)) / (3 / 2 * d(1) + 1 / 2 * d(2)),
    ),
    (
        "ndcg_should_use_custom_rank_discount_fn",
        ndcg,
        FOUR,
        GRADED,
        {"discount": lambda r: 1 / (r + 10)},
        (7 / 12 + 1 / 13) / (7 / 11 + 1 / 12),
    ),
    (
        "ndcg_should_ignore_padded_items",
        ndcg,
        [1, 4, 3, 2],
        [2, -1, 1, 0],
        {"mask": [True, False, True, True]},
        (3 * d(3) + d(1)) / (3 * d(1) + d(2)),
    ),
    (
        "ndcg_should_be_single_value_per_list",
        ndcg,
        [IN_ORDER, [3, 1, 2]],
        [[0, 1, 0], [1, 1, 0]],
        NONE,
        [d(2) / d(1), (d(1) + d(3)) / (d(1) + d(2))],
    ),
    ("ndcg_should_handle_topn", ndcg, *MORE, {"k": 1, **NONE}, [1 / 3, 0, 0]),
    ("ndcg_should_handle_topn", ndcg, *MORE, {"k": 2, **NONE}, [d(1) / (3 * d(1) + d(2)), d(2), 0]),
    (
        "ndcg_should_handle_topn",
        ndcg,
        *MORE,
        {"k": 6, **NONE},
        [(d(1) + 3 * d(3)) / (3 * d(1) + d(2)), d(2), d(3)],
    ),
    (
        "make_normalized_discounted_cumulative_gain_fn, weights",
        ndcg,
        ONE,
        [0, 0, 1],
        {"weights": [1, 2, 3]},
        3 * d(2) / (3 * d(1)),
    ),
    (
        "make_normalized_discounted_cumulative_gain_fn, topn",
        ndcg,
        ONE,
        [0, 0, 1],
        {"weights": [1, 2, 3], "k": 1},
        0,
    ),
    (
        "make_normalized_discounted_cumulative_gain_fn, gain and discount",
        ndcg,
        ONE,
        [0, 0, 1],
        {"gain": "linear", "discount": torch.reciprocal},
        1 / 2,
    ),
    ("dcg_should_be_single_value", dcg, IN_ORDER, [0, 1, 0], {}, d(2)),
    ("dcg_should_be_0_when_no_rel_items", dcg, IN_ORDER, [0, 0, 0], {}, 0),
    ("dcg_should_operate_on_graded_relevance", dcg, FOUR, GRADED, {}, 7 * d(2) + d(3)),
    (
        "dcg_should_operate_on_graded_relevance_with_custom_gain_fn",
        dcg,
        FOUR,
        GRADED,
        {"gain": lambda y: y / 2},
        3 / 2 * d(2) + 1 / 2 * d(3),
    ),
    (
        "dcg_should_use_custom_rank_discount_fn",
        dcg,
        FOUR,
        GRADED,
        {"discount": lambda r: 1 / (r + 10)},
        7 / 12 + 1 / 13,
    ),
    (
        "dcg_should_ignore_padded_items",
        dcg,
        [1, 4, 3, 2],
        [2, -1, 1, 0],
        {"mask": [True, False, True, True]},
        3 * d(3) + d(1),
    ),
    (
        "dcg_should_be_single_value_per_list",
        dcg,
        [IN_ORDER, [3, 1, 2]],
        [[0, 1, 0], [1, 1, 0]],
        NONE,
        [d(2), d(1) + d(3)],
    ),
    ("dcg_should_handle_topn", dcg, *MORE, {"k": 1, **NONE}, [1, 0, 0]),
    ("dcg_should_handle_topn", dcg, *MORE, {"k": 2, **NONE}, [1, d(2), 0]),
    ("dcg_should_handle_topn", dcg, *MORE, {"k": 6, **NONE}, [d(1) + 3 * d(3), d(2), d(3)]),
    (
        "make_discounted_cumulative_gain_fn",
        dcg,
        [ONE, [1, 2, 3]],
        [[0, 0, 1], [0, 1, 2]],
        {},
        (d(2) + 3 * d(1) + d(2)) / 2,
    ),
    (
        "make_discounted_cumulative_gain_fn, gain and discount",
        dcg,
        ONE,
        [0, 0, 1],
        {"gain": "linear", "discount": torch.reciprocal},
        1 / 2,
    ),
]
SHOWN, SHOWN_2 = ([3, 1, 2], [0, 1, 1]), ([2, 1, 2, 5, 4], [0, 1, 1, 2, 0])
METRICS += [
    ("documentation of metrics", function, *SHOWN, options, expected)
    for function, options, expected in [
        (mrr, {}, 0.5),
        (hit_rate, {"k": 1}, 0.0),
        (hit_rate, {"k": 2}, 1.0),
        (arp, {}, 2.5),
        (precision, {"k": 2}, 0.5),
        (recall, {"k": 2}, 0.5),
    ]
]
METRICS += [
    ("documentation of metrics, ragged", function, *SHOWN_2, options, expected)
    for function, options, expected in [
        (mrr, {"offsets": [0, 2, 5]}, 0.75),
        (hit_rate, {"offsets": [0, 2, 5], "k": 1}, 0.5),
        (precision, {"offsets": [0, 2, 5], "k": 2}, 0.5),
        (recall, {"offsets": [0, 2, 5], "k": 2}, 0.75),
    ]
]


@pytest.mark.parametrize(
    ("source", "function", "scores", "labels", "options", "expected"), LOSSES + METRICS
)
def test_values_of_tf_ranking(check, source, function, scores, labels, options, expected):
    check(function, scores, labels, options, expected, atol=5e-6)  # five places there
