"""What turns the hidden state of a document into scores."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SharedScore"]


class SharedScore(nn.Module):
    """One linear score for all tasks: (batch, list, hidden) to (batch, list).

    The head of DeepMTL2R: the tasks differ in their losses only, so that one list order serves
    all of them, and the trade-off between the tasks is in the parameters.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores of the documents, shape (batch, list)."""
        scores: Tensor = self.linear(hidden)
        return scores.squeeze(-1)
