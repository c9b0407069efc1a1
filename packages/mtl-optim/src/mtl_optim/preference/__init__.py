"""Methods that walk to the Pareto point on a preference's ray."""

from ._cosmos import COSMOS
from ._epo import EPO
from ._pbi import PBI
from ._wc_mgda import WCMGDA

__all__ = [
    "COSMOS",
    "EPO",
    "PBI",
    "WCMGDA",
]
