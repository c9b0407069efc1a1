"""Projecting conflicting gradients."""

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._random import Randomness, random_orders
from .._solvers import meet


class PCGrad(Randomness, GramianWeighting):
    """Take from each gradient its parts along those it conflicts with, and sum.

    For each task i, over j ≠ i in random order: where ⟨g_i, g_j⟩ < 0, g_i loses its part along
    g_j. Each result is a combination Σ_k V_ik g_k of the originals, so the method is a weighting,
    w = Vᵀ 1, found on G alone, for all i at once.

    Without a conflict d = Σ g_k. With two tasks d conflicts with neither; with more it may.

    Weights: 1 each without a conflict, and more where gradients are projected.

    Args:
        generator: Draws the orders; None makes one with the default seed.

    Examples:
        >>> PCGrad().weights(gramian=torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
        tensor([1.5000, 1.5000])

    References:
        Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020, algorithm 1.
    """

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        if len(gramian) == 2:  # one order
            (one, inner), (_, other) = gramian.tolist()
            lost = [inner / square if inner < 0 < square else 0.0 for square in (one, other)]
            return torch.from_numpy(np.array([1 - lost[0], 1 - lost[1]]))
        orders = random_orders(len(gramian), self.generator)
        squares = gramian.numpy().diagonal()
        squares = np.where(squares > 0, squares, np.inf)
        V = meet(gramian.numpy(), orders, lambda _, j, inner: -np.minimum(inner, 0.0) / squares[j])
        return torch.from_numpy(V.sum(axis=0))
