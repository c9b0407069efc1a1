"""The metrics other than NDCG: formulas, ties, thresholds, weights, ranks."""

import inspect
import itertools
import math
import pickle
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_losses
from ltr_losses import arp, average_precision, err, hit_rate, mrr, ndcg, precision, rbp, recall


def reciprocal_rank(y, k):
    return next((1.0 / (i + 1) for i, x in enumerate(y[:k]) if x > 0), 0.0)


def precisions(y, k):
    total = sum(x > 0 for x in y)
    hits = [sum(x > 0 for x in y[: i + 1]) / (i + 1) for i, x in enumerate(y[:k]) if x > 0]
    return sum(hits) / total


def expected_reciprocal_rank(y, k):
    value, reads = 0.0, 1.0
    for i, x in enumerate(y[:k]):
        stops = (2.0**x - 1.0) / 2.0**4
        value, reads = value + reads * stops / (i + 1), reads * (1.0 - stops)
    return value


# (metric, the same for labels from the top down)
FORMULAS = {
    "arp": (arp, lambda y, k: sum((i + 1) * x for i, x in enumerate(y)) / sum(y)),
    "average_precision": (average_precision, precisions),
    "err": (err, expected_reciprocal_rank),
    "hit_rate": (hit_rate, lambda y, k: float(any(x > 0 for x in y[:k]))),
    "mrr": (mrr, reciprocal_rank),
    "precision": (precision, lambda y, k: sum(x > 0 for x in y[:k]) / (k or len(y))),
    "rbp": (rbp, lambda y, k: 0.2 * sum(0.8**i for i, x in enumerate(y[:k]) if x > 0)),
    "recall": (recall, lambda y, k: sum(x > 0 for x in y[:k]) / sum(x > 0 for x in y)),
}


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(FORMULAS)),
    st.lists(st.integers(0, 4), min_size=1, max_size=8),
    st.one_of(st.none(), st.integers(1, 10)),
    st.integers(0, 2**32),
)
def test_formula(name, y, k, seed):
    metric, formula = FORMULAS[name]
    if name != "arp":
        metric = partial(metric, k=k)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    scores = -torch.arange(len(y), dtype=torch.float64)[order]
    labels = torch.tensor(y, dtype=torch.float64)[order]
    if not any(y):
        assert metric(scores, labels).isnan()
        assert metric(scores, labels, empty=0.0) == 0.0
        assert metric(scores, labels, empty=1.0) == 1.0
        return
    assert float(metric(scores, labels)) == pytest.approx(formula(y, k))


@settings(max_examples=20)
@given(st.sampled_from(["arp", "precision", "rbp", "recall"]), st.data())
def test_average_over_ties_is_the_mean_over_all_orders(name, data):
    metric, _ = FORMULAS[name]
    labels = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=5))
    scores = data.draw(st.lists(st.integers(0, 1), min_size=len(labels), max_size=len(labels)))
    if name != "arp":
        metric = partial(metric, k=data.draw(st.one_of(st.none(), st.integers(1, 5))))
    y, s = torch.tensor(labels).double(), torch.tensor(scores).double()
    orders = torch.tensor(list(itertools.permutations(range(len(labels)))))
    mean = metric(s[orders], y[orders], empty=0.0)
    torch.testing.assert_close(metric(s, y, ties="average", empty=0.0), mean)


def test_threshold():
    scores, labels = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 0.0])
    assert float(mrr(scores, labels)) == 1.0
    assert float(mrr(scores, labels, threshold=1.0)) == 0.5
    assert mrr(scores, labels, threshold=2.0).isnan()
    assert float(precision(scores, labels, threshold=1.0, k=1)) == 0.0


def test_weights_of_documents():
    scores, labels = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.0, 1.0, 1.0])
    w = torch.tensor([9.0, 2.0, 4.0])
    assert float(mrr(scores, labels, weights=w)) == pytest.approx(2.0 / 2.0)
    assert float(hit_rate(scores, labels, weights=w, k=2)) == pytest.approx(2.0)
    assert float(precision(scores, labels, weights=w, k=2)) == pytest.approx(2.0 / 2.0)
    assert float(recall(scores, labels, weights=w, k=2)) == pytest.approx(2.0 / 6.0)
    expected = (2.0 * 1.0 / 2.0 + 4.0 * 2.0 / 3.0) / 6.0
    assert float(average_precision(scores, labels, weights=w)) == pytest.approx(expected)
    assert float(arp(scores, labels, weights=w)) == pytest.approx((2.0 * 2 + 4.0 * 3) / 6.0)
    assert float(rbp(scores, labels, weights=w, p=0.5)) == pytest.approx(0.5 * (1.0 + 1.0))


def test_propensity_weights_make_a_clicked_metric_unbiased():
    # Clicks are relevance times examination; weighted by 1 / examination they expect the true sum.
    scores = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    relevant = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    seen = torch.tensor([1.0, 0.5, 0.25], dtype=torch.float64)
    outcomes = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)
    chance = torch.where(outcomes > 0, seen, 1.0 - seen).prod(-1)
    clicks = outcomes * relevant
    each = rbp(scores, clicks, weights=1.0 / seen, empty=0.0, reduction="none")
    torch.testing.assert_close((chance * each).sum(), rbp(scores, relevant))


@pytest.mark.parametrize("name", [*sorted(FORMULAS), "ndcg"])
def test_ranks_take_the_place_of_scores(name):
    metric = ndcg if name == "ndcg" else FORMULAS[name][0]
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 4, 6), generator=generator).double()
    mask = torch.arange(6) < torch.tensor([[6], [3], [2], [5]])
    ranks = (
        1.0 + ((scores.unsqueeze(-2) > scores.unsqueeze(-1)) & mask.unsqueeze(-2)).sum(-1).double()
    )
    ranks = ranks.masked_fill(~mask, math.nan)
    expected = metric(scores, labels, mask=mask, reduction="none")
    actual = metric(torch.zeros_like(scores), labels, mask=mask, ranks=ranks, reduction="none")
    torch.testing.assert_close(actual, expected, equal_nan=True)
    with pytest.raises(ValueError, match="`ranks` must have 6 documents"):
        metric(scores, labels, ranks=ranks[:, :2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: mrr(s, s, k=0), "`k` must be a positive int"),
        (lambda s: recall(s, s, ties="random"), "`ties` must be one of 'stable', 'average'"),
        (lambda s: rbp(s, s, p=1.0), "`p` must be above 0 and below 1, got 1.0"),
        (lambda s: err(s, s, max_label=0.0), "`max_label` must be finite and positive"),
        (lambda s: arp(s, s, empty=0.5), '`empty` must be "skip", 0.0 or 1.0, got 0.5'),
    ],
)
def test_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(3))


@pytest.mark.parametrize("name", ltr_losses.metrics.__all__)
def test_the_signature_and_the_documentation_name_every_argument(name):
    metric = getattr(ltr_losses, name)
    parameters = inspect.signature(metric).parameters
    assert {"mask", "ranks", "weights", "offsets", "reduction"} <= set(parameters)
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())
    for parameter in parameters:
        assert f"\n    {parameter}: " in metric.__doc__
    assert "options" not in metric.__doc__
    assert pickle.loads(pickle.dumps(metric)) is metric  # noqa: S301  our own bytes
    # The defaults that are shown are those that are taken.
    shown = {k: p.default for k, p in parameters.items() if p.default is not p.empty}
    scores, labels = torch.tensor([[3.0, 1.0, 1.0]]), torch.tensor([[0.0, 2.0, 1.0]])
    torch.testing.assert_close(metric(scores, labels, **shown), metric(scores, labels))


@pytest.mark.parametrize("wrap", [lambda f: f, partial(torch.compile, backend="eager")])
def test_an_unknown_argument_suggests_the_nearest(wrap):
    s = torch.zeros(3)
    with pytest.raises(TypeError, match=r"`tie` must be an argument of ndcg: .*mean 'ties'"):
        wrap(ndcg)(s, s, tie="average")
    with pytest.raises(TypeError, match="`ties` must be an argument of mrr"):
        wrap(mrr)(s, s, ties="average")
