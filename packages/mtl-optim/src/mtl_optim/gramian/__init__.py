"""Methods that look at the Gramian of the tasks' gradients."""

from ._aligned_mtl import AlignedMTL
from ._cagrad import CAGrad
from ._config import ConFIG
from ._db_mtl import DBMTL
from ._dualproj import DualProj
from ._epo import EPO
from ._excess_mtl import ExcessMTL
from ._fairgrad import FairGrad
from ._ferero import FERERO
from ._gradnorm import GradNorm
from ._gradvac import GradVac
from ._guard_rails import GuardRails
from ._imtl import IMTL
from ._imtlg import IMTLG
from ._learning_rate_annealing import LearningRateAnnealing
from ._mgda import MGDA
from ._moco import MoCo
from ._modo import MoDo
from ._momentum_config import MomentumConFIG
from ._nash_mtl import NashMTL
from ._norm_balance import NormBalance
from ._pcgrad import PCGrad
from ._sdmgrad import SDMGrad
from ._upgrad import UPGrad
from ._wc_mgda import WCMGDA

__all__ = [
    "DBMTL",
    "EPO",
    "FERERO",
    "IMTL",
    "IMTLG",
    "MGDA",
    "WCMGDA",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "ExcessMTL",
    "FairGrad",
    "GradNorm",
    "GradVac",
    "GuardRails",
    "LearningRateAnnealing",
    "MoCo",
    "MoDo",
    "MomentumConFIG",
    "NashMTL",
    "NormBalance",
    "PCGrad",
    "SDMGrad",
    "UPGrad",
]
