"""Solvers for programs in K variables.

They work in float64 on the unit-diagonal Gramian, so that no threshold depends on the norms.
"""

from ._dual_cone import project_onto_dual_cone
from ._min_norm import min_norm_point
from ._nash import nash_bargaining
from ._nnls import nnls
from ._unit_diagonal import unit_diagonal

__all__ = [
    "min_norm_point",
    "nash_bargaining",
    "nnls",
    "project_onto_dual_cone",
    "unit_diagonal",
]
