"""A walk along a Pareto front, one wish at a time."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from ..._checks import check_function, check_kind
from ..._preference import as_ideal, as_vector
from . import storage
from ._points import Cost, Local, Metrics, NavigationError, Point, Preview, Settings
from .context import Context
from .iterate import Iterate
from .local_model import LocalModel
from .objective import Losses, Objective
from .record import Origin, record
from .sampling import measure_metrics
from .stepping import Taken
from .tree import Tree
from .wishes import Names, as_wish

_SLACK = 5.0  # KKT residual of a point over that of the first: the same order


class ParetoNavigator:
    """Move a trained model along the Pareto front of its losses, as a person asks.

    At a Pareto point Jᵀα = 0: α is the normal of the front, and along the front αᵀ dL = 0. A wish
    becomes a change d of the losses with αᵀ d = 0; the change of the parameters v solves

        H v + Jᵀ dα = 0,  J v = d,  H = Σ α_k ∇²L_k

    by conjugate gradients on Hessian-vector products; a corrector leads back onto the front.
    Nothing is retrained. `preview` shows what a wish would bring before it is paid for.

    Args:
        model: Any module; between calls it carries the parameters of the current point.
        losses: `losses(model, data)` gives (task,), or (task, sample) to be averaged: then the
            standard errors over the samples are shown and respected. Twice differentiable. It is
            called in eval mode.
        data: What `losses` takes.
        metrics: Further quantities that wishes may name.
        tasks: Names of the losses; None is "task 0", "task 1", …
        curvature_data: A fixed sample for the Hessian-vector products; None is `data`.
        ideal: z (task,), the point that rays start from; None is 0.
        settings: How to compute.
        progress: Is told in a few words what is being computed.

    Raises:
        TypeError: An argument is of another type.
        ValueError: Names clash, or the model has nothing to train.

    Examples:
        Two goals for one number, t² and (1 − t)²; from the middle towards the first:

        >>> import torch
        >>> class Number(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.t = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        >>> def losses(model, data):
        ...     return torch.stack([model.t**2, (1 - model.t) ** 2])
        >>> nav = ParetoNavigator(Number(), losses, tasks=["low", "high"])
        >>> nav.start().alpha
        tensor([0.5000, 0.5000], dtype=torch.float64)
        >>> preview = nav.preview(improve="low", give_up={"high": 0.05})
        >>> preview.share, preview.change
        (1.0, tensor([-0.0450,  0.0500], dtype=torch.float64))
        >>> nav.step(preview).realised.round(decimals=3)
        tensor([-0.0450,  0.0490], dtype=torch.float64)

    References:
        Amakor, Sonntag and Peitz, Preference Pareto Exploration, arXiv 2606.19521, 2026, for
        predictor and corrector steps by Krylov methods along a decision maker's preference; the
        equations here are derived in docs/navigation-maths.md.
    """

    def __init__(
        self,
        model: nn.Module,
        losses: Losses,
        data: Any = None,
        metrics: Metrics | None = None,
        *,
        tasks: Sequence[str] | None = None,
        curvature_data: Any = None,
        ideal: Sequence[float] | Tensor | None = None,
        settings: Settings | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings = Settings() if settings is None else settings
        check_kind("settings", settings, Settings)
        self._names = names = Names(tasks, metrics)
        sample = data if curvature_data is None else curvature_data
        second_order = settings.second_order
        self._objective = objective = Objective(
            model, losses, data, sample, second_order=second_order
        )
        measure = None if metrics is None else partial(measure_metrics, objective, metrics, data)
        self._ideal = None if ideal is None else as_vector("ideal", ideal)
        tell = progress if progress is not None else lambda _: None
        check_function("progress", tell)
        self._context = Context(objective, measure, names, settings, tell)
        self._tree, self._iterate = Tree(), Iterate(self._context)

    # --- where one is

    @property
    def model(self) -> nn.Module:
        """The model, at the current point."""
        return self._objective.model

    @property
    def point(self) -> Point:
        """The current point.

        Raises:
            RuntimeError: `start` was not called.
        """
        return self._tree.current

    @property
    def points(self) -> tuple[Point, ...]:
        """All points visited, in order; `parent` makes them a tree."""
        return self._tree.points

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the losses; unknown before `start` unless they were given."""
        return self._names.tasks

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return self._names.metrics

    def parameters(self, point: Point | int | str | None = None) -> dict[str, Tensor]:
        """Copy the trainable parameters at a point, by name; None is the current point."""
        found = self.point if point is None else self._tree.find(point)
        return self._objective.as_named(self._tree.theta(found))

    # --- the walk

    def start(self, *, correct: bool = True) -> Point:
        """Measure the model where it is, and correct it first if it is far from the front.

        Where the relative KKT residual is above `settings.correct_above` the losses descend
        together, at constant differences, until it is not. Points visited before are forgotten.

        Args:
            correct: False begins where the model is, however far. From there the exchange rates are
                those of the nearest front, and steps leave the residual as it is.

        Raises:
            ValueError: A loss or gradient is not finite, or names do not fit.
            RuntimeError: The losses cannot be differentiated twice, or evaluating changes a buffer
                of the model.
        """
        self._context.tell("measuring the start")
        objective, iterate = self._objective, Iterate(self._context)
        before, theta = objective.cost, objective.read()
        with objective.unless_done(theta):
            self._names.fix_tasks(objective.begin(theta))
            taken = iterate.descend(theta, self.settings.start_corrections if correct else 0)
        self._tree, self._iterate = Tree(), iterate
        return self._record(taken, before)

    def local(self) -> Local:
        """Describe the front around the point: exchange rates, ends, curvature, slopes of metrics.

        The first call at a point solves for its K − 1 tangents; previews then cost nothing more.

        Raises:
            NavigationError: The curvature at the point is not finite.
            RuntimeError: The losses cannot be differentiated twice.
        """
        return self._model().local()

    def preview(
        self,
        *,
        improve: str | Mapping[str, float] | None = None,
        give_up: Mapping[str, float] | None = None,
        protect: Sequence[str] | None = None,
        change: Mapping[str, float] | None = None,
        direction: Sequence[float] | Tensor | None = None,
        toward: Sequence[float] | Tensor | None = None,
    ) -> Preview:
        """Predict what a wish brings, without training.

        A wish is one of `improve` (with `give_up` and `protect`), `change`, `direction`, `toward`.

        Args:
            improve: A task or metric to improve as far as possible, or amounts by name.
            give_up: Most that may be lost, by name.
            protect: What may lose nothing. None protects the tasks that are not named, unless the
                wish names metrics, or amounts without anything to give up. () protects nothing.
            change: Changes by name, exactly; the smallest move that has them is taken.
            direction: Change of the losses (task,), which is projected onto the front.
            toward: Losses above `ideal` (task,) in the wanted proportions.

        Raises:
            ValueError: A name is unknown or an amount not positive; not exactly one wish was made.
            TypeError: An amount is not a number.
        """
        wish = as_wish(
            self._names,
            improve=improve,
            give_up=give_up,
            protect=protect,
            change=change,
            direction=direction,
            toward=toward,
        )
        ideal = as_ideal(self._ideal, len(self.tasks))
        return self._model().preview(wish, self.point, ideal)

    def step(self, preview: Preview) -> Point:
        """Take a previewed move: predictor, step-size control, gain test, corrector.

        Args:
            preview: Made at the current point.

        Returns:
            The new point, with what was predicted and what was realised.

        Raises:
            TypeError: `preview` is not a Preview.
            NavigationError: The preview was refused or made elsewhere, or the move could not be
                realised. The model is where it was.
        """
        check_kind("preview", preview, Preview)
        if preview.point != self.point.id:
            raise NavigationError(
                f"`preview` was made at point {preview.point}, the current one is {self.point.id}"
            )
        if preview.refused is not None:
            raise NavigationError(preview.refused)
        if preview.share <= 0:
            raise NavigationError("; ".join(preview.messages) or "no part of the wish is feasible")
        model, before = self._model(), self._objective.cost
        tolerance = max(self.settings.tolerance, _SLACK * self.points[0].kkt)
        origin = Origin(self.point, model.place, preview)
        taken = self._iterate.take(model.place.here.theta, preview, tolerance)
        return self._record(taken, before - model.cost, origin)

    def undo(self) -> Point:
        """Go back to the point that the current one was reached from, bit for bit.

        The point that is left stays in the tree.

        Raises:
            NavigationError: The current point is a start.
        """
        return self.goto(self._tree.parent())

    def branch(self, name: str | None = None) -> Point:
        """Name the current point, so that `goto(name)` comes back to it.

        Args:
            name: None is "branch" with the point's number.

        Raises:
            TypeError: The name is not a string.
            ValueError: Another point has the name.
        """
        return self._tree.name(name)

    def goto(self, point: Point | int | str) -> Point:
        """Make a visited point the current one, bit for bit.

        Raises:
            ValueError: No point matches.
        """
        found = self._tree.find(point)
        self._objective.write(self._tree.theta(found))
        self._tree.goto(found)
        self._iterate.jump()
        return found

    # --- on disk

    def save(self, path: str | Path) -> None:
        """Write the navigation into a folder: manifest.json and one safetensors file per point.

        A folder that holds an earlier state of it is brought up to date; a kill in between leaves
        that state.

        Raises:
            ImportError: safetensors is not installed (`pip install mtl-optim[navigate]`).
            ValueError: The folder holds something else, or another navigation.
        """
        storage.save(path, self._tree, self._objective, self._names)

    @classmethod
    def load(
        cls,
        path: str | Path,
        model: nn.Module,
        losses: Losses,
        data: Any = None,
        metrics: Metrics | None = None,
        **arguments: Any,
    ) -> Self:
        """Open a saved navigation at the point where it was left.

        Args:
            path: The folder.
            model: A model with the same parameters; it gets those of the current point.
            losses: As in the constructor.
            data: The same data: the losses at the current point are measured and compared.
            metrics: As in the constructor.
            **arguments: The other arguments of the constructor.

        Raises:
            FileNotFoundError: The folder or one of its files is missing.
            ValueError: The files are damaged, or of another model, other tasks or other data; the
                message says what differs.
            ImportError: safetensors is not installed.
        """
        saved = storage.load(path)
        navigator = cls(model, losses, data, metrics, **{"tasks": saved.tasks, **arguments})
        storage.restore(saved, navigator._names, navigator._objective, navigator._tree)
        return navigator

    # --- inside

    def _model(self) -> LocalModel:
        return self._iterate.model(self._tree.theta(self.point))

    def _record(self, taken: Taken, before: Cost, origin: Origin | None = None) -> Point:
        """Record the place that was reached as a point."""
        found, message = taken
        theta, number = found.here.theta, self._tree.next_id
        place, cost = self._iterate.place(theta), self._objective.cost - before
        point = record(self._context, number, place, cost, message, origin)
        self._tree.add(point, theta)
        return point
