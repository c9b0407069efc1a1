"""The figures of trec_eval's own test: query 302 of out.test.aq and out.test.meas_params.

500 documents are retrieved, and 77 are relevant, of which 50 are retrieved. Those that are not
stand here below all others, and the list is cut at 500. The figures have four places.
"""

import pytest

from ltr_losses import average_precision, hit_rate, mrr, ndcg, precision, recall

# fmt: off
RANKS = [
    1, 2, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 24, 27, 28, 30, 31, 34, 36,
    37, 39, 42, 43, 44, 47, 48, 49, 50, 51, 53, 56, 58, 72, 79, 82, 84, 116, 154, 289, 301, 331,
    353, 394, 458,
]
"""Where the relevant documents stand."""
# fmt: on
RETRIEVED, RELEVANT = 500, 77
MISSED = RELEVANT - len(RANKS)
LABELS = [int(rank in RANKS) for rank in range(1, RETRIEVED + 1)] + [1] * MISSED
SCORES = [-float(place) for place in range(RETRIEVED + MISSED)]

FIGURES = {
    ("map", average_precision): {500: 0.4175},
    ("map_cut", average_precision): {
        5: 0.0461,
        10: 0.0768,
        15: 0.1265,
        20: 0.1695,
        30: 0.2298,
        100: 0.3983,
        200: 0.4068,
        500: 0.4175,
    },
    ("recip_rank", mrr): {500: 1.0},
    ("success", hit_rate): {1: 1.0, 2: 1.0, 5: 1.0, 10: 1.0, 20: 1.0},
    ("P", precision): {
        3: 0.6667,
        5: 0.8,
        7: 0.7143,
        10: 0.7,
        15: 0.8,
        20: 0.8,
        30: 0.7333,
        100: 0.42,
        200: 0.22,
        500: 0.1,
    },
    ("recall", recall): {
        5: 0.0519,
        10: 0.0909,
        15: 0.1558,
        20: 0.2078,
        30: 0.2857,
        100: 0.5455,
        200: 0.5714,
        500: 0.6494,
    },
    ("ndcg", ndcg): {500: 0.6617},
    ("ndcg_cut", ndcg): {
        5: 0.8304,
        10: 0.7530,
        15: 0.8085,
        20: 0.8082,
        23: 0.7964,
        30: 0.7604,
        100: 0.6046,
        200: 0.6209,
        500: 0.6617,
    },
}
CASES = [
    (measure, function, k, figure)
    for (measure, function), figures in FIGURES.items()
    for k, figure in figures.items()
]


@pytest.mark.parametrize(("measure", "function", "k", "expected"), CASES)
def test_figures_of_trec_eval(check, measure, function, k, expected):
    options = {"k": k, "gain": "linear"} if function is ndcg else {"k": k}
    check(function, SCORES, LABELS, options, expected, rtol=0, atol=5.1e-5)


def test_precision_of_a_short_list_is_divided_by_k(check):
    # The example in the help of m_P.c: 15 documents, 4 of them relevant.
    check(precision, SCORES[:15], [1] * 4 + [0] * 11, {"k": 20}, 4 / 20)
