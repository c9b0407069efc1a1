"""Solvers for programs in K variables.

They take the Gramian G (task, task), positive semi-definite up to rounding, and work in float64 on
its cosines, so that no threshold depends on the norms.
"""

from ._align import align
from ._ball_minimax import ball_minimax
from ._cosines import eigen, unit_diagonal
from ._dual_cone import project_onto_dual_cone
from ._equal_cosines import equal_cosines
from ._fair import alpha_fair
from ._half_spaces import project_onto_half_spaces
from ._meetings import meet
from ._min_norm import min_norm_point
from ._nash import nash_bargaining
from ._nnls import nnls, project_onto_simplex

__all__ = [
    "align",
    "alpha_fair",
    "ball_minimax",
    "eigen",
    "equal_cosines",
    "meet",
    "min_norm_point",
    "nash_bargaining",
    "nnls",
    "project_onto_dual_cone",
    "project_onto_half_spaces",
    "project_onto_simplex",
    "unit_diagonal",
]
