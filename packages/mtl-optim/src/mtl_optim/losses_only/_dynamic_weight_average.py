"""Dynamic weight average."""

from typing import ClassVar

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_length, check_not_negative, check_number
from .._per_task import Kept


class DynamicWeightAverage(LossWeighting):
    """Weigh the tasks by how slowly their losses fall: w = K softmax(ρ / T).

    ρ_k is the mean loss of the last epoch over that of the epoch before. Call `end_epoch()` after
    each epoch; the weights are 1 until two have ended. A loss that stays 0 has ρ = 1, as any that
    does not change; those that rise from 0 share all the weight, the limit of the softmax.

    Weights: sum to K.

    Args:
        temperature: T > 0; a large one makes the weights even.

    Raises:
        ValueError: A mean loss that a ratio is taken of is negative.
        RuntimeError: `end_epoch` is called with no step since the last call.

    Examples:
        >>> method = DynamicWeightAverage()
        >>> for losses in ([1.0, 1.0], [0.5, 1.0]):
        ...     _ = method.weights(losses=torch.tensor(losses))
        ...     method.end_epoch()
        >>> method.weights(losses=torch.tensor([0.5, 1.0]))
        tensor([0.8756, 1.1244])

    References:
        Liu, Johns and Davison, End-to-End Multi-Task Learning with Attention, CVPR 2019,
        equation 7.
    """

    epoch_sum: Tensor
    epoch_steps: Tensor
    last: Tensor
    before: Tensor
    per_task: ClassVar = {
        "epoch_sum": Kept(0.0),
        "epoch_steps": Kept(0),
        "last": Kept(),
        "before": Kept(),
    }

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = check_number("temperature", temperature)
        if not self.temperature > 0:
            raise ValueError(f"`temperature` must be positive, got {temperature}")
        for name in ("epoch_sum", "last", "before"):
            self.register_buffer(name, torch.empty(0, dtype=torch.float64, device="cpu"))
        self.register_buffer("epoch_steps", torch.empty(0, dtype=torch.int64, device="cpu"))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        if self.epoch_sum.numel() == 0:
            self.epoch_sum = torch.zeros_like(losses)
            self.epoch_steps = torch.zeros(len(losses), dtype=torch.int64, device="cpu")
        check_length("losses", len(losses), len(self.epoch_sum))
        self.epoch_sum += losses.to(self.epoch_sum)
        self.epoch_steps += 1
        if self.before.numel() == 0:
            return torch.ones_like(losses)
        last, before = self.last.to(losses), self.before.to(losses)
        rises = (before == 0) & (last > 0)
        if bool(rises.any()):
            return len(losses) * rises / rises.sum()
        ratio = torch.where(before > 0, last / before, 1.0).nan_to_num(1.0)  # NaN: not seen twice
        return len(losses) * torch.softmax(ratio / self.temperature, dim=0)

    def end_epoch(self) -> None:
        """End the epoch of the steps since the last call."""
        if not bool((self.epoch_steps > 0).any()):
            raise RuntimeError("`end_epoch` needs at least one step since the last epoch's end")
        mean = self.epoch_sum / self.epoch_steps
        if self.last.numel() > 0:  # a task that was absent throughout keeps its last mean
            mean = torch.where(self.epoch_steps > 0, mean, self.last.to(mean))
        check_not_negative(mean, type(self).__name__)
        self.before, self.last = self.last, mean
        self.epoch_sum = torch.zeros_like(mean)
        self.epoch_steps.zero_()
