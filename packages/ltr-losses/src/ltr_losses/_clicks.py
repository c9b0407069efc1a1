"""Simulated clicks on a ranking."""

import torch
from torch import Tensor

from ._check import check_mask, check_tensor
from ._ranks import put_back, score_order, take


def _prepare(
    scores: Tensor, attraction: Tensor, mask: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the order of the ranking, and attraction and uniform noise in this order."""
    check_tensor("scores", scores)
    check_tensor("attraction", attraction, scores.shape[-1])
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"`generator` must be a torch.Generator, got {type(generator).__name__}")
    if mask is not None:
        check_mask(mask, scores.shape[-1])
    real = mask if mask is not None else torch.ones_like(scores, dtype=torch.bool)
    order = score_order(scores.detach(), real)
    chance = take(torch.where(real, attraction.to(scores.dtype), 0.0), order)
    noise = torch.rand(
        chance.shape, generator=generator, dtype=chance.dtype, device=generator.device
    )
    return order, chance, noise.to(chance.device)


def position_based_clicks(
    scores: Tensor,
    attraction: Tensor,
    propensity: Tensor,
    *,
    generator: torch.Generator,
    mask: Tensor | None = None,
) -> Tensor:
    r"""Clicks of the position-based model.

        P(click on i) = p(r_i) a_i

    A document is clicked when its position is looked at and it attracts, independently of all
    others.

    Args:
        scores: (..., list), which give the ranking; tied ones stand in the order of their index.
        attraction: (..., list), a, in 0..1: the chance of a click on a document that is looked at.
        propensity: (list,) or broadcasting to it, p at the positions 1, 2, ..., in 0..1.
        generator: Where the randomness comes from.
        mask: (..., list), bool, True at a real document.

    Returns:
        (..., list), 1 at clicked documents, else 0, in the order of the documents.

    Raises:
        TypeError: A wrong type.
        ValueError: Shapes that do not fit.

    Examples:
        >>> import torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> scores = torch.tensor([1.0, 3.0, 2.0])
        >>> position_based_clicks(
        ...     scores, torch.ones(3), torch.tensor([1.0, 1.0, 0.0]), generator=generator
        ... )
        tensor([0., 1., 1.])

    References:
        N. Craswell, O. Zoeter, M. Taylor, B. Ramsey, "An experimental comparison of click
        position-bias models", WSDM 2008.
    """
    order, chance, noise = _prepare(scores, attraction, mask, generator)
    check_tensor("propensity", propensity, scores.shape[-1], one=True)
    return put_back((noise < chance * propensity.to(chance.dtype)).to(chance.dtype), order)


def cascade_clicks(
    scores: Tensor,
    attraction: Tensor,
    *,
    satisfaction: float = 1.0,
    generator: torch.Generator,
    mask: Tensor | None = None,
) -> Tensor:
    r"""Clicks of the cascade model.

    A user reads from the top, clicks on document i with probability a_i, and after a click leaves
    with the probability `satisfaction`: with 1 the first click is the last.

    Args:
        scores: (..., list), which give the ranking; tied ones stand in the order of their index.
        attraction: (..., list), a, in 0..1.
        satisfaction: The chance of leaving after a click, in 0..1.
        generator: Where the randomness comes from.
        mask: (..., list), bool, True at a real document.

    Returns:
        (..., list), 1 at clicked documents, else 0, in the order of the documents.

    Raises:
        TypeError: A wrong type.
        ValueError: Shapes that do not fit, or a `satisfaction` outside 0..1.

    Examples:
        >>> import torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> cascade_clicks(torch.tensor([1.0, 3.0, 2.0]), torch.ones(3), generator=generator)
        tensor([0., 1., 0.])

    References:
        N. Craswell, O. Zoeter, M. Taylor, B. Ramsey, "An experimental comparison of click
        position-bias models", WSDM 2008; F. Guo, C. Liu, Y.-M. Wang, "Efficient multiple-click
        models in web search", WSDM 2009 (more than one click).
    """
    if not 0.0 <= satisfaction <= 1.0:
        raise ValueError(f"`satisfaction` must be in 0..1, got {satisfaction}")
    order, chance, noise = _prepare(scores, attraction, mask, generator)
    leave = torch.rand(
        chance.shape, generator=generator, dtype=chance.dtype, device=generator.device
    ).to(chance.device)
    would_click = noise < chance
    leaves = (would_click & (leave < satisfaction)).to(chance.dtype)
    still_there = leaves.cumsum(-1) - leaves == 0
    return put_back((would_click & still_there).to(chance.dtype), order)
