"""Linear scalarization with a cosine penalty."""

from collections.abc import Sequence

from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_non_negative_number
from .._preference import HoldsPreference


class COSMOS(HoldsPreference, LossWeighting):
    """Minimise Σ r_k L_k − λ cos(r, L): losses in proportion to r, where λ is large.

    The penalty is that of models conditioned on a preference, which would else learn the middle of
    the front for all of them. It asks for L along r itself, while Chebyshev's ray is 1/r.

    Weights: r − λ (r / ‖r‖ − cos(r, L) L / ‖L‖) / ‖L‖; they may be negative, and where L lies along
    r they sum to 1.

    Args:
        preference: r (task,), on the simplex.
        penalty: λ ≥ 0; 0 is `LinearScalarization`.

    Examples:
        >>> import torch
        >>> COSMOS([0.5, 0.5], penalty=1.0).weights(losses=torch.tensor([2.0, 2.0]))
        tensor([0.5000, 0.5000])

    References:
        Ruchte and Grabocka, Scalable Pareto Front Approximation for Deep Multi-Objective Learning,
        ICDM 2021.
    """

    def __init__(self, preference: Sequence[float] | Tensor, *, penalty: float = 1.0) -> None:
        super().__init__(preference)
        self.penalty = check_non_negative_number("penalty", penalty)

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        r = self.preference_for(losses)
        length = losses.norm()
        if float(length) == 0:  # no angle
            return r
        unit, along = r / r.norm(), losses / length
        slope = (unit - (unit @ along) * along) / length
        weights: Tensor = r - self.penalty * slope
        return weights
