"""What every computation of a navigation needs."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ._points import Settings
from .objective import Objective, Values
from .wishes import Names


@dataclass(frozen=True, eq=False)
class Context:
    """What every computation of a navigation needs.

    Attributes:
        objective: The losses.
        measure: Measures the metrics at θ (param,); None without metrics.
        names: Names of tasks and metrics.
        settings: How to compute.
        tell: Is told what is being computed.
    """

    objective: Objective
    measure: Callable[[Tensor], Values] | None
    names: Names
    settings: Settings
    tell: Callable[[str], None]
