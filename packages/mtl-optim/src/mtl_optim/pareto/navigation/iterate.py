"""What is measured and solved for at the current point, kept until the point is left."""

from torch import Tensor

from ._points import Preview
from .context import Context
from .corrector import Corrected
from .local_model import LocalModel, Place
from .objective import Values
from .stepping import Taken, descend, take
from .tangent import frame


class Iterate:
    """The current place, the local model around it, and what carries over from place to place."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._place: Place | None = None
        self._model: LocalModel | None = None
        self._near: Tensor | None = None  # the last tangents: the next solve starts from them
        self._radius: float | None = None

    def jump(self) -> None:
        """Forget the place, not what carries over."""
        self._place, self._model = None, None

    def place(self, theta: Tensor) -> Place:
        """Measure at θ, the current point; once, until a jump."""
        if self._place is None:
            with self._context.objective.unless_done(theta):
                here = self._context.objective.expand(theta)
                self._place = Place(here, self._metrics(theta), frame(here))
        return self._place

    def model(self, theta: Tensor) -> LocalModel:
        """Solve for the local model around θ; once, until a jump."""
        if self._model is None:
            with self._context.objective.unless_done(theta):
                self._model = LocalModel.explore(self._context, self.place(theta), self._near)
            self._near = self._model.front.V
        return self._model

    def descend(self, theta: Tensor, corrections: int) -> Taken:
        """Descend from θ to the front, where it is far."""
        found, message = descend(self._context, theta, corrections, self._trust(theta))
        self._arrive(found)
        return found, message

    def take(self, theta: Tensor, preview: Preview, tolerance: float) -> Taken:
        """Take a previewed step from θ; if it fails, the current point is still θ."""
        model = self.model(theta)
        self._context.tell("stepping")
        with self._context.objective.unless_done(theta):
            found, message = take(self._context, model, preview, tolerance, self._trust(theta))
            self._arrive(found)
        return found, message

    def _arrive(self, found: Corrected) -> None:
        metrics = self._metrics(found.here.theta)
        self._context.objective.write(found.here.theta)
        self._place = Place(found.here, metrics, found.at)
        self._model, self._radius = None, found.radius

    def _metrics(self, theta: Tensor) -> Values | None:
        measure = self._context.measure
        return None if measure is None else measure(theta)

    def _trust(self, theta: Tensor) -> float:
        """Return the corrector's trust radius; at first a tenth of the parameters' norm."""
        if self._radius is None:
            self._radius = 0.1 * float(theta.norm()) or 1.0
        return self._radius
