"""Methods that look at the Gramian of the tasks' gradients."""

from ._mgda import MGDA
from ._nash_mtl import NashMTL
from ._pcgrad import PCGrad

__all__ = ["MGDA", "NashMTL", "PCGrad"]
