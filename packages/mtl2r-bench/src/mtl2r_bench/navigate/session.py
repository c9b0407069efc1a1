"""One person's navigation: the tree of visited points, wishes, steps and exports.

No user interface is known here; the terminal, JSON and the web page each hold a `Session`.
"""

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtl2r_models import Ranker
from mtl_optim.pareto import Local, Metrics, ParetoNavigator, Point, Preview, Settings

from .metric_cache import MetricCache, digest, paired_change
from .problem import Problem
from .saved import POINTS, check_saved, write_about
from .wishes import Wish

SETTINGS = Settings(correct_above=0.1)
"""With this KKT residual at the start the study's transformer predicted its steps as well as with
half of it, which takes about twice the products to reach."""


class Session:
    """A navigation along the front of a problem.

    Args:
        problem: The problem to navigate.
        navigator: Started or loaded, over a model of its own.
        measured: The navigator's metrics.

    Attributes:
        planned: The last preview, which `step` takes; None before a preview at this point.
    """

    def __init__(self, problem: Problem, navigator: ParetoNavigator, measured: MetricCache) -> None:
        self.problem = problem
        self.navigator = navigator
        self.planned: Preview | None = None
        self._measured = measured

    @classmethod
    def start(
        cls,
        problem: Problem,
        progress: Callable[[str], None] | None = None,
        *,
        correct: bool = True,
    ) -> Self:
        """Begin at the problem's ranker; if it is far from the front, move it there.

        `progress` receives what is being done.
        """
        model, measured = copy.deepcopy(problem.ranker.model), MetricCache(problem)
        navigator = ParetoNavigator(model, **_arguments(problem, measured, progress))
        session = cls(problem, navigator, measured)
        navigator.start(correct=correct)
        return session

    @classmethod
    def resume(
        cls, problem: Problem, folder: str | Path, progress: Callable[[str], None] | None = None
    ) -> Self:
        """Continue a saved navigation.

        Raises:
            FileNotFoundError: When there is no saved navigation.
            ValueError: When it is damaged, or one of another ranker, loss or sample.
        """
        check_saved(folder, problem)
        model, measured = copy.deepcopy(problem.ranker.model), MetricCache(problem)
        navigator = ParetoNavigator.load(
            Path(folder) / POINTS, model, **_arguments(problem, measured, progress)
        )
        return cls(problem, navigator, measured)

    def fork(self, progress: Callable[[str], None] | None = None) -> Self:
        """Begin an independent session at the current point."""
        with tempfile.TemporaryDirectory(prefix="mtl2r-") as folder:
            self.save(folder)
            other = type(self).resume(self.problem, folder, progress)
        other._measured.learn(self._measured)
        return other

    @property
    def point(self) -> Point:
        """The current point."""
        return self.navigator.point

    @property
    def points(self) -> tuple[Point, ...]:
        """All points visited, in the order of their ids."""
        return self.navigator.points

    @property
    def moved(self) -> bool:
        """Whether the first point is not the ranker as it was trained."""
        first = self.navigator.parameters(self.points[0])
        trained = dict(self.problem.ranker.model.named_parameters())
        return digest(first) != digest({name: trained[name] for name in first})

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know, in sentences."""
        trained = [other.metrics for other in self.problem.neighbours if other.own]
        if not trained or not self.moved:
            return self.problem.notes
        had = ", ".join(f"{x:.4f}" for x in trained[0])
        note = (
            f"Point {self.points[0].id} is the run's ranker, moved onto the front of "
            f"{self.problem.loss}. As it was trained it has {self.problem.metric} {had}; "
            "`--as-trained` begins there."
        )
        return (*self.problem.notes, note)

    def local(self) -> Local:
        """Compute the trade-offs at this point; takes seconds the first time."""
        return self.navigator.local()

    def preview(self, wish: Wish) -> Preview:
        """Predict what a step for a wish would change, without taking it.

        Raises:
            ValueError: For an unknown name or invalid number. An infeasible wish does not raise:
                its preview says so.
        """
        navigator = self.navigator
        names = navigator.tasks if wish.unit == "loss" else navigator.metric_names
        self.planned = navigator.preview(**wish.arguments(self.problem.tasks, names))
        return self.planned

    def step(self, wish: Wish | None = None) -> Preview:
        """Move to a new point, for a wish or for the last preview at this point.

        Returns:
            The preview that was taken; `point` is the new point.

        Raises:
            ValueError: When nothing was previewed, or the wish is refused; nothing has changed.
        """
        planned = self.planned if wish is None else self.preview(wish)
        if planned is None:
            raise ValueError(
                f"nothing to step to: say a wish first, such as: improve {self.problem.tasks[0]}"
            )
        self.navigator.step(planned)
        self.planned = None
        return planned

    def undo(self) -> Point:
        """Go back to the parent of the current point, bit for bit; the point left is kept.

        Raises:
            ValueError: At the first point.
        """
        point = self.navigator.undo()
        self.planned = None
        return point

    def go(self, point: int | str) -> Point:
        """Go to a visited point, by number or name; a step from there is a new branch.

        Raises:
            ValueError: When there is no such point.
        """
        found = self.navigator.goto(point)
        self.planned = None
        return found

    def name(self, name: str) -> Point:
        """Name the current point."""
        return self.navigator.branch(name)

    def gain(self, point: Point, since: Point) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the change (task,) of the validation metric and its standard error.

        They are paired over the validation queries: the error is that of the difference.
        """
        return paired_change(self._values(since), self._values(point))

    def export(self, folder: str | Path, point: Point | None = None) -> Path:
        """Write the ranker of a point, the current one by default, for `mtl2r-bench predict`.

        Raises:
            ValueError: When `folder` exists.
        """
        target = Path(folder)
        if target.exists():
            raise ValueError(f"`export` needs a new folder, {target} exists")
        chosen = self.point if point is None else point
        problem, origin = self.problem, self.problem.ranker
        metrics = np.nanmean(self._values(chosen), axis=-1).tolist()
        navigation = {
            "from run": problem.name,
            "loss": problem.loss,
            "point": chosen.id,
            "steps": self._depth(chosen),
            "weights": dict(zip(problem.tasks, chosen.alpha.tolist(), strict=True)),
        }
        named = dict(zip(problem.tasks, metrics, strict=True))
        target.parent.mkdir(parents=True, exist_ok=True)
        Ranker(
            self._model(chosen),
            transform=origin.transform,
            feature_ids=origin.feature_ids,
            feature_names=origin.feature_names,
            tasks=origin.tasks,
            metadata={
                **{name: v for name, v in origin.metadata.items() if name != "metrics"},
                "navigation": navigation,
                "metrics": {f"{problem.metric}, validation": named},
            },
        ).save(target)
        return target

    def save(self, folder: str | Path) -> Path:
        """Write the whole navigation for `resume`; a folder may be saved to again."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        write_about(target, self.problem)
        self.navigator.save(target / POINTS)
        return target

    def _model(self, point: Point) -> nn.Module:
        model = copy.deepcopy(self.problem.ranker.model)
        model.load_state_dict({**model.state_dict(), **self.navigator.parameters(point)})
        return model

    def _values(self, point: Point) -> NDArray[np.float64]:
        """Return the metric (task, query) of a point; measure it again after loading."""
        return self._measured(self._model(point))

    def _depth(self, point: Point) -> int:
        """Count the steps from the first point."""
        steps = 0
        while point.parent is not None:
            point, steps = self.points[point.parent], steps + 1
        return steps


def _arguments(
    problem: Problem, measured: MetricCache, progress: Callable[[str], None] | None
) -> dict[str, Any]:
    """Collect the arguments of a navigator, all but its model."""

    def losses(model: nn.Module, _: object) -> Tensor:
        return problem.losses(model)

    def measure(model: nn.Module, _: object) -> Tensor:
        return torch.from_numpy(measured(model))

    names = tuple(f"{problem.metric} {task}" for task in problem.tasks)
    return {
        "losses": losses,
        "metrics": Metrics(measure, names),
        "tasks": problem.tasks,
        "settings": SETTINGS,
        "progress": progress,
    }
