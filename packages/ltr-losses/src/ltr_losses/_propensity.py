"""Propensities: the chance that a document at a position is looked at."""

import torch
from torch import Tensor

from ._check import check_positive


def power_law_propensity(positions: Tensor, *, eta: float = 1.0) -> Tensor:
    r"""Power-law examination: it falls with the position.

        p(r) = r^(−η)

    Args:
        positions: Any shape, from 1.
        eta: η; 0: every position is looked at.

    Returns:
        The propensities, in the shape of the positions; 1 over them are the weights of clicks in a
        loss or a metric. NaN at positions below 1.

    Raises:
        TypeError: Positions that are no tensor.
        ValueError: A bad `eta`.

    Examples:
        >>> import torch
        >>> power_law_propensity(torch.tensor([1.0, 2.0, 4.0]))
        tensor([1.0000, 0.5000, 0.2500])

    References:
        T. Joachims, A. Swaminathan, T. Schnabel, "Unbiased learning-to-rank with biased feedback",
        WSDM 2017.
    """
    if not isinstance(positions, Tensor):
        raise TypeError(f"`positions` must be a tensor, got {type(positions).__name__}")
    check_positive("eta", eta, zero=True)
    r = positions if positions.is_floating_point() else positions.to(torch.float32)
    return torch.where(r >= 1.0, r**-eta, float("nan"))


def propensity_from_counts(clicks: Tensor, shown: Tensor) -> Tensor:
    r"""Relative examination: to that of the first position, from counts of a randomised ranking.

        p(r) = (clicks_r / shown_r) / (clicks_1 / shown_1)

    Where documents are shuffled before they are shown, each position meets the same documents, and
    the click rates differ by examination alone.

    Args:
        clicks: (..., position), clicks at each position.
        shown: (..., position), how often something was shown there.

    Returns:
        (..., position); NaN where nothing was shown, there or at the first position, or where that
        was never clicked.

    Raises:
        TypeError: Something that is no tensor.
        ValueError: Shapes that differ.

    Examples:
        >>> import torch
        >>> propensity_from_counts(torch.tensor([40, 10]), torch.tensor([100, 50]))
        tensor([1.0000, 0.5000])

    References:
        T. Joachims, A. Swaminathan, T. Schnabel, "Unbiased learning-to-rank with biased feedback",
        WSDM 2017, section 5 (there by swaps).
    """
    for name, value in (("clicks", clicks), ("shown", shown)):
        if not isinstance(value, Tensor):
            raise TypeError(f"`{name}` must be a tensor, got {type(value).__name__}")
    if clicks.shape != shown.shape or clicks.dim() == 0:
        raise ValueError(
            "`clicks` must have the shape of `shown`, (..., position), got "
            f"{tuple(clicks.shape)} and {tuple(shown.shape)}"
        )
    dtype = clicks.dtype if clicks.is_floating_point() else torch.float32
    # Clicks where nothing was shown are a mistake of the counts, not an infinite rate.
    rate = torch.where(shown > 0, clicks.to(dtype) / shown.to(dtype), float("nan"))
    first = rate[..., :1]
    return torch.where(first > 0, rate / torch.where(first > 0, first, 1.0), float("nan"))
