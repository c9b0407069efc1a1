"""One person's navigation: the tree of visited points, wishes, steps, and what leaves it.

No user interface is known here; the terminal, JSON and the web page each hold a `Session`.
"""

import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltr_data.files import atomic_write
from mtl2r_models import Ranker
from mtl_optim.pareto import Local, Metrics, ParetoNavigator, Point, Preview, Settings

from .measured import Measured, digest, paired_change
from .problem import Problem
from .wishes import Unit, Wish

ABOUT, POINTS = "session.json", "points"
FORMAT = "mtl2r-navigation"

SETTINGS = Settings(correct_above=0.1)
"""From a start with that KKT residual the study's transformer took its steps as closely as from one
with half of it, which takes about twice the products to reach."""


class Session:
    """A navigation along the front of a problem.

    Args:
        problem: What is navigated.
        navigator: Over a model of its own; started or loaded.
        measured: Measures the navigator's metrics.

    Attributes:
        planned: The last preview, which `step` takes; None where there is none at this point.
    """

    def __init__(
        self,
        problem: Problem,
        navigator: ParetoNavigator,
        measured: Measured | None = None,
    ) -> None:
        self.problem = problem
        self.navigator = navigator
        self.planned: Preview | None = None
        self._measured = Measured(problem) if measured is None else measured

    @classmethod
    def start(
        cls,
        problem: Problem,
        progress: Callable[[str], None] | None = None,
        *,
        correct: bool = True,
    ) -> Self:
        """Begins at the problem's ranker; where it is far from the front, it is moved there.

        Args:
            problem: What is navigated.
            progress: Told what is being done.
            correct: False begins at the ranker as it is, however far.
        """
        model, measured = copy.deepcopy(problem.ranker.model), Measured(problem)
        navigator = ParetoNavigator(model, **_arguments(problem, measured, progress))
        session = cls(problem, navigator, measured)
        navigator.start(correct=correct)
        return session

    @classmethod
    def resume(
        cls,
        problem: Problem,
        folder: str | Path,
        progress: Callable[[str], None] | None = None,
    ) -> Self:
        """Goes on from what `save` wrote.

        Raises:
            FileNotFoundError: When there is no saved navigation.
            ValueError: When it is damaged, or one of another ranker, loss or sample.
        """
        saved, here = about(folder), _about(problem)
        for key, value in here.items():
            if key != "run" and saved.get(key) != value:  # a run's folder may have been renamed
                raise ValueError(
                    f"{folder}: a navigation with another {key.replace('_', ' ')}: "
                    f"{saved.get(key)!r} there, {value!r} here"
                )
        model, measured = copy.deepcopy(problem.ranker.model), Measured(problem)
        navigator = ParetoNavigator.load(
            Path(folder) / POINTS, model, **_arguments(problem, measured, progress)
        )
        return cls(problem, navigator, measured)

    def fork(self, progress: Callable[[str], None] | None = None) -> Self:
        """A session of its own that begins where this one stands; neither sees the other."""
        with tempfile.TemporaryDirectory(prefix="mtl2r-") as folder:
            self.save(folder)
            other = type(self).resume(self.problem, folder, progress)
        other._measured.learn(self._measured)
        return other

    @property
    def point(self) -> Point:
        """Where the navigation stands."""
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
        """The trade-offs here; takes seconds the first time at a point."""
        return self.navigator.local()

    def preview(self, wish: Wish) -> Preview:
        """What a step for a wish would change; nothing is changed.

        Raises:
            ValueError: For a name or a number that makes no sense; an infeasible wish does not
                raise, its preview says so.
        """
        self.planned = self.navigator.preview(**self._arguments(wish))
        return self.planned

    def step(self, wish: Wish | None = None) -> Preview:
        """Moves to a new point, for a wish or for the last preview at this point.

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
        """Back to the parent of the current point, bit for bit; the point left is kept.

        Raises:
            ValueError: At the first point.
        """
        point = self.navigator.undo()
        self.planned = None
        return point

    def go(self, point: int | str) -> Point:
        """To a visited point, by its number or its name; a step from there is a new branch.

        Raises:
            ValueError: When there is no such point.
        """
        found = self.navigator.goto(point)
        self.planned = None
        return found

    def name(self, name: str) -> Point:
        """Names the current point."""
        return self.navigator.branch(name)

    def gain(self, point: Point, since: Point) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(task,) change of the validation metric between two points, and its standard error.

        Both are paired over the validation queries, so the error is that of the difference.
        """
        return paired_change(self._values(since), self._values(point))

    def export(self, folder: str | Path, point: Point | None = None) -> Path:
        """Writes the ranker of a point, the current one by default, for `mtl2r-bench predict`.

        Raises:
            ValueError: When there is something at `folder` already.
        """
        target = Path(folder)
        if target.exists():
            raise ValueError(f"`export` needs a new folder, {target} exists")
        chosen = self.point if point is None else point
        model = copy.deepcopy(self.problem.ranker.model)
        model.load_state_dict({**model.state_dict(), **self.navigator.parameters(chosen)})
        origin = self.problem.ranker
        metadata = {name: v for name, v in origin.metadata.items() if name != "metrics"}
        metrics = np.nanmean(self._values(chosen), axis=-1).tolist()
        target.parent.mkdir(parents=True, exist_ok=True)
        Ranker(
            model,
            transform=origin.transform,
            feature_ids=origin.feature_ids,
            feature_names=origin.feature_names,
            tasks=origin.tasks,
            metadata={
                **metadata,
                "navigation": {
                    "from run": self.problem.name,
                    "loss": self.problem.loss,
                    "point": chosen.id,
                    "steps": len(self._path(chosen)) - 1,
                    "weights": dict(zip(self.problem.tasks, chosen.alpha.tolist(), strict=True)),
                },
                "metrics": {
                    f"{self.problem.metric}, validation": dict(
                        zip(self.problem.tasks, metrics, strict=True)
                    )
                },
            },
        ).save(target)
        return target

    def save(self, folder: str | Path) -> Path:
        """Writes the whole navigation, to go on with `resume`; a folder may be saved to again."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        with atomic_write(target / ABOUT) as file:
            file.write((json.dumps(_about(self.problem), indent=2) + "\n").encode())
        self.navigator.save(target / POINTS)
        return target

    def _arguments(self, wish: Wish) -> dict[str, Any]:
        """A wish as the arguments of the navigator's preview."""
        wish.check(self.problem.tasks)
        if wish.toward is not None:
            shares = [wish.toward[task] for task in self.problem.tasks]
            return {"toward": torch.tensor(shares, dtype=torch.float64)}
        named = self._named(wish.unit)
        if wish.change is not None:
            return {"change": {named[task]: by for task, by in wish.change.items()}}
        if wish.improve is None:
            raise ValueError("the wish is empty: expected improve, change or toward")
        aim = named[wish.improve]
        spoken = {wish.improve, *wish.give}
        kept = [task for task in wish.protect or (named if wish.give else ()) if task not in spoken]
        return {
            "improve": aim if wish.by is None else {aim: wish.by},
            "give_up": {named[task]: by for task, by in wish.give.items()} or None,
            "protect": [named[task] for task in kept],
        }

    def _named(self, unit: Unit) -> dict[str, str]:
        """The navigator's names of what the tasks are measured by."""
        names = self.navigator.tasks if unit == "loss" else self.navigator.metric_names
        return dict(zip(self.problem.tasks, names, strict=True))

    def _values(self, point: Point) -> NDArray[np.float64]:
        """The metric (task, query) of a point; measured again where it came from a file."""
        model = copy.deepcopy(self.problem.ranker.model)
        model.load_state_dict({**model.state_dict(), **self.navigator.parameters(point)})
        return self._measured(model)

    def _path(self, point: Point) -> list[Point]:
        """From the first point to this one."""
        path = [point]
        while path[-1].parent is not None:
            path.append(self.points[path[-1].parent])
        return path[::-1]


def about(folder: str | Path) -> dict[str, Any]:
    """What a saved navigation is of: loss, size of the sample, checksums.

    Raises:
        FileNotFoundError: When there is none.
        ValueError: When the file is damaged.
    """
    path = Path(folder) / ABOUT
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: no saved navigation there (expected {ABOUT})")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: damaged: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path}: not a saved navigation")
    return found


def _about(problem: Problem) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run": problem.name,
        "ranker": digest(dict(problem.ranker.model.named_parameters())),
        "tasks": list(problem.tasks),
        "loss": problem.loss,
        "documents": problem.documents,
        "metric": problem.metric,
    }


def _arguments(
    problem: Problem,
    measured: Measured,
    progress: Callable[[str], None] | None,
) -> dict[str, Any]:
    """What a navigator is made or loaded with, but for its model."""

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
