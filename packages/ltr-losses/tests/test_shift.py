"""A constant added to the scores of a list changes no loss but those of single documents."""

import pytest
import torch

from ltr_losses import (
    approx_mrr_loss,
    approx_ndcg_loss,
    binary_listnet_loss,
    lambda_loss,
    listmle_loss,
    listnet_loss,
    neural_ndcg_loss,
    p_listmle_loss,
    pairwise_hinge_loss,
    pairwise_mse_loss,
    pairwise_quantile_loss,
    poly1_softmax_loss,
    ranknet_loss,
    softmax_loss,
    unique_softmax_loss,
)


@pytest.mark.parametrize("shift", [1e3, 1e5, -1e5])
@pytest.mark.parametrize(
    "loss",
    [
        approx_mrr_loss,
        approx_ndcg_loss,
        binary_listnet_loss,
        lambda_loss,
        listmle_loss,
        listnet_loss,
        neural_ndcg_loss,
        p_listmle_loss,
        pairwise_hinge_loss,
        pairwise_mse_loss,
        pairwise_quantile_loss,
        poly1_softmax_loss,
        ranknet_loss,
        softmax_loss,
        unique_softmax_loss,
    ],
)
def test_a_shift_of_the_scores_changes_nothing_in_float32(loss, shift):
    generator = torch.Generator().manual_seed(0)
    # Multiples of 1/64 stay exact beside 1e5, so that nothing is lost before the loss.
    scores = (64 * torch.randn(4, 12, generator=generator)).round() / 64
    labels = torch.randint(0, 5, (3, 4, 12), generator=generator).float()
    labels[..., 0], labels[..., 1] = 0.0, 4.0
    mask = torch.arange(12) < torch.tensor([[12], [7], [3], [2]])
    found = []
    for s in (scores.double(), scores + shift * torch.tensor([[1.0], [0.5], [-1.0], [0.0]])):
        s = s.requires_grad_()
        value = loss(s, labels, mask=mask, reduction="none")
        (gradient,) = torch.autograd.grad(value.sum(), s)
        found.append((value.double(), gradient.double()))
    torch.testing.assert_close(found[1], found[0], rtol=2e-5, atol=1e-5)
