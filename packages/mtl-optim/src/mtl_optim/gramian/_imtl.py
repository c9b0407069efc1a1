"""IMTL: the whole of impartial multi-task learning."""

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_length
from ..losses_only._imtll import LossScales
from ._imtlg import impartial


class IMTL(LossScales, GramianWeighting):
    """IMTL, both halves: scales of the losses as in `IMTLL`, equal projections as in `IMTLG`.

    What DeepMTL2R calls `imtl` is `IMTLG` alone.

    The scales e^s minimise Σ e^(s_k) L_k − s_k, and α makes equal the projections of
    d = Σ α_k e^(s_k) g_k on all unit gradients. Give `method.parameters()` to an optimizer.

    Weights: α_k e^(s_k); the α sum to 1 as in `IMTLG`.

    Args:
        num_tasks: K.
        accumulation: Calls of `backward` per step of the optimizer.

    Raises:
        RuntimeError: The parameters received gradients and did not change.

    Examples:
        >>> IMTL(2).weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.6667, 0.3333])

    References:
        Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, section 3.3,
        algorithm 1.

    Note:
        In the paper the heads descend the scaled losses; here they get the plain gradients of their
        losses, as with every method.
    """

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        check_length("gramian", len(gramian), len(self.log_scales))
        scales = self.log_scales.detach().to(gramian).exp().numpy()
        return torch.from_numpy(scales * impartial(gramian.numpy() * np.outer(scales, scales)))
