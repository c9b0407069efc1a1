"""The cases of ir-measures' unit tests: test_ranx, test_pytrec_eval, test_gdeval, test_cwl_eval.

Documents are sorted by score there, and looked up among the judged ones. Here a list holds the
labels in that order, then those of relevant documents that were not retrieved, and is cut at the
number that was. Relevant is a label of `rel` or more: the threshold here is one less.
"""

from functools import partial

import pytest

from ltr_losses import average_precision, err, hit_rate, mrr, ndcg, precision, rbp, recall

AP, P, R, RR, SUCCESS = average_precision, precision, recall, mrr, hit_rate
EXP_LOG2, LINEAR = ndcg, partial(ndcg, gain="linear")
REL_2, REL_3 = {"threshold": 1.0}, {"threshold": 2.0, "empty": 0.0}

GRADED = [0, 1, 2, 1, 0]
"""D0, D2, D3, D1, D4 by score."""
MISSING = [0, 2, 0, 0, 1, 2]
"""D1, D3, D2, D4 by score; D0 and D5 were not retrieved, or D5 alone."""
BETTER, WORSE, UNJUDGED = [0, 2, 2, 1, 0], [0, 0, 0, 2, 1], [1, 0, 2, 0, 0]
T1, T2, T3 = (
    [1, 0, 1, 1, 0, 0, 1, 0, 1, 0],
    [1, 1, 0, 0, 1, 0, 1, 1, 1, 0],
    [0, 0, 0, 0, 0, 1, 1, 1, 0, 1],
)
TOPICS = (T1, T2, T3)

# (their test, function, labels by rank, options, expected)
CASES = [
    ("ranx", P, GRADED, {"k": 5}, 0.6),
    ("ranx", P, GRADED, {"k": 5, **REL_2}, 0.2),
    ("ranx", R, GRADED, {"k": 5}, 1.0),
    ("ranx", R, GRADED, {"k": 5, **REL_2}, 1.0),
    ("ranx", R, GRADED, {"k": 2}, 1 / 3),
    ("ranx", R, GRADED, {"k": 2, **REL_2}, 0.0),
    ("ranx", RR, GRADED, {}, 0.5),
    ("ranx", RR, GRADED, REL_2, 1 / 3),
    ("ranx", RR, GRADED, {"k": 10}, 0.5),
    ("ranx", RR, GRADED, {"k": 10, **REL_2}, 1 / 3),
    ("ranx", RR, GRADED, {"k": 2}, 0.5),
    ("ranx", RR, GRADED, {"k": 2, **REL_2}, 0.0),
    ("ranx", AP, GRADED, {}, 0.6388888888888888),
    ("ranx", AP, GRADED, REL_2, 1 / 3),
    ("ranx", AP, GRADED, {"k": 10}, 0.6388888888888888),
    ("ranx", AP, GRADED, {"k": 10, **REL_2}, 1 / 3),
    ("ranx", AP, GRADED, {"k": 2}, 1 / 6),
    ("ranx", AP, GRADED, {"k": 2, **REL_2}, 0.0),
    ("ranx", SUCCESS, GRADED, {"k": 10}, 1.0),
    ("ranx", SUCCESS, GRADED, {"k": 10, **REL_2}, 1.0),
    ("ranx", SUCCESS, GRADED, {"k": 2}, 1.0),
    ("ranx", SUCCESS, GRADED, {"k": 2, **REL_2}, 0.0),
    ("ranx", LINEAR, GRADED, {}, 0.6584645692843067),
    ("ranx", LINEAR, GRADED, {"k": 5}, 0.6584645692843067),
    ("ranx", LINEAR, GRADED, {"k": 2}, 0.23981246656813146),
    ("ranx", EXP_LOG2, GRADED, {}, 0.6201040599710453),
    ("ranx", EXP_LOG2, GRADED, {"k": 5}, 0.6201040599710453),
    ("ranx", EXP_LOG2, GRADED, {"k": 2}, 0.17376534287144002),
    ("pytrec_eval, Success", SUCCESS, BETTER, {"k": 2}, 1),
    ("pytrec_eval, Success", SUCCESS, WORSE, {"k": 2}, 0),
    ("pytrec_eval, Success", SUCCESS, BETTER, {"k": 2, **REL_2}, 1),
    ("pytrec_eval, Success", SUCCESS, BETTER, {"k": 2, **REL_3}, 0),
    ("pytrec_eval, SetP", P, BETTER, {}, 0.6),
    ("pytrec_eval, SetP", P, BETTER, REL_2, 0.4),
    ("pytrec_eval, SetP", P, BETTER, REL_3, 0),
    ("pytrec_eval, SetP", P, WORSE, {"k": 4}, 0.25),
    ("pytrec_eval, SetP", P, WORSE, {"k": 4, **REL_2}, 0.25),
    ("pytrec_eval, SetR", R, BETTER, {}, 1),
    ("pytrec_eval, SetR", R, BETTER, REL_2, 1),
    ("pytrec_eval, SetR", R, WORSE, {"k": 4}, 0.5),
    ("pytrec_eval, SetR", R, WORSE, {"k": 4, **REL_2}, 1),
    ("pytrec_eval, infAP", AP, UNJUDGED, {}, 0.8333),
    ("pytrec_eval, infAP", AP, UNJUDGED, REL_2, 0.3333),
    ("pytrec_eval, infAP", AP, WORSE, {"k": 4}, 0.125),
    ("pytrec_eval, infAP", AP, WORSE, {"k": 4, **REL_2}, 0.25),
    ("aggregate", P, GRADED + MISSING, {"k": 5, "offsets": [0, 5, 11]}, 0.5),
    ("gdeval, nDCG", EXP_LOG2, GRADED, {"k": 20}, 0.6201),
    ("gdeval, nDCG", EXP_LOG2, MISSING, {"k": 4}, 0.35099),
    ("gdeval, nDCG", EXP_LOG2, GRADED, {"k": 2}, 0.17377),
    ("gdeval, nDCG", EXP_LOG2, MISSING, {"k": 2}, 0.38685),
    ("gdeval, ERR", err, GRADED, {"k": 20}, 0.10175),
    ("gdeval, ERR", err, MISSING, {"k": 4}, 0.09375),
    ("gdeval, ERR", err, GRADED, {"k": 2}, 0.03125),
    ("gdeval, ERR", err, MISSING, {"k": 2}, 0.09375),
]
CASES += [
    ("cwl_eval", function, labels, options, expected)
    for function, options, figures in [
        (AP, {}, (0.7087, 0.7438, 0.3068)),
        (P, {"k": 1}, (1.0, 1.0, 0.0)),
        (P, {"k": 5}, (0.6, 0.6, 0.0)),
        (P, {"k": 10}, (0.5, 0.6, 0.4)),
        (P, {"k": 20}, (0.25, 0.3, 0.2)),
        (RR, {}, (1.0, 1.0, 0.1667)),
        (rbp, {"p": 0.9}, (0.3501, 0.3996, 0.1988)),
    ]
    for labels, expected in zip(TOPICS, figures, strict=True)
]


@pytest.mark.parametrize(("source", "function", "labels", "options", "expected"), CASES)
def test_values_of_ir_measures(check, source, function, labels, options, expected):
    scores = [-float(place) for place in range(len(labels))]
    digits = 5.1e-5 if source != "ranx" else 1e-9  # four or five places there
    check(function, scores, labels, options, expected, rtol=1e-9, atol=digits)
