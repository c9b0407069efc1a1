"""Adam for a vector of a method's own."""

import torch
from torch import Tensor

from ._checks import check_non_negative_number, check_positive_number
from ._state import State


class Adam(State):
    """Adam with its state in buffers, so that `state_dict` of a method resumes it.

    Args:
        size: Length of the vector.
        lr: Learning rate, positive.
        weight_decay: Factor of the vector that is added to its gradient.

    Raises:
        ValueError: `lr` is not positive or `weight_decay` is negative.

    References:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, algorithm 1.
    """

    mean: Tensor
    square: Tensor
    steps: Tensor

    def __init__(self, size: int, *, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__()
        self.lr = check_positive_number("lr", lr)
        self.weight_decay = check_non_negative_number("weight_decay", weight_decay)
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("square", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def step(self, vector: Tensor, gradient: Tensor) -> Tensor:
        """Return the vector after a step."""
        gradient = gradient + self.weight_decay * vector
        self.steps = self.steps + 1
        self.mean = self.mean.to(gradient).lerp(gradient, 0.1)
        self.square = self.square.to(gradient).lerp(gradient**2, 0.001)
        steps = int(self.steps)
        mean, square = self.mean / (1 - 0.9**steps), self.square / (1 - 0.999**steps)
        return vector - self.lr * mean / (square.sqrt() + 1e-8)
