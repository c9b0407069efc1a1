"""Losses under Gumbel noise."""

from collections.abc import Callable

import torch
from torch import Tensor

from ._check import Reduction, check_function, check_positive, prepare


def gumbel(
    loss: Callable[..., Tensor], *, samples: int = 8, noise: float = 1.0, generator: torch.Generator
) -> Callable[..., Tensor]:
    r"""Average a loss over Gumbel noise on the scores: its expectation, by sampling.

        ℓ'(s, y) = 1/S Σ over the samples of  ℓ(s + β g, y),   g ~ Gumbel(0, 1)

    Sorting s + g with β = 1 draws from the Plackett-Luce model of s, so the loss is of a random
    ranking and every document is met near the top now and then. The samples are one call, with an
    axis in front. PyTorch's generators break the graph under `torch.compile`.

    Args:
        loss: `loss(scores, labels, *, mask, weights, reduction)`.
        samples: S.
        noise: β.
        generator: Where the noise comes from.

    Returns:
        A loss of the same signature.

    Raises:
        TypeError: A `loss` that cannot be called, a `generator` of another type.
        ValueError: A bad `samples` or `noise`.

    Examples:
        >>> import torch
        >>> from ltr_losses import approx_ndcg_loss
        >>> generator = torch.Generator().manual_seed(0)
        >>> loss = gumbel(approx_ndcg_loss, samples=16, generator=generator)
        >>> loss(torch.zeros(4, 3), torch.tensor([1.0, 0.0, 0.0]).expand(4, 3)).shape
        torch.Size([])

    References:
        S. Bruch, S. Han, M. Bendersky, M. Najork, "A stochastic treatment of learning to rank
        scoring functions", WSDM 2020.
    """
    check_function("loss", loss, "loss")
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ValueError(f"`samples` must be a positive int, got {samples!r}")
    check_positive("noise", noise, zero=True)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"`generator` must be a torch.Generator, got {type(generator).__name__}")

    def noisy(
        scores: Tensor,
        labels: Tensor,
        *,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        lists = prepare(scores, labels, mask, weights, reduction)
        s = scores.to(lists.scores.dtype)
        axes = len(lists.leading) + 1
        s = s.reshape((1,) * (axes - s.dim()) + s.shape)
        shape = (samples, *s.shape)
        uniform = torch.rand(shape, generator=generator, dtype=s.dtype, device=generator.device)
        tiny = torch.finfo(s.dtype).tiny
        exponential = (-torch.log(uniform.clamp(min=tiny))).clamp(min=tiny)
        g = -torch.log(exponential)
        perturbed = s + noise * g.to(s.device)
        return loss(perturbed, labels, mask=mask, weights=weights, reduction=reduction).mean(0)

    return noisy
