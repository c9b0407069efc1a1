"""`reduction` as a function: values and counts from which every other reduction follows."""

import pytest
import torch

import ltr_losses
from ltr_losses import listnet_loss, ndcg, ranknet_loss

SCORES = torch.tensor([[0.3, -1.0, 2.0], [0.1, 0.2, 0.3], [1.0, 2.0, 0.0]])
LABELS = torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("function", [ranknet_loss, listnet_loss, ltr_losses.lambda_loss, ndcg])
def test_the_mean_of_two_shares_is_the_mean_of_both(function):
    """What processes that share a batch exchange: a sum and a count each."""
    labels = torch.stack([LABELS, LABELS.flip(0)])
    whole = function(SCORES, labels)

    def parts(values, counts):
        return torch.stack([values.sum(-1), counts.sum(-1).to(values.dtype)])

    shares = [function(SCORES[i], labels[:, i], reduction=parts) for i in (slice(1), slice(1, 3))]
    total, count = sum(shares)
    torch.testing.assert_close(total / count, whole)
