"""binary_listnet, p_listmle, unique_softmax, poly1_softmax and ordinal against their formulas."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from ltr_losses import (
    bce_loss,
    binary_listnet_loss,
    listmle_loss,
    ordinal_loss,
    p_listmle_loss,
    poly1_softmax_loss,
    softmax_loss,
    unique_softmax_loss,
)


def draw(seed, n):
    generator = torch.Generator().manual_seed(seed)
    s = torch.randn(n, generator=generator, dtype=torch.float64, requires_grad=True)
    return s, torch.randint(0, 4, (n,), generator=generator).double()


def same(actual, expected, s):
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, s, retain_graph=True)[0],
        torch.autograd.grad(expected, s, retain_graph=True)[0],
    )


def test_binary_listnet_formula():
    s = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([2.0, 0.0, 1.0])
    q = s.softmax(0)
    same(binary_listnet_loss(s, y), -(q[0].log() + q[2].log()) / 2.0, s)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(2, 8))
def test_unique_softmax_formula(seed, n):
    s, y = draw(seed, n)
    if len(y.unique()) == 1:
        assert unique_softmax_loss(s, y) == 0.0
        return
    expected = sum(
        (2.0 ** y[i] - 1.0)
        / 2.0 ** y.max()
        * (torch.logsumexp(torch.cat([s[i : i + 1], s[y < y[i]]]), 0) - s[i])
        for i in range(n)
    )
    same(unique_softmax_loss(s, y), expected, s)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(2, 8))
def test_p_listmle_formula(seed, n):
    s, _ = draw(seed, n)
    y = -torch.arange(float(n))
    alpha = 2.0 ** (n - torch.arange(1.0, n + 1, dtype=torch.float64)) - 1.0
    alpha = alpha / alpha.sum()
    expected = sum(alpha[i] * (torch.logsumexp(s[i:], 0) - s[i]) for i in range(n))
    same(p_listmle_loss(s, y), expected, s)


def test_p_listmle_of_a_long_list_is_about_its_top():
    s = torch.zeros(1000)
    y = -torch.arange(1000.0)
    # α is close to 1/2, 1/4, ..., and each term to log 1000.
    assert float(p_listmle_loss(s, y)) == pytest.approx(math.log(1000.0), rel=1e-3)
    assert float(listmle_loss(s, y)) == pytest.approx(math.lgamma(1001.0), rel=1e-4)


def test_poly1_softmax_formula():
    s, y = draw(0, 6)
    q = s.softmax(0)
    expected = -(y * q.log()).sum() + 2.0 * (1.0 - (y / y.sum() * q).sum())
    same(poly1_softmax_loss(s, y, epsilon=2.0), expected, s)
    same(poly1_softmax_loss(s, y, epsilon=0.0), softmax_loss(s, y), s)


def test_ordinal_with_thresholds_and_with_heads():
    s, y = draw(0, 6)
    theta = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    z = s - theta[:, None]
    target = (y >= torch.tensor([[1.0], [2.0], [3.0]])).double()
    expected = binary_cross_entropy_with_logits(z, target, reduction="sum") / 6.0
    same(ordinal_loss(s, y, thresholds=theta), expected, s)
    same(ordinal_loss(s, y, thresholds=[-1.0, 0.5, 2.0]), expected.clone(), s)
    torch.testing.assert_close(ordinal_loss(z, y), expected)
    loss = ordinal_loss(s, y, thresholds=theta)
    (gradient,) = torch.autograd.grad(loss, theta)
    torch.testing.assert_close(gradient, (target - z.sigmoid()).mean(1).detach())


def test_ordinal_heads_with_tasks_masks_and_weights():
    generator = torch.Generator().manual_seed(0)
    heads = torch.randn(2, 4, 3, 5, generator=generator)  # (task, batch, head, list)
    labels = torch.randint(0, 4, (2, 4, 5), generator=generator).float()
    mask = torch.rand(2, 4, 5, generator=generator) < 0.7
    weights = torch.rand(4, 5, generator=generator)
    each = ordinal_loss(heads, labels, mask=mask, weights=weights, reduction="none")
    assert each.shape == (2, 4)
    one = ordinal_loss(
        heads[1, 2][:, mask[1, 2]], labels[1, 2, mask[1, 2]], weights=weights[2, mask[1, 2]]
    )
    torch.testing.assert_close(each[1, 2], one)
    spoilt = heads.masked_fill(~mask.unsqueeze(-2), float("nan"))
    torch.testing.assert_close(
        ordinal_loss(spoilt, labels, mask=mask, weights=weights, reduction="none"), each
    )
    heads[0, 0, 1, :] = float("nan")
    assert ordinal_loss(heads, labels, mask=mask)[0].isnan()


def test_ordinal_of_binary_labels_is_bce_and_fractions_are_probabilities():
    s, _ = draw(0, 5)
    y = torch.tensor([0.0, 1.0, 0.25, 1.0, 0.0], dtype=torch.float64)
    same(ordinal_loss(s, y, thresholds=[0.0]), bce_loss(s, y), s)
    s2 = torch.zeros(1, dtype=torch.float64)
    half = ordinal_loss(s2, torch.tensor([1.5]), thresholds=[0.0, 1.0])
    torch.testing.assert_close(
        half, softplus(-s2[0]) + 0.5 * softplus(s2[0] - 1.0) + 0.5 * softplus(1.0 - s2[0])
    )


def test_ordinal_asks_for_heads_or_thresholds():
    with pytest.raises(ValueError, match=r"`scores` must be \(..., head, list\)"):
        ordinal_loss(torch.zeros(3), torch.zeros(3))
    with pytest.raises(ValueError, match="`thresholds` must be one per level"):
        ordinal_loss(torch.zeros(3), torch.zeros(3), thresholds=[])


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ((6, 17), (6, 17)),
        ((6, 17), (3, 6, 17)),  # of all tasks
        ((1, 6, 17), (1, 6, 17)),
        ((3, 1, 17), (3, 1, 17)),
        ((1, 17), (1, 17)),
    ],
)
def test_ordinal_refuses_a_batch_in_place_of_heads(scores, labels):
    s, y = torch.zeros(scores), torch.ones(labels)
    message = rf"`scores` must be \(..., head, list\) .* got {re.escape(str(scores))}"
    with pytest.raises(ValueError, match=message):
        ordinal_loss(s, y)
    # What was meant: one head, or thresholds.
    each = ordinal_loss(s.unsqueeze(-2), y, reduction="none")
    assert each.shape == y.shape[:-1]
    torch.testing.assert_close(ordinal_loss(s, y, thresholds=[0.0], reduction="none"), each)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ((4, 17), (17,)),
        ((4, 17), (2, 17)),  # tasks that share one list's heads
        ((1, 2, 17), (2, 17)),  # as many heads as tasks
        ((6, 6, 17), (6, 17)),
        ((6, 4, 17), (3, 6, 17)),
        ((6, 6, 17), (6, 6, 17)),  # as many tasks and heads as lists
        ((1, 4, 17), (3, 1, 17)),
        ((3, 6, 4, 17), (3, 6, 17)),
    ],
)
def test_ordinal_takes_heads_wherever_they_fit(scores, labels):
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(scores, generator=generator)
    y = torch.randint(0, 4, labels, generator=generator).float()
    expected = binary_cross_entropy_with_logits(
        *torch.broadcast_tensors(
            s, (y.unsqueeze(-2) - torch.arange(s.shape[-2])[:, None]).clamp(0.0, 1.0)
        ),
        reduction="none",
    )
    expected = expected.sum(-2).mean(-1)
    torch.testing.assert_close(ordinal_loss(s, y, reduction="none"), expected)


@pytest.mark.parametrize(
    "loss",
    [
        binary_listnet_loss,
        poly1_softmax_loss,
        lambda s, y, **k: ordinal_loss(s, y, thresholds=[0.0, 1.0], **k),
    ],
)
def test_second_derivative(loss):
    s = torch.randn(2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.tensor([[2.0, 0.0, 1.0, 1.0], [0.0, 3.0, 9.0, 9.0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    s.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y, mask=mask, reduction="none"), s)
