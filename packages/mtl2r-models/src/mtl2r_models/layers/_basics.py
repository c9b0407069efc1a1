"""Linear maps and dropout, as torch's but for their speed on the CPU."""

from torch import Tensor, nn

from .. import cpu
from ..checks import check_dropout


class Linear(nn.Linear):
    """`torch.nn.Linear` by `mtl2r_models.cpu.linear`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # its name in torch
        """Map the last axis."""
        return cpu.linear(input, self.weight, self.bias)


class Dropout(nn.Module):
    """Zeroing of elements in training, and scaling of the others, as `torch.nn.Dropout`.

    Args:
        probability: Of a zero, in [0, 1).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        check_dropout(probability)
        self.probability = probability

    @property
    def active(self) -> float:
        """The probability in training, and 0 in evaluation."""
        return self.probability if self.training else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return cpu.dropout(x, self.active)

    def added(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return ``residual + dropout(x)``."""
        return cpu.add_dropout(residual, x, self.active)

    def extra_repr(self) -> str:
        """Return the probability, for `repr`."""
        return f"probability={self.probability}"


class ReLUDropout(Dropout):
    """max(x, 0), then dropout."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return cpu.relu_dropout(x, self.active)
