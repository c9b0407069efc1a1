"""listnet_loss against its formula."""

import math

import pytest
import torch

from ltr_losses import listnet_loss


def test_formula():
    generator = torch.Generator().manual_seed(0)
    s, y = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    p = y.exp() / y.exp().sum()
    q = s.exp() / s.exp().sum()
    torch.testing.assert_close(listnet_loss(s, y), -(p * q.log()).sum())


def test_gradient_is_the_difference_of_the_probabilities():
    generator = torch.Generator().manual_seed(0)
    s, y = torch.randn(2, 4, 6, generator=generator, dtype=torch.float64)
    s.requires_grad_()
    (gradient,) = torch.autograd.grad(listnet_loss(s, y, reduction="sum"), s)
    torch.testing.assert_close(gradient, (s.softmax(-1) - y.softmax(-1)).detach())


def test_least_at_the_labels_where_it_is_their_entropy():
    y = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    p = y.softmax(-1)
    torch.testing.assert_close(listnet_loss(y + 5.0, y), -(p * p.log()).sum())
    assert listnet_loss(y.flip(-1), y) > listnet_loss(y, y)


def test_equal_labels_ask_for_equal_scores():
    zeros = torch.zeros(2, 4, requires_grad=True)
    loss = listnet_loss(zeros, torch.zeros(2, 4))
    assert loss.item() == pytest.approx(math.log(4.0))
    (gradient,) = torch.autograd.grad(loss, zeros)
    torch.testing.assert_close(gradient, torch.zeros(2, 4))


def test_a_single_document_is_not_counted():
    mask = torch.tensor([[True, True], [True, False]])
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    labels = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(
        listnet_loss(scores, labels, mask=mask), listnet_loss(scores[0], labels[0])
    )


def test_second_derivative():
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    s = torch.randn(2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])

    def loss(scores):
        return listnet_loss(scores, y, mask=mask, reduction="none")

    assert torch.autograd.gradgradcheck(loss, s)


def test_large_labels_are_finite():
    loss = listnet_loss(torch.zeros(3), torch.tensor([30000.0, 255.0, 0.0]))
    assert float(loss) == pytest.approx(math.log(3.0))
