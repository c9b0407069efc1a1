"""The cases of torchmetrics: the examples of its retrieval metrics, and test_score_shift.

Gains are linear there and ties are averaged by NDCG; a list with nothing relevant is worth 0.
"""

import pytest

from ltr_losses import average_precision, hit_rate, mrr, ndcg, precision, recall

LINEAR = {"gain": "linear", "ties": "average"}
SHORT = [0.2, 0.3, 0.5]
# Two queries, which `indexes` told apart there.
SCORES, OFFSETS = [0.2, 0.3, 0.5, 0.1, 0.3, 0.5, 0.2], {"offsets": [0, 3, 7]}
LABELS = [0, 0, 1, 0, 1, 0, 1]

CASES = [
    ("retrieval_normalized_dcg", ndcg, [0.1, 0.2, 0.3, 4, 70], [10, 0, 0, 1, 5], LINEAR, 0.6957),
    ("retrieval_precision", precision, SHORT, [1, 0, 1], {"k": 2}, 0.5),
    ("retrieval_average_precision", average_precision, SHORT, [1, 0, 1], {}, 0.8333),
    ("retrieval_reciprocal_rank", mrr, SHORT, [0, 1, 0], {}, 0.5),
    ("retrieval_hit_rate", hit_rate, SHORT, [1, 0, 1], {"k": 2}, 1.0),
    ("retrieval_recall", recall, SHORT, [1, 0, 1], {"k": 2}, 0.5),
    ("RetrievalNormalizedDCG", ndcg, SCORES, LABELS, {**OFFSETS, **LINEAR}, 0.8467),
    ("RetrievalPrecision", precision, SCORES, LABELS, {**OFFSETS, "k": 2}, 0.5),
    ("RetrievalMAP", average_precision, SCORES, LABELS, OFFSETS, 0.7917),
    ("RetrievalMRR", mrr, SCORES, LABELS, OFFSETS, 0.75),
    ("RetrievalHitRate", hit_rate, SCORES, [1, 0, 0, 0, 1, 0, 1], {**OFFSETS, "k": 2}, 0.5),
    ("RetrievalRecall", recall, SCORES, LABELS, {**OFFSETS, "k": 2}, 0.75),
]
CASES += [
    (
        "retrieval_metrics_are_invariant_to_score_shifts",
        function,
        [score + shift for score in (0.9, 0.5, 0.3, 0.1)],
        [1, 0, 1, 0],
        options,
        expected,
    )
    for shift in (0.0, -0.3, -0.4, -0.9, -1.0)
    for function, options, expected in [
        (average_precision, {}, 5 / 6),
        (mrr, {}, 1.0),
        (precision, {"k": 2}, 0.5),
        (recall, {"k": 2}, 0.5),
    ]
]


@pytest.mark.parametrize(("source", "function", "scores", "labels", "options", "expected"), CASES)
def test_values_of_torchmetrics(check, source, function, scores, labels, options, expected):
    check(function, scores, labels, options, expected, atol=5e-5)  # four places there
