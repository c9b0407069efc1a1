"""Scale-invariant scalarization."""

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_not_negative
from .._preference import HoldsPreference


class ScaleInvariantScalarization(HoldsPreference, LossWeighting):
    """Minimise Σ r_k log L_k: w_k = r_k / L_k.

    The unit in which a loss is measured does not matter. A loss that has reached 0 has no gradient
    left and the weight 0.

    Weights: Σ w_k L_k = 1 over positive losses, so their sum has no fixed value.

    Args:
        preference: r (task,), on the simplex.

    Raises:
        ValueError: A loss is negative (the message names the task).

    Examples:
        >>> import torch
        >>> ScaleInvariantScalarization([0.5, 0.5]).weights(losses=torch.tensor([5.0, 1.0]))
        tensor([0.1000, 0.5000])

    References:
        The geometric loss strategy of Chennupati et al., MultiNet++, CVPR Workshops 2019, with a
        preference.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        r = self.preference_for(losses)
        check_not_negative(losses, type(self).__name__)
        return torch.where(losses > 0, r / losses, 0.0)
