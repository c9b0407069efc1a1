"""Methods that look at the Gramian of the tasks' gradients."""

from ._aligned_mtl import AlignedMTL
from ._cagrad import CAGrad
from ._config import ConFIG
from ._dualproj import DualProj
from ._fairgrad import FairGrad
from ._gradnorm import GradNorm
from ._gradvac import GradVac
from ._imtlg import IMTLG
from ._mgda import MGDA
from ._nash_mtl import NashMTL
from ._pcgrad import PCGrad
from ._sdmgrad import SDMGrad
from ._upgrad import UPGrad

__all__ = [
    "IMTLG",
    "MGDA",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "FairGrad",
    "GradNorm",
    "GradVac",
    "NashMTL",
    "PCGrad",
    "SDMGrad",
    "UPGrad",
]
