"""Smooth metrics: close to the metric when cold, bounds, second derivatives, noise."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_losses import (
    _pairs,
    approx,
    approx_mrr_loss,
    approx_ndcg_loss,
    arp,
    average_precision,
    bound,
    err,
    gumbel,
    hit_rate,
    mrr,
    ndcg,
    neural_ndcg_loss,
    precision,
    rbp,
    recall,
    softmax_loss,
)

METRICS = {
    "average_precision": average_precision,
    "err": err,
    "hit_rate": partial(hit_rate, k=2),
    "mrr": mrr,
    "ndcg": ndcg,
    "ndcg@3": partial(ndcg, k=3),
    "precision": partial(precision, k=2),
    "rbp": rbp,
    "recall": partial(recall, k=3),
}


def problem(seed=0, tasks=3, batch=4, n=7):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(batch, n, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (tasks, batch, n), generator=generator).double()
    mask = torch.rand(batch, n, generator=generator) < 0.8
    return scores, labels, mask


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_approx_of_a_cold_temperature_is_the_metric(name, seed):
    scores, labels, mask = problem(seed)
    # 1e-3 of a typical gap: σ is 0 or 1.
    loss = approx(METRICS[name], temperature=1e-5)
    expected = 1.0 - METRICS[name](scores, labels, mask=mask)
    torch.testing.assert_close(loss(scores, labels, mask=mask), expected.nan_to_num(0.0))


def test_approx_of_a_metric_to_be_lowered():
    scores, labels, mask = problem()
    loss = approx(arp, temperature=1e-5, lower_is_better=True)
    torch.testing.assert_close(loss(scores, labels, mask=mask), arp(scores, labels, mask=mask))


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(sorted(METRICS)))
def test_bound_is_no_less_than_what_is_lost(seed, name):
    scores, labels, mask = problem(seed)
    if name in ("average_precision", "err"):
        # These look at other documents' ranks too, and are bounded with one relevant document.
        labels = (labels.argmax(-1, keepdim=True) == torch.arange(labels.shape[-1])).double()
    lost = 1.0 - METRICS[name](scores, labels, mask=mask, reduction="none")
    at_most = bound(METRICS[name])(scores, labels, mask=mask, reduction="none")
    assert (at_most >= lost.nan_to_num(0.0) - 1e-12).all()


def test_approx_ndcg_is_approx_of_ndcg():
    scores, labels, mask = problem()
    for arguments in ({}, {"k": 2}, {"gain": "linear"}):
        expected = approx(partial(ndcg, **arguments), temperature=0.3)(scores, labels, mask=mask)
        actual = approx_ndcg_loss(scores, labels, mask=mask, temperature=0.3, **arguments)
        torch.testing.assert_close(actual, expected)
    expected = approx(mrr, temperature=0.3)(scores, labels, mask=mask)
    torch.testing.assert_close(
        approx_mrr_loss(scores, labels, mask=mask, temperature=0.3), expected
    )


def test_approx_ranks_by_their_formula():
    s = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    y = torch.tensor([0.0, 1.0, 0.0])
    rank = 1.0 + torch.sigmoid((s[0] - s[1]) / 0.5) + torch.sigmoid((s[2] - s[1]) / 0.5)
    torch.testing.assert_close(
        approx_ndcg_loss(s, y, temperature=0.5), 1.0 - 1.0 / torch.log2(1.0 + rank)
    )
    torch.testing.assert_close(approx_mrr_loss(s, y, temperature=0.5), 1.0 - 1.0 / rank)


SMOOTH = {
    "approx_ndcg": approx_ndcg_loss,
    "approx_mrr": approx_mrr_loss,
    "bound": bound(ndcg),
    "neural": partial(neural_ndcg_loss, steps=4),
    "neural transposed": partial(neural_ndcg_loss, steps=4, transposed=True),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name, monkeypatch):
    scores, labels, mask = problem(batch=2, tasks=2, n=5)
    scores.requires_grad_()

    def loss(s):
        return SMOOTH[name](s, labels, mask=mask, reduction="none")

    assert torch.autograd.gradcheck(loss, scores)
    assert torch.autograd.gradgradcheck(loss, scores)
    monkeypatch.setattr(_pairs, "_BLOCK_CPU", 20)
    assert torch.autograd.gradcheck(loss, scores)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize("gain", ["exp2", "linear"])
def test_cold_neural_ndcg_is_ndcg(transposed, k, gain):
    scores, labels, mask = problem()
    actual = neural_ndcg_loss(
        scores, labels, mask=mask, temperature=1e-4, transposed=transposed, k=k, gain=gain
    )
    expected = 1.0 - ndcg(scores, labels, mask=mask, k=k, gain=gain)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)


def test_neural_ndcg_by_hand():
    # Two documents, a gap d: the rows of NeuralSort are softmax((d, 0) / τ) and its mirror image,
    # and that is doubly stochastic already.
    d, tau = 0.8, 0.5
    p = 1.0 / (1.0 + math.exp(-d / tau))
    expected = 1.0 - (p + (1.0 - p) / math.log2(3.0))
    s, y = torch.tensor([d, 0.0], dtype=torch.float64), torch.tensor([1.0, 0.0])
    for steps in (0, 1, 50):
        actual = neural_ndcg_loss(s, y, temperature=tau, steps=steps)
        assert float(actual) == pytest.approx(expected)


def test_neural_ndcg_of_the_best_order_loses_little_and_the_worst_most():
    y = torch.arange(6.0, dtype=torch.float64)
    best, worst = (neural_ndcg_loss(s, y, temperature=0.1) for s in (y, -y))
    assert 0.0 <= best < 1e-3
    assert float(worst) == pytest.approx(1.0 - float(ndcg(-y, y)), abs=1e-3)


def test_noise_comes_from_the_generator_and_no_noise_changes_nothing():
    scores, labels, mask = problem()
    for loss in (softmax_loss, partial(neural_ndcg_loss, steps=3)):
        still = gumbel(loss, samples=3, noise=0.0, generator=torch.Generator())
        for reduction in ("none", "mean", "sum"):
            torch.testing.assert_close(
                still(scores, labels, mask=mask, reduction=reduction),
                loss(scores, labels, mask=mask, reduction=reduction),
            )
    draws = [
        gumbel(approx_ndcg_loss, samples=4, generator=torch.Generator().manual_seed(seed))(
            scores, labels, mask=mask
        )
        for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    state = torch.random.get_rng_state()
    neural_ndcg_loss(scores, labels, samples=2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_gumbel_noise_draws_from_plackett_and_luce():
    s = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)

    def first(scores, labels, *, mask=None, weights=None, reduction="mean"):
        return (scores.argmax(-1) == 0).double()

    loss = gumbel(first, samples=20000, generator=torch.Generator().manual_seed(0))
    assert float(loss(s, s)) == pytest.approx(float(s.softmax(-1)[0]), abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: approx_ndcg_loss(s, s, temperature=0.0), "`temperature` must be finite"),
        (lambda s: approx_ndcg_loss(s, s, gain="exp"), "`gain` must be one of"),
        (lambda s: approx_mrr_loss(s, s, temperature=-1.0), "`temperature` must be finite"),
        (lambda s: neural_ndcg_loss(s, s, steps=-1), "`steps` must be an int of 0 or more"),
        (lambda s: neural_ndcg_loss(s, s, samples=2.0), "`samples` must be an int of 0 or more"),
        (lambda s: neural_ndcg_loss(s, s, samples=2), "`generator` must be given"),
        (lambda s: gumbel(softmax_loss, samples=0, generator=None), "`samples` must be a positive"),
        (lambda s: approx(ndcg, temperature=0.0), "`temperature` must be finite"),
    ],
)
def test_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(3))


def test_names_are_no_functions():
    with pytest.raises(TypeError, match="`metric` must be a metric, got str"):
        approx("ndcg")
    with pytest.raises(TypeError, match="`metric` must be a metric, got str"):
        bound("mrr")
    with pytest.raises(TypeError, match="`loss` must be a loss, got str"):
        gumbel("softmax", generator=torch.Generator())


def test_a_generator_is_asked_for():
    with pytest.raises(TypeError, match="`generator` must be a torch"):
        gumbel(softmax_loss, generator=0)
