"""Gradient sign dropout."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from .._bases import JacobianAggregator
from .._checks import check_length, check_tensor
from .._gradients import in_pieces
from .._per_task import Given
from .._preference import as_vector
from .._random import Randomness, uniforms

# Columns that pass at once: what is computed of them stays in the cache of a CPU core.
_WIDTH_CPU = 2**15


class GradDrop(Randomness, JacobianAggregator):
    """Let one sign pass per element, drawn by how much of the gradient has it.

    Per element p = ½ (1 + Σ_k g_k / Σ_k |g_k|) and u ~ U(0, 1): where p > u the positive entries
    pass, where p < u the negative ones. Task k leaks a part l_k past the mask,
    d = Σ_k (l_k + (1 − l_k) mask_k) g_k.

    With `shared=` the elements are those of the parameters. With `features=` they are the units of
    the features, as in the paper: the sign is that of g_k times the sign of the feature, summed
    over the batch (the first axis), so that one draw serves a unit in all samples.

    Direction: on average each element keeps a part of its sum over the tasks.

    Args:
        leak: l (task,), each in [0, 1]; None is 0.
        generator: Draws u; None makes one with the default seed.

    Examples:
        >>> GradDrop()(torch.tensor([[1.0, -2.0], [1.0, -1.0]]))      # the signs agree
        tensor([ 2., -3.])

    References:
        Chen et al., Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout,
        NeurIPS 2020, algorithm 1.
    """

    per_task: ClassVar = {"leak": Given()}

    def __init__(
        self, leak: Sequence[float] | None = None, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(generator=generator)
        self.leak = None if leak is None else as_vector("leak", leak)
        if self.leak is not None and not bool(((self.leak >= 0) & (self.leak <= 1)).all()):
            raise ValueError(f"`leak` must be in [0, 1], got {self.leak.tolist()}")

    def forward(self, jacobian: Tensor) -> Tensor:
        """Return the direction (param,) for the columns of the Jacobian (task, param)."""
        check_tensor("jacobian", jacobian)
        if jacobian.ndim != 2 or len(jacobian) == 0:
            found = tuple(jacobian.shape)
            raise ValueError(f"`jacobian` must have shape (task, param), got {found}")
        leaks, draw = self._leaks(len(jacobian)), uniforms(self.generator)
        direction = torch.empty_like(jacobian[0])
        width = _WIDTH_CPU if jacobian.device.type == "cpu" else jacobian.shape[1] or 1
        for J, d in zip(in_pieces(jacobian, width), in_pieces(direction, width), strict=True):
            positive, negative = _halves(J, [1.0] * len(J))
            sign = _sign(positive, negative, draw(len(d)))
            if any(leaks):
                positive, negative = _halves(J, [1 - leak for leak in leaks])
            torch.mul(positive, sign.relu(), out=d).addcmul_(negative, sign.neg_().relu_())
            for row, leak in zip(J, leaks, strict=True):
                if leak > 0:
                    d.add_(row, alpha=leak)
        return direction

    def at_features(self, jacobian: Tensor, features: Tensor) -> Tensor:
        """Return the direction (batch, *unit) for gradients (task, batch, *unit)."""
        if features.ndim == 0:  # one element, of no batch
            return self.direction(jacobian)
        leaks, summed = self._leaks(len(jacobian)), (jacobian * features.sign()).sum(dim=1)
        u = uniforms(self.generator)(summed[0].numel()).view(summed[0].shape)
        sign = _sign(*_halves(summed, [1.0] * len(summed)), u)
        direction = torch.zeros_like(jacobian[0])
        for row, total, leak in zip(jacobian, summed, leaks, strict=True):
            direction += torch.where(total * sign > 0, row, leak * row)
        return direction

    def _leaks(self, tasks: int) -> list[float]:
        if self.leak is None:
            return [0.0] * tasks
        check_length("leak", len(self.leak), tasks)
        leaks: list[float] = self.leak.tolist()
        return leaks


def _halves(rows: Tensor, weights: list[float]) -> tuple[Tensor, Tensor]:
    """Return Σ w_k g_k over the positive entries, and over the negative ones: (*element)."""
    positive, negative = torch.zeros_like(rows[0]), torch.zeros_like(rows[0])
    part = torch.empty_like(rows[0])
    for row, weight in zip(rows, weights, strict=True):
        positive.add_(torch.clamp(row, min=0, out=part), alpha=weight)
        negative.add_(torch.clamp(row, max=0, out=part), alpha=weight)
    return positive, negative


def _sign(positive: Tensor, negative: Tensor, u: Tensor) -> Tensor:
    """Return +1 where positive entries pass (p > u), −1 where negative ones do; u in (−1, 1)."""
    # p > u without the division, which has no meaning where all entries are 0.
    size = positive - negative
    return torch.addcmul(positive + negative, size, u.to(size), value=-1).sign_()
