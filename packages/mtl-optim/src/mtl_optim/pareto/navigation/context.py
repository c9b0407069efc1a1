"""What every computation of a navigation needs."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ._points import Settings
from .objective import Objective, Values
from .wishes import Names


@dataclass(frozen=True, eq=False)
class Context:
    """What every computation of a navigation needs."""

    objective: Objective  # the losses
    # measures the metrics at θ (param,); None without metrics
    measure: Callable[[Tensor], Values] | None
    names: Names  # names of tasks and metrics
    settings: Settings  # how to compute
    tell: Callable[[str], None]  # is told what is being computed
