"""What every computation of a navigation needs."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .objective import Objective, Values
from .points import Settings
from .sampling import Meter
from .wishes import Names


@dataclass(frozen=True, eq=False)
class Context:
    """What every computation of a navigation needs.

    Attributes:
        objective: The losses.
        meter: The metrics, or None.
        names: Names of tasks and metrics.
        settings: How to compute.
        tell: Is told what is being computed.
    """

    objective: Objective
    meter: Meter | None
    names: Names
    settings: Settings
    tell: Callable[[str], None]

    def measure(self, theta: Tensor) -> Values | None:
        """Measure the metrics at θ (param,); None without metrics."""
        return None if self.meter is None else self.meter.measure(theta)
