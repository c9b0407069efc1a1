"""The tree of visited points, with the parameters of each."""

from dataclasses import replace

from torch import Tensor

from ._points import NavigationError, Point


class Tree:
    """Points by number, the parameters θ of each, and which one is current."""

    def __init__(self) -> None:
        self._points: dict[int, Point] = {}
        self._thetas: dict[int, Tensor] = {}
        self._current: int | None = None

    @property
    def current(self) -> Point:
        """The current point.

        Raises:
            RuntimeError: `start` was not called.
        """
        if self._current is None:
            raise RuntimeError("`start` must be called first")
        return self._points[self._current]

    @property
    def points(self) -> tuple[Point, ...]:
        """All points, in order."""
        return tuple(self._points.values())

    @property
    def next_id(self) -> int:
        """Number of the next point."""
        return max(self._points, default=-1) + 1

    def theta(self, point: Point) -> Tensor:
        """Return θ (param,) of a point."""
        return self._thetas[point.id]

    def add(self, point: Point, theta: Tensor) -> None:
        """Add a point and make it the current one."""
        self._points[point.id], self._thetas[point.id] = point, theta
        self._current = point.id

    def find(self, point: Point | int | str) -> Point:
        """Find a point by itself, its number or its name."""
        wanted = point.id if isinstance(point, Point) else point
        for other in self.points:
            if wanted == other.id or (other.name is not None and wanted == other.name):
                return other
        known = [other.id if other.name is None else other.name for other in self.points]
        raise ValueError(f"`point` must be one of {known}, got {wanted!r}")

    def parent(self) -> Point:
        """Return the point that the current one was reached from."""
        if self.current.parent is None:
            raise NavigationError(f"point {self.current.id} is a start: nothing to undo")
        return self._points[self.current.parent]

    def goto(self, point: Point) -> None:
        """Make a point the current one."""
        self._current = point.id

    def name(self, name: str | None) -> Point:
        """Name the current point."""
        name = f"branch {self.current.id}" if name is None else name
        if not isinstance(name, str):
            raise TypeError(f"`name` must be a string, got {name!r}")
        for other in self.points:
            if other.name == name and other.id != self.current.id:
                raise ValueError(f"`name` must be new, got {name!r}, the name of point {other.id}")
        self._points[self.current.id] = replace(self.current, name=name)
        return self.current
