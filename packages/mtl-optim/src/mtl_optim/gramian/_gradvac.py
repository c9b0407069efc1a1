"""Gradient vaccine."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import Array, check_number, check_same_tasks
from .._per_task import Kept
from .._random import Randomness, random_orders
from .._solvers import meet, unit_diagonal


class GradVac(Randomness, GramianWeighting):
    """Turn each gradient towards those it is less aligned with than usual, and sum.

    For each task i, over j ≠ i in random order: where the cosine φ of the current g_i to g_j is
    below the target φ̂_ij, g_i gains the multiple of g_j that makes the cosine φ̂_ij,

        ‖g_i‖ (φ̂ √(1 − φ²) − φ √(1 − φ̂²)) / (‖g_j‖ √(1 − φ̂²)),

    and φ̂_ij ← (1 − β) φ̂_ij + β φ. With targets that stay 0 it is `PCGrad`.

    Weights: 1 each where all cosines reach their targets.

    Args:
        decay: β in [0, 1].
        generator: Draws the orders; None makes one with the default seed.

    Examples:
        >>> GradVac().weights(gramian=torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
        tensor([1.5000, 1.5000])

    References:
        Wang et al., Gradient Vaccine: Investigating and Improving Multi-task Optimization in
        Massively Multilingual Models, ICLR 2021, algorithm 1, all shared parameters as one group.
    """

    targets: Tensor
    per_task: ClassVar = {"targets": Kept(0.0)}

    def __init__(self, decay: float = 0.01, *, generator: torch.Generator | None = None) -> None:
        super().__init__(generator=generator)
        if not 0 <= check_number("decay", decay) <= 1:
            raise ValueError(f"`decay` must be in [0, 1], got {decay}")
        self.decay = decay
        self.register_buffer("targets", torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        tasks = len(gramian)
        if self.targets.numel() == 0:
            self.targets = torch.zeros_like(gramian)
        check_same_tasks(tasks, len(self.targets))
        targets = self.targets.to(gramian).clone().numpy()
        C, norms = unit_diagonal(gramian.numpy())
        moves, squares = norms > 0, np.ones(tasks)
        orders = random_orders(tasks, self.generator)
        rows = np.arange(tasks)[:, None]
        aims = targets[rows, orders].T.copy()  # by meeting

        def gain(turn: int, j: NDArray[np.int64], inner: Array) -> Array:
            """Turn to the targets, in unit gradients: the squared lengths are those of now."""
            size = np.sqrt(np.maximum(squares, 0.0))
            meets = moves & moves[j] & (size > 0)
            cos = np.maximum(np.minimum(inner / np.where(meets, size, 1.0), 1.0), -1.0)
            target = aims[turn].copy()
            turns = meets & (cos < target) & (target < 1)
            aims[turn] = target + np.where(meets, self.decay * (cos - target), 0.0)
            if np.count_nonzero(turns) == 0:
                return np.zeros(tasks)
            sine = np.sqrt(1 - np.where(turns, target, 0.0) ** 2)
            found = np.where(turns, target * np.sqrt(1 - cos**2) / sine - cos, 0.0) * size
            np.add(squares, found * (2 * inner + found), out=squares)
            return found

        V = meet(C, orders, gain)
        targets[rows, orders] = aims.T
        self.targets = torch.from_numpy(targets)
        return torch.from_numpy(np.where(moves, norms @ V / np.where(moves, norms, 1.0), 1.0))
