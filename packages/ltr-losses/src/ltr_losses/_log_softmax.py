"""Softmax over the real documents of a list."""

import torch
from torch import Tensor


def log_softmax(x: Tensor, mask: Tensor) -> Tensor:
    """Compute log(exp x_i / Σ_j exp x_j) over the real documents; 0 at the padding."""
    # A finite floor: with -inf a list of padding alone would be 0/0.
    floor = torch.finfo(x.dtype).min
    return torch.where(mask, torch.where(mask, x, floor).log_softmax(-1), 0.0)


def softmax(x: Tensor, mask: Tensor) -> Tensor:
    """Compute exp x_i / Σ_j exp x_j over the real documents; 0 at the padding."""
    floor = torch.finfo(x.dtype).min
    return torch.where(mask, torch.where(mask, x, floor).softmax(-1), 0.0)
