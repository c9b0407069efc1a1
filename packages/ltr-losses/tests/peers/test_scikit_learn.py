"""The cases of scikit-learn's metrics/tests/test_ranking, and the examples of its documentation.

Gains are linear there, ties are averaged, and a list with nothing relevant is worth 0. Its average
precisions take tied scores for one step, and are not here where scores are tied.
"""

import math

import pytest

from ltr_losses import average_precision, dcg, ndcg


def d(rank):
    return 1 / math.log2(1 + rank)


AVERAGE = {"gain": "linear", "ties": "average"}
TOP = sum(d(rank) for rank in (1, 2))
ALL = sum(d(rank) for rank in (1, 2, 3, 4, 5))
TURNED = sum(y * d(rank) for rank, y in enumerate([4, 3, 2, 1, 0], start=1))

DESCENDING = [[6, 5, 4, 3, 2, 1, 0]] * 5
THREE_AT = [[3.0 * (i == j) for j in range(7)] for i in range(5)]
THREES = [[3] * 7] * 5
PLACES = range(1, 6)

DCG = [
    ("dcg_ties", dcg, [0] * 5, [0, 1, 2, 3, 4], AVERAGE, ALL * 2),
    ("dcg_ties", dcg, [0, 0, 0, 1, 1], [0, 1, 2, 3, 4], AVERAGE, TOP * 3.5 + (ALL - TOP) * 1),
    # With ignore_ties the last index comes first there: the lists are turned round.
    ("dcg_ties, ignore_ties", dcg, [0] * 5, [4, 3, 2, 1, 0], {"gain": "linear"}, TURNED),
    ("dcg_ties, ignore_ties", dcg, [1, 1, 0, 0, 0], [4, 3, 2, 1, 0], {"gain": "linear"}, TURNED),
]
for ties in ("stable", "average"):
    options = {"gain": "linear", "ties": ties}
    each = {**options, "reduction": "none"}
    DCG += [
        ("ndcg_toy_examples", dcg, DESCENDING, THREE_AT, each, [3 * d(r) for r in PLACES]),
        ("ndcg_toy_examples", ndcg, DESCENDING, THREE_AT, each, [d(r) for r in PLACES]),
        ("ndcg_toy_examples", dcg, DESCENDING, THREE_AT, options, 3 * ALL / 5),
        ("ndcg_toy_examples", ndcg, DESCENDING, THREE_AT, options, ALL / 5),
        (
            "ndcg_toy_examples, log_base",
            dcg,
            DESCENDING,
            THREE_AT,
            {**each, "discount": lambda r: 1 / (1 + r).log10()},
            [3 / math.log10(1 + r) for r in PLACES],
        ),
        ("ndcg_toy_examples", dcg, DESCENDING, THREES, options, 3 * (ALL + d(6) + d(7))),
        ("ndcg_toy_examples", ndcg, DESCENDING, THREES, options, 1),
    ]

# The labels at the scores 0.25, 0.5, 0.75, then at 0.75, 0.5, 0.25, then at 0.5, 0.75, 0.25.
RISING, FALLING, MIDDLE = [0.25, 0.5, 0.75], [0.75, 0.5, 0.25], [0.5, 0.75, 0.25]
PRECISION = [
    ("label_ranking_avp", average_precision, scores, labels, {}, expected)
    for scores, labels, expected in [
        ([0.25, 0.75], [0, 1], 1),
        ([0.75, 0.25], [0, 1], 1 / 2),
        ([0.75, 0.25], [1, 1], 1),
        (RISING, [0, 0, 1], 1),
        (RISING, [0, 1, 0], 1 / 2),
        (RISING, [0, 1, 1], 1),
        (RISING, [1, 0, 0], 1 / 3),
        (RISING, [1, 0, 1], (2 / 3 + 1) / 2),
        (RISING, [1, 1, 0], (2 / 3 + 1 / 2) / 2),
        (FALLING, [0, 0, 1], 1 / 3),
        (FALLING, [0, 1, 0], 1 / 2),
        (FALLING, [0, 1, 1], (1 / 2 + 2 / 3) / 2),
        (FALLING, [1, 0, 0], 1),
        (FALLING, [1, 0, 1], (1 + 2 / 3) / 2),
        (FALLING, [1, 1, 0], 1),
        (FALLING, [1, 1, 1], 1),
        (MIDDLE, [0, 0, 1], 1 / 3),
        (MIDDLE, [0, 1, 0], 1),
        (MIDDLE, [0, 1, 1], (1 + 2 / 3) / 2),
        (MIDDLE, [1, 0, 0], 1 / 2),
        (MIDDLE, [1, 0, 1], (1 / 2 + 2 / 3) / 2),
        (MIDDLE, [1, 1, 0], 1),
        (MIDDLE, [1, 1, 1], 1),
        ([0.5, 0.5], [1, 1], 1),
        ([0.25, 0.5, 0.5], [0, 1, 1], 1),
        ([0.25, 0.5, 0.5], [1, 0, 0], 1 / 3),
        ([0.25, 0.5, 0.5], [1, 1, 1], 1),
    ]
]
PRECISION += [
    # This one is 1 for a list with nothing relevant, the next 0.
    ("zero_or_all_relevant_labels", average_precision, FALLING, [0, 0, 0], {"empty": 1.0}, 1),
    ("precision_recall_curve_toydata", average_precision, [0, 1], [0, 1], {}, 1),
    ("precision_recall_curve_toydata", average_precision, [1, 0], [0, 1], {}, 0.5),
    ("precision_recall_curve_toydata", average_precision, [1, 0], [1, 0], {}, 1),
    ("precision_recall_curve_toydata", average_precision, [0.25, 0.75], [0, 0], {"empty": 0.0}, 0),
]
# First and last relevant, then a row of r relevant ones from each position on.
PRECISION += [
    (
        "lrap_without_tie_and_increasing_score",
        average_precision,
        list(range(n, 0, -1)),
        [1, *[0] * (n - 2), 1],
        {},
        (2 / n + 1) / 2,
    )
    for n in range(2, 10)
]
PRECISION += [
    (
        "lrap_without_tie_and_increasing_score",
        average_precision,
        [list(range(n, 0, -1))] * (n - relevant),
        [[int(at <= i < at + relevant) for i in range(n)] for at in range(n - relevant)],
        {"reduction": "none"},
        [
            sum((r + 1) / (at + r + 1) for r in range(relevant)) / relevant
            for at in range(n - relevant)
        ],
    )
    for n in range(2, 10)
    for relevant in range(1, n)
]


@pytest.mark.parametrize(
    ("source", "function", "scores", "labels", "options", "expected"), DCG + PRECISION
)
def test_values_of_scikit_learn(check, source, function, scores, labels, options, expected):
    check(function, scores, labels, options, expected)


# Two places, cut and not rounded.
LABELS, RIGHT, WRONG = [10, 0, 0, 1, 5], [0.1, 0.2, 0.3, 4, 70], [0.05, 1.1, 1.0, 0.5, 0.0]
TIED = [1, 0, 0, 0, 1]
EXAMPLES = [
    (dcg, RIGHT, AVERAGE, 9.49),
    (dcg, RIGHT, {"k": 2, **AVERAGE}, 5.63),
    (dcg, TIED, {"k": 1, **AVERAGE}, 7.5),
    (ndcg, RIGHT, AVERAGE, 0.69),
    (ndcg, WRONG, AVERAGE, 0.49),
    (ndcg, WRONG, {"k": 4, **AVERAGE}, 0.35),
    (ndcg, LABELS, {"k": 4, **AVERAGE}, 1.0),
    (ndcg, TIED, {"k": 1, **AVERAGE}, 0.75),
]


@pytest.mark.parametrize(("function", "scores", "options", "expected"), EXAMPLES)
def test_examples_of_scikit_learn(check, function, scores, options, expected):
    check(function, scores, LABELS, options, expected + 0.005, rtol=0, atol=0.0051)
