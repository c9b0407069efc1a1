"""Methods that look at the Gramian of the tasks' gradients."""

from ._cagrad import CAGrad
from ._imtlg import IMTLG
from ._mgda import MGDA
from ._nash_mtl import NashMTL
from ._pcgrad import PCGrad
from ._sdmgrad import SDMGrad
from ._upgrad import UPGrad

__all__ = ["IMTLG", "MGDA", "CAGrad", "NashMTL", "PCGrad", "SDMGrad", "UPGrad"]
