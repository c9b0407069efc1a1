"""Heads: from the hidden state of a document to its scores."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..checks import check_options
from ._experts import MixtureOfExperts


class SharedScore(nn.Module):
    """One linear score for all tasks: (batch, list, hidden) to (batch, list).

    The head of DeepMTL2R: the tasks differ in their losses only, so that one list order serves
    all of them, and the trade-off between the tasks is in the parameters.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return scores of the documents, shape (batch, list)."""
        scores: Tensor = self.linear(hidden)
        return scores.squeeze(-1)

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """Return no parameters: the tasks share the score."""
        return iter(())


class PerTaskScore(nn.Module):
    """A linear score for each task: (batch, list, hidden) to (task, batch, list).

    Hard parameter sharing (Caruana, 1997): the tasks part behind the encoder.

    Examples:
        >>> head = PerTaskScore(8, num_tasks=3)
        >>> head(torch.zeros(2, 5, 8)).shape
        torch.Size([3, 2, 5])
        >>> [parameter.shape for parameter in head.task_parameters(0)]
        [torch.Size([1, 8]), torch.Size([1])]
    """

    def __init__(self, hidden: int, num_tasks: int) -> None:
        super().__init__()
        self.tasks = nn.ModuleList(nn.Linear(hidden, 1) for _ in range(num_tasks))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return scores of the documents, shape (task, batch, list)."""
        # One product for all tasks; a parameter per task, so that each task's own are known.
        weights, biases = zip(*(task.parameters() for task in self.tasks), strict=True)
        return linear(hidden, torch.cat(weights), torch.cat(biases)).movedim(-1, 0)

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """Return the parameters of one task's score, or those of all tasks."""
        return self.tasks.parameters() if task is None else self.tasks[task].parameters()


Head = SharedScore | PerTaskScore | MixtureOfExperts


def make_head(hidden: int, num_tasks: int | None, experts: Mapping[str, int] | None = None) -> Head:
    """Return a head: one score that all tasks share, or one per task, through experts if given.

    Raises:
        ValueError: For experts without scores per task, or unknown options.
    """
    if experts is None:
        return SharedScore(hidden) if num_tasks is None else PerTaskScore(hidden, num_tasks)
    if num_tasks is None:
        raise ValueError("`experts` are for one score per task, got `num_tasks` of None")
    try:
        check_options(MixtureOfExperts, experts)
        return MixtureOfExperts(hidden, num_tasks, **experts)
    except TypeError as error:
        raise ValueError(f"`experts`: {error}") from error
