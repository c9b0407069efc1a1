"""The base class of all rankers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import check_sizes
from ._arguments import keeping_arguments


class Scorer(nn.Module, ABC):
    """The base class of rankers: from the features of a list's documents to their scores.

    ``forward`` is ``score(encode(features, mask))``. Values at padded positions, NaN included,
    change nothing; the scores there have no meaning. The hidden states that `encode` gives are
    where the tasks part: the ``features`` of `mtl_optim.backward`.

    A subclass's constructor is called with its arguments kept for `config`. When it ends, the
    initial weights are drawn, by the argument ``generator``.

    Args:
        num_features: Inputs per document.
        num_tasks: This many scores, one per task; None for one score that all tasks share.

    Raises:
        ValueError: For a `num_features` or `num_tasks` below 1.
        TypeError: When one of them is not an int.
    """

    _config: dict[str, Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = keeping_arguments(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, num_features: int, num_tasks: int | None) -> None:
        super().__init__()
        check_sizes(num_features=num_features)
        if num_tasks is not None:
            check_sizes(num_tasks=num_tasks)
        self.num_features = num_features
        self.num_tasks = num_tasks

    def _complete(self) -> None:
        """Add what stands behind the layers that the constructor makes; by default nothing."""

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments: ``type(model)(**model.config())`` is a twin."""
        return dict(self._config)

    @abstractmethod
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the initial weights; None takes torch's default generator."""

    @abstractmethod
    def fit_features(self, features: Tensor) -> None:
        """Fit the feature layers to training documents, before the training.

        Args:
            features: (document, feature), transformed as in training.

        Raises:
            ValueError: When a layer needs training documents and there are none, or when a value is
                not finite.
        """

    @abstractmethod
    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return hidden states of the documents in the context of their list.

        Args:
            features: (batch, list, feature).
            mask: (batch, list) bool, True at a document; None where there is no padding, which is
                faster.

        Returns:
            (batch, list, hidden).

        Raises:
            ValueError: For another number of features, or a mask of another shape.
            TypeError: When the mask is not bool.
        """

    @abstractmethod
    def score(self, hidden: Tensor) -> Tensor:
        """Return scores of hidden states (batch, list, hidden).

        Returns:
            (batch, list), or (task, batch, list) where each task has a score of its own.
        """

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return scores (batch, list) or (task, batch, list); without meaning where padded."""
        return self.score(self.encode(features, mask))

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """Return the parameters that all tasks share; all, where the tasks share a score."""
        own = {id(parameter) for parameter in self.task_parameters()}
        return (parameter for parameter in self.parameters() if id(parameter) not in own)

    @abstractmethod
    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """Return the parameters of one task alone, or of all tasks; none if they share a score."""
