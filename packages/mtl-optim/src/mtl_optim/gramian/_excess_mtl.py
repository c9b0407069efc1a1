"""Task weights by excess risk."""

from typing import ClassVar

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_positive_number
from .._gradients import Rows, in_pieces, real_numbers
from .._per_task import Kept
from .._tracking import TrackedGradients

_WIDTH_CPU = 2**17  # elements at once


class ExcessMTL(TrackedGradients, GramianWeighting):
    """Weigh the tasks by how far they are from their optimum, rather than by their losses.

    The excess risk of a task is estimated by e_k = Σ g_k² / √s_k over the parameters, where s_k
    sums the squares g_k² of all steps (the diagonal of AdaGrad stands for the Hessian), relative to
    that of the first step. The weights grow with it: w_k ∝ w_k exp(η e_k). Noise in the labels,
    which no step removes, raises a loss but not the weight.

    Weights: sum to 1. Only with `shared=`: s takes as much memory as the K gradients.

    Args:
        step_size: η > 0.

    Raises:
        RuntimeError: `weights` is called without the gradients, which `backward` shows.

    Examples:
        >>> from mtl_optim import backward
        >>> x, method = torch.ones(2, requires_grad=True), ExcessMTL()
        >>> backward([x.sum(), 2 * x.sum()], method, shared=[x]).weights
        tensor([0.5000, 0.5000], dtype=torch.float64)

    References:
        He et al., Robust Multi-Task Learning with Excess Risks, ICML 2024, equations 6, 7 and 9.

    Note:
        The weights are even in the first step, whose estimate is the unit of the later ones.
    """

    log_weights: Tensor
    first_risks: Tensor
    per_task: ClassVar = {"log_weights": Kept(0.0), "first_risks": Kept()}

    def __init__(self, *, step_size: float = 0.01) -> None:
        super().__init__()
        self.step_size = check_positive_number("step_size", step_size)
        self.risks: Tensor | None = None
        for name in ("log_weights", "first_risks"):
            self.register_buffer(name, torch.empty(0, dtype=torch.float64, device="cpu"))

    def rate(self, step: int) -> float:
        """Return 1: s is a sum."""
        return 1.0

    @torch.no_grad()
    def track(self, jacobian: Rows, losses: Tensor, scale: float) -> Rows:
        """Add to the sums of squares; the gradients stay as they are."""
        if not self.admit(jacobian, scale):
            return jacobian
        risks = [torch.zeros((), dtype=torch.float64, device="cpu")] * len(jacobian)
        for k, row in enumerate(jacobian):
            for b, gradient in enumerate(row):
                if gradient is None or gradient.numel() == 0:
                    continue
                sums = self.averages[k][b]
                if sums is None:  # the least number, so that the root of no sum is 0
                    wide = torch.promote_types(gradient.dtype, torch.float32)
                    sums = torch.empty(gradient.shape, dtype=wide, device=gradient.device)
                    real_numbers(sums).fill_(torch.finfo(wide).tiny)
                    self.averages[k][b] = sums
                risks[k] = _add_squares(sums, gradient, scale) + risks[k].to(gradient.device)
        self.risks = torch.stack([risk.cpu() for risk in risks])
        return jacobian

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,) by the risks that `track` has seen."""
        risks, self.risks = self.risks, None
        if risks is None:
            raise RuntimeError("ExcessMTL needs the gradients: call `backward` with `shared=`")
        if self.first_risks.numel() == 0:
            self.first_risks, self.log_weights = risks, torch.zeros_like(risks)
        else:
            first = self.first_risks.to(risks)
            first = self.first_risks = torch.where(first.isnan(), risks, first)
            relative = torch.where(first > 0, risks / first, 0.0)
            self.log_weights = self.log_weights.to(risks) + self.step_size * relative
        return self.log_weights.softmax(dim=0)


def _add_squares(sums: Tensor, gradient: Tensor, scale: float) -> Tensor:
    """Add g² to s, and return Σ g² / √s, in pieces that stay in the cache of a CPU core."""
    sums, gradient = real_numbers(sums), real_numbers(gradient.to_dense())
    width = _WIDTH_CPU if sums.device.type == "cpu" else sums.numel() or 1
    pieces = zip(*(in_pieces(x.reshape(-1), width) for x in (sums, gradient)), strict=True)
    parts = []
    for s, g in pieces:
        g = g.to(s.dtype)
        square = g.square() if scale == 1 else (g / scale).square_()
        s += square
        parts.append(torch.dot(square, s.rsqrt()))
    return torch.stack(parts).sum(dtype=torch.float64)
