"""An ensemble in one network: its members share all but a scale of the inputs and a head."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ._heads import Head, make_head


class Members(nn.Module):
    r"""Scales the inputs differently for every member: x ⊙ r_m.

    The vectors r_m are learned and begin as random signs, so that the members see the shared trunk
    from different sides and differ from the first step on. TabM-mini of Gorishniy et al. (2025),
    "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling", section 3.3, after
    BatchEnsemble (Wen et al., 2020).

    Each input has a sign of its own, also where feature layers made several of one feature; the
    authors' code gives all of these the same.

    Args:
        width: Inputs per document.
        members: Number of members.

    Examples:
        >>> members = Members(3, members=4)
        >>> members.spread(torch.zeros(2, 5, 3)).shape
        torch.Size([8, 5, 3])
        >>> members.gather(torch.zeros(8, 5, 16)).shape
        torch.Size([2, 5, 64])
    """

    def __init__(self, width: int, members: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(members, width))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw random signs."""
        with torch.no_grad():
            self.scale.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)

    def spread(self, inputs: Tensor) -> Tensor:
        """Map (batch, list, width) to (member × batch, list, width)."""
        return (inputs * self.scale[:, None, None, :]).flatten(0, 1)

    def repeat(self, mask: Tensor | None) -> Tensor | None:
        """Map (batch, list) to (member × batch, list)."""
        return None if mask is None else mask.repeat(len(self.scale), 1)

    def gather(self, hidden: Tensor) -> Tensor:
        """Map (member × batch, list, hidden) to (batch, list, member × hidden)."""
        members = len(self.scale)
        parts = hidden.view(members, hidden.shape[0] // members, *hidden.shape[1:])
        return parts.movedim(0, -2).flatten(-2)


class MemberHead(nn.Module):
    """A head for each member; their mean in evaluation, each by itself in training.

    In training the scores are (member, task, batch, list), or (member, 1, batch, list) where the
    tasks share one score, so that each member has a loss of its own: to train the mean instead
    would let the members lean on each other (Gorishniy et al., 2025).

    Args:
        hidden: Width of one member's hidden state.
        num_tasks: As in `make_head`.
        members: Number of members.
        experts: As in `make_head`.

    Examples:
        >>> head = MemberHead(8, None, members=4)
        >>> hidden = torch.zeros(2, 5, 4 * 8)
        >>> head(hidden).shape, head.eval()(hidden).shape
        (torch.Size([4, 1, 2, 5]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        hidden: int,
        num_tasks: int | None,
        members: int,
        experts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.shared = num_tasks is None
        self.heads = nn.ModuleList(make_head(hidden, num_tasks, experts) for _ in range(members))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return scores of (batch, list, member × hidden)."""
        parts = hidden.chunk(len(self.heads), dim=-1)
        scores = torch.stack([head(part) for head, part in zip(self.heads, parts, strict=True)])
        if not self.training:
            return scores.mean(dim=0)
        return scores[:, None] if self.shared else scores

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """Return the parameters of one task's scores, or those of all tasks."""
        for head in self.heads:
            assert isinstance(head, Head)  # noqa: S101 - `make_head` made it
            yield from head.task_parameters(task)
