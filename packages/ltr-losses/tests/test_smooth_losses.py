"""The losses without pairs, each against its formula."""

import itertools
import math

import pytest
import torch

from ltr_losses import (
    bce_loss,
    listmle_loss,
    listnet_loss,
    mse_loss,
    p_listmle_loss,
    softmax_loss,
    unique_softmax_loss,
)


def test_listnet_formula():
    generator = torch.Generator().manual_seed(0)
    s, y = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    p = y.exp() / y.exp().sum()
    q = s.exp() / s.exp().sum()
    torch.testing.assert_close(listnet_loss(s, y), -(p * q.log()).sum())


def test_listnet_gradient_is_the_difference_of_the_probabilities():
    generator = torch.Generator().manual_seed(0)
    s, y = torch.randn(2, 4, 6, generator=generator, dtype=torch.float64)
    s.requires_grad_()
    (gradient,) = torch.autograd.grad(listnet_loss(s, y, reduction="sum"), s)
    torch.testing.assert_close(gradient, (s.softmax(-1) - y.softmax(-1)).detach())


def test_listnet_least_at_the_labels_where_it_is_their_entropy():
    y = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    p = y.softmax(-1)
    torch.testing.assert_close(listnet_loss(y + 5.0, y), -(p * p.log()).sum())
    assert listnet_loss(y.flip(-1), y) > listnet_loss(y, y)


def test_listnet_equal_labels_ask_for_equal_scores():
    zeros = torch.zeros(2, 4, requires_grad=True)
    loss = listnet_loss(zeros, torch.zeros(2, 4))
    assert loss.item() == pytest.approx(math.log(4.0))
    (gradient,) = torch.autograd.grad(loss, zeros)
    torch.testing.assert_close(gradient, torch.zeros(2, 4))


def test_listnet_a_single_document_is_not_counted():
    mask = torch.tensor([[True, True], [True, False]])
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    labels = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(
        listnet_loss(scores, labels, mask=mask), listnet_loss(scores[0], labels[0])
    )


def test_listnet_large_labels_are_finite():
    loss = listnet_loss(torch.zeros(3), torch.tensor([30000.0, 255.0, 0.0]))
    assert float(loss) == pytest.approx(math.log(3.0))


def test_softmax_formula_and_gradient():
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(6, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.0, 3.0, 1.0, 0.0, -2.0, 0.0], dtype=torch.float64)
    q = s.exp() / s.exp().sum()
    loss = softmax_loss(s, y)
    torch.testing.assert_close(loss, -(3.0 * q[1].log() + q[2].log()))
    (gradient,) = torch.autograd.grad(loss, s)
    torch.testing.assert_close(gradient, (4.0 * q - y.clamp(min=0.0)).detach())


def test_softmax_counts_the_lists_with_something_relevant():
    scores = torch.zeros(3, 2)
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    assert float(softmax_loss(scores, labels)) == pytest.approx(math.log(2.0))


def test_listmle_is_the_likelihood_of_the_order():
    s = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    y = torch.tensor([1.0, 0.0, 2.0])
    e = s.exp()
    likelihood = e[2] / e.sum() * e[0] / (e[0] + e[1])
    torch.testing.assert_close(listmle_loss(s, y), -likelihood.log())


def test_listmle_of_all_orders_is_a_distribution():
    s = torch.randn(4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    orders = torch.tensor(list(itertools.permutations(range(4)))).double()
    likelihoods = listmle_loss(s, orders, reduction="none").neg().exp()
    torch.testing.assert_close(likelihoods.sum(), torch.ones((), dtype=torch.float64))


def test_listmle_over_a_wide_range_of_scores():
    # A cumulative sum of exponentials with an epsilon is wrong from a range of 23 on.
    s = 20.0 * torch.randn(30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = -torch.arange(30.0)
    expected = sum(torch.logsumexp(s[i:], 0) - s[i] for i in range(30))
    torch.testing.assert_close(listmle_loss(s, y), expected)
    torch.testing.assert_close(listmle_loss(s.float(), y).double(), expected, rtol=1e-6, atol=0)


def test_listmle_is_deterministic_with_equal_labels():
    s = torch.tensor([0.3, -1.0, 2.0])
    torch.testing.assert_close(
        listmle_loss(s, torch.tensor([1.0, 1.0, 0.0])),
        listmle_loss(s, torch.tensor([2.0, 1.0, 0.0])),
    )
    assert listmle_loss(s, torch.ones(3)) == 0.0


def test_mse_formula():
    s, y = torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[0.0, 4.0, 9.0]])
    mask = torch.tensor([[True, True, False]])
    assert float(mse_loss(s, y, mask=mask)) == pytest.approx((1.0 + 4.0) / 2.0)


def test_bce_formula():
    s = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    y = torch.tensor([0.25, 0.0, 4.0], dtype=torch.float64)
    p = s.sigmoid()
    t = y.clamp(max=1.0)  # a graded label of 1 or more is relevant
    torch.testing.assert_close(bce_loss(s, y), -(t * p.log() + (1 - t) * (1 - p).log()).mean())


def test_bce_does_not_saturate():
    s = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = bce_loss(s, torch.tensor([0.0, 1.0]))
    (gradient,) = torch.autograd.grad(loss, s)
    assert loss.item() == pytest.approx(1e4)
    assert gradient.tolist() == [0.5, -0.5]


@pytest.mark.parametrize("loss", [bce_loss, listmle_loss, listnet_loss, mse_loss, softmax_loss])
def test_second_derivative(loss):
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    s = torch.randn(2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y, mask=mask, reduction="none"), s)


@pytest.mark.parametrize("loss", [p_listmle_loss, unique_softmax_loss, listmle_loss])
def test_second_derivative_where_a_term_of_a_cumulative_sum_has_no_part(loss):
    # Padding and equal labels leave terms out; PyTorch's own second derivative is NaN there.
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (3, 6), generator=generator).double()
    labels[:, 0], labels[:, 1] = 2.0, 0.0
    mask = torch.arange(6) < torch.tensor([[6], [4], [2]])
    assert torch.autograd.gradgradcheck(lambda s: loss(s, labels, mask=mask) ** 2, (scores,))
