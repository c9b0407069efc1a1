"""Methods that look at the Gramian and aim at the Pareto point of a preference."""

from ._epo import EPO
from ._wc_mgda import WCMGDA

__all__ = ["EPO", "WCMGDA"]
