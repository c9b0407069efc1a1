"""The cases of ranx's unit tests: metrics_test, meta/evaluate_test, rank_biased_precision_test.

Documents are retrieved in the order of the list there, and looked up among the judged ones. Here a
list holds the labels in that order, then those of relevant documents that were not retrieved, and
`k` is no more than the number that was.
"""

import math

import pytest

from ltr_losses import average_precision, dcg, hit_rate, mrr, ndcg, precision, rbp, recall


def d(rank):
    return 1 / math.log2(1 + rank)


def dcg_of(*gains):
    return sum(gain * d(rank) for rank, gain in enumerate(gains, start=1))


def g(*labels):
    return [2**label - 1 for label in labels]


LINEAR = {"gain": "linear", "k": 5}
AT_5 = {"k": 5, "empty": 0.0}
# Of the labels 5, 4, 3 and 2 the first list misses 2, the second 3 no document, the last all.
FIRST, SECOND, THIRD = [0, 5, 0, 4, 3, 2], [2, 3, 5, 4, 0], [0, 0, 0, 0, 0, 5, 4, 3, 2]
RBP = [int(rank in (1, 2, 6, 11, 17)) for rank in range(1, 21)]

# (their test, function, labels by rank, options, expected)
CASES = [
    ("hit_rate", hit_rate, [0] * 6 + [1, 1, 1], {"k": 5}, 0),
    ("hit_rate", hit_rate, [1, 1, 1, 0, 0, 0], {"k": 5}, 1),
    ("precision_single", precision, [1, 0, 0, 1, 1, 0, 1], {"k": 5}, 3 / 5),
    ("average_precision", average_precision, [1, 0, 0, 1, 1, 0, 1], {"k": 6}, 0.525),
    ("reciprocal_rank_single", mrr, [0, 1, 0, 0, 0], {"k": 5}, 0.5),
    ("reciprocal_rank_single_no_match", mrr, [0, 0, 0, 0, 1], {"k": 4}, 0),
    ("reciprocal_rank", mrr, [1, 0, 0, 0, 0], {"k": 5}, 1),
    ("recall_single", recall, [1, 0, 1, 1, 0, 0, 0], {"k": 2}, 1 / 3),
    ("recall", recall, [1, 0, 0, 1, 0, 0, 0], {"k": 2}, 1 / 2),
    ("dcg_jarvelin", dcg, FIRST, LINEAR, 5 * d(2) + 4 * d(4) + 3 * d(5)),
    ("dcg_jarvelin", dcg, SECOND, LINEAR, 2 * d(1) + 3 * d(2) + 5 * d(3) + 4 * d(4)),
    ("dcg_jarvelin", dcg, THIRD, LINEAR, 0),
    ("ndcg_jarvelin", ndcg, FIRST, LINEAR, dcg_of(0, 5, 0, 4, 3) / dcg_of(5, 4, 3, 2)),
    ("ndcg_jarvelin", ndcg, SECOND, LINEAR, dcg_of(2, 3, 5, 4) / dcg_of(5, 4, 3, 2)),
    ("ndcg_jarvelin", ndcg, THIRD, LINEAR, 0),
    ("dcg_burges", dcg, FIRST, {"k": 5}, 31 * d(2) + 15 * d(4) + 7 * d(5)),
    ("dcg_burges", dcg, SECOND, {"k": 5}, 3 * d(1) + 7 * d(2) + 31 * d(3) + 15 * d(4)),
    ("dcg_burges", dcg, THIRD, {"k": 5}, 0),
    ("ndcg_burges", ndcg, FIRST, {"k": 5}, dcg_of(*g(0, 5, 0, 4, 3)) / dcg_of(*g(5, 4, 3, 2))),
    ("ndcg_burges", ndcg, SECOND, {"k": 5}, dcg_of(*g(2, 3, 5, 4)) / dcg_of(*g(5, 4, 3, 2))),
    ("ndcg_burges", ndcg, THIRD, {"k": 5}, 0),
    ("rank_biased_precision", rbp, RBP, {"p": 0.5}, 0.7661),
    ("rank_biased_precision", rbp, RBP, {"p": 0.8}, 0.4526),
    ("rank_biased_precision", rbp, RBP, {"p": 0.95}, 0.1881),
]


@pytest.mark.parametrize(("source", "function", "labels", "options", "expected"), CASES)
def test_values_of_ranx(check, source, function, labels, options, expected):
    scores = [-float(place) for place in range(len(labels))]
    atol = 5.1e-5 if function is rbp else 1e-9  # rounded to four places there
    check(function, scores, labels, options, expected, atol=atol)
