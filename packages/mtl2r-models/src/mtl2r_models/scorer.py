"""What all rankers have in common, whatever gives their scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .checks import check_sizes

__all__ = ["Scorer"]


class Scorer(nn.Module, ABC):
    """From the features of the documents of a list to their scores.

    ``forward`` is ``score(encode(features, mask))``. What stands at padded positions, NaN included,
    changes nothing, and what comes out there has no meaning. The hidden states that `encode` gives
    are where the tasks part: the ``features`` of `mtl_optim.backward`.

    Args:
        num_features: Inputs per document.
        num_tasks: This many scores, one per task; None for one score that all tasks share.
        own: The other arguments of the class's constructor.

    Raises:
        ValueError: For a `num_features` or `num_tasks` below 1.
        TypeError: When one of them is no int.
    """

    def __init__(self, num_features: int, num_tasks: int | None, **own: Any) -> None:
        super().__init__()
        check_sizes(num_features=num_features)
        if num_tasks is not None:
            check_sizes(num_tasks=num_tasks)
        self.num_features = num_features
        self.num_tasks = num_tasks
        self._config = {"num_features": num_features, **own, "num_tasks": num_tasks}

    def config(self) -> dict[str, Any]:
        """The constructor's arguments: ``type(model)(**model.config())`` has the same shape."""
        return dict(self._config)

    @abstractmethod
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws the initial weights; None takes torch's default generator."""

    @abstractmethod
    def fit_features(self, features: Tensor) -> None:
        """Fits the feature layers to training documents, before the training.

        Args:
            features: (document, feature), transformed as in training.

        Raises:
            ValueError: When a layer needs training documents and there are none, or one has a
                value that is not finite.
        """

    @abstractmethod
    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Hidden states of the documents in the context of their list.

        Args:
            features: (batch, list, feature).
            mask: (batch, list) bool, True at a document; None where there is no padding, which is
                the faster way.

        Returns:
            (batch, list, hidden).

        Raises:
            ValueError: When the number of features or the mask's shape does not fit.
            TypeError: When the mask is not bool.
        """

    @abstractmethod
    def score(self, hidden: Tensor) -> Tensor:
        """Scores of hidden states (batch, list, hidden).

        Returns:
            (batch, list), or (task, batch, list) where each task has a score of its own.
        """

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores (batch, list) or (task, batch, list); at padded positions without meaning."""
        return self.score(self.encode(features, mask))

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that all tasks share; every one, where they share one score."""
        own = {id(parameter) for parameter in self.task_parameters()}
        return (parameter for parameter in self.parameters() if id(parameter) not in own)

    @abstractmethod
    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """The parameters of one task alone, or of all tasks; none, where they share one score."""
