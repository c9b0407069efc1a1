"""Heads: from the hidden state of a document to its scores."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from ..checks import check_options, check_sizes


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


class MixtureOfExperts(nn.Module):
    r"""A score per task from experts, weighted by a gate per task.

        s_k = w_kᵀ Σ_i g_{k,i}(h) f_i(h) + b_k,
        g_k = softmax(G_k h + c_k),   f_i(h) = relu(V_i h + d_i)

    over the experts that all tasks share and those of task k. With shared experts alone it is the
    MMoE of Ma et al. (2018), "Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts", equations 6 to 8. With experts of the tasks' own it is customized gate
    control, one level of the PLE of Tang et al. (2020), "Progressive Layered Extraction",
    equations 2 to 5: tasks that conflict need not share.

    Args:
        hidden: Width of the hidden states h.
        num_tasks: Number of scores.
        shared: Experts that all tasks share.
        own: Experts of each task alone, for PLE.
        width: Width of an expert's output.

    Raises:
        ValueError: For no experts, a negative number of them, or a width below 1.
        TypeError: When one of these is not an int.

    Examples:
        >>> head = MixtureOfExperts(8, num_tasks=3, shared=4, own=1, width=16)
        >>> head(torch.zeros(2, 5, 8)).shape
        torch.Size([3, 2, 5])
    """

    def __init__(
        self, hidden: int, num_tasks: int, *, shared: int = 4, own: int = 0, width: int = 32
    ) -> None:
        super().__init__()
        check_sizes(0, shared=shared, own=own)
        if shared + own < 1:
            raise ValueError("`shared` or `own` must be at least 1, got 0 and 0")
        check_sizes(width=width)
        self.width = width
        self.shared = nn.Linear(hidden, shared * width) if shared else None
        self.tasks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "gate": nn.Linear(hidden, shared + own),
                    "score": nn.Linear(width, 1),
                    **({"experts": nn.Linear(hidden, own * width)} if own else {}),
                }
            )
            for _ in range(num_tasks)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Return scores of the documents, shape (task, batch, list)."""
        shared = [] if self.shared is None else [self._experts(self.shared, hidden)]
        return torch.stack([self._score(task, hidden, shared) for task in self.tasks])

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """Return the parameters of one task's gate, experts and score, or those of all tasks."""
        return self.tasks.parameters() if task is None else self.tasks[task].parameters()

    def _score(self, task: nn.Module, hidden: Tensor, shared: list[Tensor]) -> Tensor:
        assert isinstance(task, nn.ModuleDict)  # noqa: S101 - made above
        own = [self._experts(task["experts"], hidden)] if "experts" in task else []
        experts = torch.cat([*shared, *own], dim=-2)
        gate = task["gate"](hidden).softmax(dim=-1)
        mixed = (gate[..., None] * experts).sum(dim=-2)
        score: Tensor = task["score"](mixed)
        return score.squeeze(-1)

    def _experts(self, layer: nn.Module, hidden: Tensor) -> Tensor:
        """Map (batch, list, hidden) to (batch, list, expert, width)."""
        out: Tensor = relu(layer(hidden))
        return out.view(*out.shape[:-1], out.shape[-1] // self.width, self.width)


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
