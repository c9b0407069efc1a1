"""The self-normalised estimator."""

import torch
from torch import Tensor

from ._check import check_mask, check_tensor


def self_normalised(weights: Tensor, clicks: Tensor, *, mask: Tensor | None = None) -> Tensor:
    r"""Propensity weights whose clicked ones average to 1 over the batch.

        w'_i = w_i [y_i clicked] · C / Σ_j w_j [y_j clicked],   C the number of clicks

    Put in the place of w as the weights of a loss or a metric, they make it the self-normalised
    estimator: a little bias against much variance from a few large weights. Documents without a
    click keep w times the same factor.

    Args:
        weights: (batch, list) or with axes in front, 1 / propensity.
        clicks: (..., batch, list), above 0 at a clicked document.
        mask: (..., batch, list), bool, True at a real document.

    Returns:
        The weights, (..., batch, list), each of the leading axes normalised by itself; unchanged
        where nothing was clicked.

    Raises:
        TypeError: Something that is no tensor, or a `mask` that is not bool.
        ValueError: Shapes that do not fit.

    Examples:
        >>> import torch
        >>> self_normalised(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[1.0, 0.0, 1.0]]))
        tensor([[0.4000, 0.8000, 1.6000]])

    References:
        A. Swaminathan, T. Joachims, "The self-normalized estimator for counterfactual learning",
        NeurIPS 2015.
    """
    check_tensor("weights", weights)
    check_tensor("clicks", clicks, weights.shape[-1])
    if clicks.dim() < 2:
        raise ValueError(f"`clicks` must have a batch axis, got shape {tuple(clicks.shape)}")
    clicked = clicks > 0
    if mask is not None:
        check_mask(mask, weights.shape[-1])
        clicked = clicked & mask
    count = clicked.sum((-2, -1), keepdim=True)
    total = torch.where(clicked, weights, 0.0).sum((-2, -1), keepdim=True)
    factor = torch.where(total > 0, count / torch.where(total > 0, total, 1.0), 1.0)
    return weights * factor
