"""Learning-rate annealing of physics-informed networks."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_below_one, check_same_tasks
from .._gradients import Rows, finite_rows
from .._main_task import HoldsMain
from .._per_task import Kept


class LearningRateAnnealing(HoldsMain, GramianWeighting):
    """Weigh the other gradients up, until their mean entries reach the main one's largest.

        w_main = 1,   w_k ← α w_k + (1 − α) max |g_main| / mean |g_k|

    The maximum and the mean are over the entries of all tensors in `shared`. The main task is the
    residual of an equation, whose gradient drowns those of the conditions at its border.

    Weights: 1 for the main task; those of others have no fixed sum and start at 1. A task whose
    gradient vanishes keeps its weight, as all do where the main task is absent. Only with
    `shared=`: the entries are not in the Gramian.

    Args:
        main: The task with weight 1.
        alpha: α in [0, 1).

    Raises:
        RuntimeError: `weights` is called without the gradients, which `backward` shows.

    Examples:
        >>> from mtl_optim import backward
        >>> x, method = torch.ones(2, requires_grad=True), LearningRateAnnealing()
        >>> backward([4 * x[0], x.sum()], method, shared=[x]).weights
        tensor([1.0000, 1.3000], dtype=torch.float64)

    References:
        Wang, Teng and Perdikaris, Understanding and Mitigating Gradient Flow Pathologies in
        Physics-Informed Neural Networks, SIAM Journal on Scientific Computing 43(5), 2021,
        algorithm 1.
    """

    scales: Tensor
    per_task: ClassVar = {"scales": Kept(1.0)}

    def __init__(self, *, main: int = 0, alpha: float = 0.9) -> None:
        super().__init__(main)
        self.alpha = check_below_one("alpha", alpha)
        self.ratios: Tensor | None = None
        self.register_buffer("scales", torch.empty(0, dtype=torch.float64, device="cpu"))

    @property
    def tracks(self) -> bool:
        """Always: `track` sees the entries."""
        return True

    @torch.no_grad()
    def track(self, jacobian: Rows, losses: Tensor, scale: float) -> Rows:
        """Measure max |g_main| / mean |g_k|; the gradients stay as they are."""
        self.check_main(len(jacobian))
        if self.scales.numel() == 0:
            self.scales = torch.ones(len(jacobian), dtype=torch.float64, device="cpu")
        check_same_tasks(len(jacobian), len(self.scales))
        self.ratios = self.scales.cpu()
        # Absent, or overflowed in a scaler, or not finite and refused later: the weights stay.
        if self.main is None or not bool(finite_rows(jacobian).all()):
            return jacobian
        largest = max(_sizes(jacobian[self.main], math.inf), default=0.0)
        entries = sum(
            next((g.numel() for g in block if g is not None), 0)
            for block in zip(*jacobian, strict=True)
        )
        totals = [sum(_sizes(row, 1)) for row in jacobian]
        sums = torch.tensor(totals, dtype=torch.float64, device="cpu")
        self.ratios = torch.where(sums > 0, largest * entries / sums, self.ratios)
        self.ratios[self.main] = 1.0
        return jacobian

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,) by the ratios that `track` has seen."""
        ratios, self.ratios = self.ratios, None
        if ratios is None:
            raise RuntimeError(
                "LearningRateAnnealing needs the gradients: call `backward` with `shared=`"
            )
        self.scales = self.alpha * self.scales.to(ratios) + (1 - self.alpha) * ratios
        return self.scales


def _sizes(row: list[Tensor | None], order: float) -> list[float]:
    """Return the 1-norm or the largest size of each block, without a copy of it."""
    blocks = [g for g in row if g is not None and g.numel() > 0]
    return [
        float(torch.linalg.vector_norm(g, order, dtype=torch.promote_types(g.dtype, torch.float32)))
        for g in blocks
    ]
