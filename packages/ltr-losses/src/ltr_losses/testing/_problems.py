"""What the checks of losses and metrics share: problems, and comparisons."""

from typing import Protocol

import torch
from torch import Tensor


class Loss(Protocol):
    """What the checks call."""

    def __call__(
        self,
        scores: Tensor,
        labels: Tensor,
        *,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Compute the loss."""


TASKS, BATCH, LIST = 3, 5, 7


def problem(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Draw scores (batch, list), labels (task, batch, list) and a ragged mask (batch, list)."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(BATCH, LIST, generator=generator, dtype=dtype)
    labels = torch.randint(0, 5, (TASKS, BATCH, LIST), generator=generator).to(dtype)
    labels[..., 0], labels[..., 1] = 4.0, 0.0  # every list has something to teach
    lengths = torch.tensor([LIST, 4, 2, 6, 3])
    return scores, labels, torch.arange(LIST) < lengths.unsqueeze(-1)


def value_and_gradient(
    loss: Loss,
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> tuple[Tensor, Tensor]:
    scores = scores.detach().clone().requires_grad_()
    value = loss(scores, labels, mask=mask, weights=weights, reduction=reduction)
    (gradient,) = torch.autograd.grad(value.sum(), scores)
    return value.detach(), gradient


def same(actual: Tensor, expected: Tensor, what: str, *, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(
        actual, expected, rtol=tolerance, atol=tolerance, msg=lambda text: f"{what}: {text}"
    )


def finite(tensors: tuple[Tensor, ...], what: str) -> None:
    assert all(bool(t.isfinite().all()) for t in tensors), f"{what}: not finite: {tensors}"
