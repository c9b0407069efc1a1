"""What is measured and solved for at the current point, kept until it is left."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .around import Place, Surroundings
from .objective import Objective
from .points import Preview, Settings
from .sampling import Meter
from .stepping import Taken, descend, take
from .tangent import frame


class Whereabouts:
    """The current place and its surroundings, and what carries over from place to place.

    Args:
        objective: The losses.
        meter: The metrics, or None.
        settings: How to compute.
        tell: Told what is being computed.
    """

    def __init__(
        self,
        objective: Objective,
        meter: Meter | None,
        settings: Settings,
        tell: Callable[[str], None],
    ) -> None:
        self._objective = objective
        self._meter = meter
        self._settings = settings
        self._tell = tell
        self._place: Place | None = None
        self._around: Surroundings | None = None
        self._near: Tensor | None = None  # the last tangents: the next solve starts from them
        self._radius: float | None = None

    def jump(self) -> None:
        """Forgets the place, not what carries over."""
        self._place, self._around = None, None

    def place(self, theta: Tensor) -> Place:
        """What is measured at θ, which is where one is; measured again after a jump."""
        if self._place is None:
            with self._objective.unless_done(theta):
                values, J = self._objective.jacobian(theta)
                metrics = None if self._meter is None else self._meter.measure(theta)
                self._place = Place(theta, values, metrics, frame(values.means, J))
        return self._place

    def around(self, theta: Tensor) -> Surroundings:
        """What is known around θ; solved for once."""
        if self._around is None:
            with self._objective.unless_done(theta):
                self._around = Surroundings.explore(
                    self.place(theta),
                    self._objective,
                    self._meter,
                    self._settings,
                    self._near,
                    self._tell,
                )
            self._near = self._around.front.V
        return self._around

    def descend(self, theta: Tensor, corrections: int) -> Taken:
        """To the front from θ, where it is far."""
        taken = descend(
            self._objective, theta, self._settings, corrections, self._trust(theta), self._tell
        )
        self._arrive(taken)
        return taken

    def take(self, theta: Tensor, preview: Preview, tolerance: float) -> Taken:
        """A previewed step from θ; where it fails one is at θ still."""
        around = self.around(theta)
        self._tell("stepping")
        with self._objective.unless_done(theta):
            taken = take(
                self._objective,
                around,
                preview,
                self._settings,
                tolerance,
                self._trust(theta),
                self._tell,
            )
            self._arrive(taken)
        return taken

    def _arrive(self, taken: Taken) -> None:
        found = taken.found
        metrics = None if self._meter is None else self._meter.measure(found.theta)
        self._objective.write(found.theta)
        self._place = Place(found.theta, found.values, metrics, found.at)
        self._around, self._radius = None, found.radius

    def _trust(self, theta: Tensor) -> float:
        """The corrector's trust radius; at first a tenth of the parameters' norm."""
        if self._radius is None:
            self._radius = 0.1 * float(theta.norm()) or 1.0
        return self._radius
