"""A task that a method treats apart from the others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ._bases import Method
from ._checks import check_count


class HoldsMain(Method):
    """Mixin of a method with a main task, named by its place. Name it before the kind.

    `main` is None in a step in which that task is absent.
    """

    def __init__(self, main: int) -> None:
        super().__init__()
        self.main: int | None = check_count("main", main, 0)

    @contextmanager
    def among(self, present: Sequence[int], tasks: int) -> Iterator[None]:
        """Show the place of the main task among those present."""
        self.check_main(tasks)
        whole = self.main
        self.main = {task: i for i, task in enumerate(present)}.get(-1 if whole is None else whole)
        try:
            with super().among(present, tasks):
                yield
        finally:
            self.main = whole

    def check_main(self, tasks: int) -> None:
        """Raise unless there is a main task."""
        if self.main is not None and self.main >= tasks:
            raise ValueError(f"`main` must be one of {tasks} tasks, got {self.main}")
