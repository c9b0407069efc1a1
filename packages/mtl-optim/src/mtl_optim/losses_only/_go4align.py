"""Group optimization for multi-task alignment."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import Array, check_count, check_length, check_non_negative_number, check_positive
from .._per_task import Kept


class GO4Align(LossWeighting):
    """Give each group of tasks one weight: the mean of what its tasks would have.

    A task alone has p_k Σ_j L_j / L_k: the second factor makes the weighted losses equal, and the
    indicators p ∝ p exp(−η L) on the simplex shift them by the losses so far. The groups are those
    of k-means on these numbers, found anew at each step.

    Weights: equal within a group; Σ w_k = Σ_j L_j Σ_k p_k / L_k, which is K where the losses are
    equal.

    Args:
        num_groups: Number of groups; 1 gives all tasks one weight, K leaves each its own.
        step_size: η ≥ 0, in units of one over a loss.

    Raises:
        ValueError: A loss is not positive.

    Examples:
        >>> method = GO4Align(num_groups=2, step_size=0.0)
        >>> method.weights(losses=torch.tensor([1.0, 1.0, 4.0]))
        tensor([2.0000, 2.0000, 0.5000])

    References:
        Shen, Wang, Xiao, van Noord and Worring, GO4Align: Group Optimization for Multi-Task
        Alignment, NeurIPS 2024; the update of its released code.

    Note:
        k-means in one dimension is solved exactly, by dynamic programming, where the released code
        starts Lloyd's steps at random.
    """

    exponents: Tensor
    per_task: ClassVar = {"exponents": Kept(0.0)}

    def __init__(self, *, num_groups: int = 2, step_size: float = 1e-4) -> None:
        super().__init__()
        self.num_groups = check_count("num_groups", num_groups)
        self.step_size = check_non_negative_number("step_size", step_size)
        self.register_buffer("exponents", torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_positive(losses, type(self).__name__)
        if self.exponents.numel() == 0:
            self.exponents = torch.zeros_like(losses)
        check_length("losses", len(losses), len(self.exponents))
        self.exponents = self.exponents.to(losses) - self.step_size * losses
        alone = self.exponents.softmax(dim=0) * (losses.sum() / losses)
        return torch.from_numpy(_group_means(alone.numpy(), self.num_groups))


def _group_means(values: Array, groups: int) -> Array:
    """Replace each value by the mean of its group, for the groups of least squared distances.

    In one dimension the best groups are runs of the sorted values. With D(g, j) the least sum for
    the first j values in g runs, D(g, j) = min_i D(g − 1, i) + cost(i, j).

    References:
        Fisher, On grouping for maximum homogeneity, Journal of the American Statistical Association
        53, 1958.
    """
    order = values.argsort(kind="stable")
    x, tasks = values[order], len(values)
    ends = np.arange(tasks + 1)
    sums, squares = np.append(0.0, x.cumsum()), np.append(0.0, (x**2).cumsum())
    count = ends - ends[:, None]
    cost = squares - squares[:, None] - (sums - sums[:, None]) ** 2 / np.maximum(count, 1)
    cost = np.where(count > 0, np.maximum(cost, 0.0), np.inf)  # of x[i:j]
    least, starts = cost[0], [np.zeros_like(ends)]
    for _ in range(1, min(groups, tasks)):
        through = least[:, None] + cost
        starts.append(through.argmin(axis=0))
        least = through.min(axis=0)
    means, end = np.empty(tasks), tasks
    for start in reversed(starts):
        begin = int(start[end])
        means[order[begin:end]] = x[begin:end].mean()
        end = begin
    return means
