"""The pairwise losses against their definitions, pair by pair."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import softplus

from ltr_losses import (
    _pairs,
    lambda_loss,
    pairwise_hinge_loss,
    pairwise_mse_loss,
    pairwise_quantile_loss,
    ranknet_loss,
)


def pairs_mean(s, y, term, weights=None):
    """The mean of term(score gap, label gap) over the pairs y_i > y_j of one list."""
    counts = y[:, None] > y
    values = term(s[:, None] - s, y[:, None] - y)
    if weights is not None:
        values = values * weights[:, None]
    return values[counts].mean() if counts.any() else s.sum() * 0.0


def ranknet(gap, difference, power=0.0, sigma=1.0):
    return difference.clamp(min=0.0) ** power * softplus(-sigma * gap, threshold=1e9)


CASES = {
    "ranknet": (ranknet_loss, ranknet),
    "ranknet by difference": (
        lambda *a, **k: ranknet_loss(*a, power=1.0, sigma=2.0, **k),
        lambda gap, d: ranknet(gap, d, 1.0, 2.0),
    ),
    "ranknet by square": (
        lambda *a, **k: ranknet_loss(*a, power=2.0, **k),
        lambda gap, d: ranknet(gap, d, 2.0),
    ),
    "hinge": (
        lambda *a, **k: pairwise_hinge_loss(*a, margin=0.7, **k),
        lambda gap, d: (0.7 - gap).clamp(min=0.0),
    ),
    "quantile": (
        lambda *a, **k: pairwise_quantile_loss(*a, tau=0.2, **k),
        lambda gap, d: 0.2 * (d - gap).clamp(min=0.0) + 0.8 * (gap - d).clamp(min=0.0),
    ),
    "expectile": (
        lambda *a, **k: pairwise_quantile_loss(*a, tau=0.2, squared=True, **k),
        lambda gap, d: 0.2 * (d - gap).clamp(min=0.0) ** 2 + 0.8 * (gap - d).clamp(min=0.0) ** 2,
    ),
}


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 9), st.sampled_from(sorted(CASES)), st.booleans())
def test_value_and_gradient_are_those_of_the_definition(seed, n, name, with_weights):
    loss, term = CASES[name]
    generator = torch.Generator().manual_seed(seed)
    s = torch.randn(n, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randint(0, 4, (n,), generator=generator).double()
    weights = torch.rand(n, generator=generator, dtype=torch.float64) if with_weights else None
    actual, expected = loss(s, y, weights=weights), pairs_mean(s, y, term, weights)
    torch.testing.assert_close(actual, expected)
    (gradient,) = torch.autograd.grad(actual, s)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, s)[0])


@pytest.mark.parametrize("name", sorted(CASES))
def test_blocks_of_any_size_give_the_same(monkeypatch, name):
    loss, _ = CASES[name]
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(3, 13, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randint(0, 4, (2, 3, 13), generator=generator).double()
    expected = torch.autograd.grad(loss(s, y).sum(), s)[0]
    monkeypatch.setattr(_pairs, "_BLOCK_CPU", 40)
    torch.testing.assert_close(torch.autograd.grad(loss(s, y).sum(), s)[0], expected)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_second_derivative_of_ranknet(power, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, 3, (3, 2, 5), generator=generator).double()
    s = torch.randn(2, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    w = torch.rand(2, 5, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True, True, True, False, True]])

    def loss(x):
        return ranknet_loss(x, y, power=power, sigma=1.5, mask=mask, weights=w, reduction="none")

    assert torch.autograd.gradgradcheck(loss, s)
    monkeypatch.setattr(_pairs, "_BLOCK_CPU", 20)
    assert torch.autograd.gradgradcheck(loss, s)


def test_hessian_of_ranknet_is_positive_and_blind_to_a_shift():
    s = torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.tensor([2.0, 0.0, 1.0, 0.0, 0.0, 2.0])
    hessian = torch.autograd.functional.hessian(lambda x: ranknet_loss(x, y), s)
    torch.testing.assert_close(hessian, hessian.T)
    torch.testing.assert_close(hessian.sum(-1), torch.zeros(6, dtype=torch.float64))
    assert torch.linalg.eigvalsh(hessian).min() > -1e-12


def test_ranknet_is_the_lambda_loss_of_that_name_over_its_pairs():
    s = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(8.0).expand(3, 8)
    torch.testing.assert_close(ranknet_loss(s, y), lambda_loss(s, y, scheme="ranknet") / 28.0)


def test_no_ordered_pair_is_worth_nothing():
    s = torch.randn(2, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    for loss, _ in CASES.values():
        value = loss(s, torch.ones(2, 3))
        (gradient,) = torch.autograd.grad(value, s)
        assert value == 0.0
        assert (gradient == 0.0).all()


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(2, 9))
def test_pairwise_mse_over_all_pairs(seed, n):
    generator = torch.Generator().manual_seed(seed)
    s, y, w = torch.rand(3, n, generator=generator, dtype=torch.float64)
    squares = ((s[:, None] - s) - (y[:, None] - y)).square()
    pairs = n * (n - 1)
    torch.testing.assert_close(pairwise_mse_loss(s, y), squares.sum() / pairs)
    torch.testing.assert_close(
        pairwise_mse_loss(s, y, weights=w), (w[:, None] * squares).sum() / pairs
    )
    torch.testing.assert_close(pairwise_mse_loss(s + 7.0, y), pairwise_mse_loss(s, y))
    assert torch.autograd.gradgradcheck(lambda x: pairwise_mse_loss(x, y), s.requires_grad_())


def swapped(y, i, j):
    out = list(y)
    out[i], out[j] = out[j], out[i]
    return out


def average_precision_of(y):
    hits = [sum(y[: r + 1]) / (r + 1) for r in range(len(y)) if y[r]]
    return sum(hits) / max(1, len(hits))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 1), min_size=2, max_size=8))
def test_map_weights_are_what_a_swap_changes_of_the_average_precision(y):
    s = torch.linspace(1.0, -1.0, len(y), dtype=torch.float64)
    base = average_precision_of(y)
    expected = 0.0
    for i in range(len(y)):
        for j in range(len(y)):
            if y[i] > y[j]:
                change = abs(average_precision_of(swapped(y, i, j)) - base)
                expected += change * math.log1p(math.exp(float(s[j] - s[i])))
    actual = lambda_loss(s, torch.tensor(y, dtype=torch.float64), scheme="map")
    assert float(actual) == pytest.approx(expected)


def test_precision_weights_are_the_pairs_across_the_border():
    s = torch.tensor([3.0, 2.0, 1.0, 0.0], dtype=torch.float64)
    y = torch.tensor([0.0, 4.0, 1.0, 0.0])
    expected = (softplus(s[0] - s[2]) + softplus(s[3] - s[1])) / 2.0
    torch.testing.assert_close(lambda_loss(s, y, scheme="precision", k=2), expected)
    with pytest.raises(ValueError, match="`k` must be given for the scheme 'precision'"):
        lambda_loss(s, y, scheme="precision")


def test_average_relevance_position_weights():
    s = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64)
    y = torch.tensor([0.0, 3.0, 1.0])
    p10, p12, p20 = softplus(s[0] - s[1]), softplus(s[2] - s[1]), softplus(s[0] - s[2])
    torch.testing.assert_close(lambda_loss(s, y, scheme="arp1"), 3.0 * p10 + 3.0 * p12 + p20)
    torch.testing.assert_close(lambda_loss(s, y, scheme="arp2"), 3.0 * p10 + 2.0 * p12 + p20)
    # A negative label is not relevant.
    low = torch.tensor([-1.0, 3.0, 1.0])
    torch.testing.assert_close(lambda_loss(s, low, scheme="arp2"), lambda_loss(s, y, scheme="arp2"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: ranknet_loss(s, s, power=-1.0), "`power` must be finite and not negative"),
        (lambda s: ranknet_loss(s, s, sigma=0.0), "`sigma` must be finite and positive"),
        (lambda s: pairwise_hinge_loss(s, s, margin=-1.0), "`margin` must be finite"),
        (lambda s: pairwise_quantile_loss(s, s, tau=1.5), "`tau` must be in 0..1, got 1.5"),
    ],
)
def test_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(3))
