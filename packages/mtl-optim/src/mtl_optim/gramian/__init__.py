"""Methods that look at the Gramian of the tasks' gradients."""

from ._mgda import MGDA
from ._nash_mtl import NashMTL
from ._pcgrad import PCGrad
from ._upgrad import UPGrad

__all__ = ["MGDA", "NashMTL", "PCGrad", "UPGrad"]
