"""What all rankers have in common: an encoder of the documents, and a head that scores them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .checks import check_sizes
from .feature_layers import FeatureLayer, FeatureLayers
from .heads import Head, make_head
from .members import MemberHead, Members

__all__ = ["Scorer"]


class Scorer(nn.Module, ABC):
    """A network from the features of the documents of a list to their scores.

    ``forward`` is ``score(encode(features, mask))``. What stands at padded positions, NaN included,
    changes nothing, and what comes out there has no meaning. The hidden states that `encode` gives
    are where the tasks part: the ``features`` of `mtl_optim.backward`.

    An architecture hands its arguments to this constructor, has a `head`, and defines `_hidden`.
    Its first layer is as wide as `inputs`, the feature layers of its config, give.

    Args:
        config: The arguments of the architecture's constructor, `num_features` and `num_tasks`
            among them.
    """

    head: Head | MemberHead
    inputs: FeatureLayers
    members: Members | None

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self._config = config
        self.num_features: int = config["num_features"]
        self.num_tasks: int | None = config["num_tasks"]
        check_sizes(num_features=self.num_features)
        if self.num_tasks is not None:
            check_sizes(num_tasks=self.num_tasks)
        self.inputs = FeatureLayers(self.num_features, config.get("feature_layers", ()))
        check_sizes(members=config.get("members", 1))
        self.members = None
        if config.get("members", 1) > 1:
            self.members = Members(self.inputs.width, config["members"])

    def _make_head(self, hidden: int) -> Head | MemberHead:
        """The head of the config, for hidden states of this width."""
        if self.members is None:
            return make_head(hidden, self.num_tasks, self._config.get("experts"))
        return MemberHead(
            hidden, self.num_tasks, self._config["members"], self._config.get("experts")
        )

    def config(self) -> dict[str, Any]:
        """The constructor's arguments: ``type(model)(**model.config())`` has the same shape."""
        return dict(self._config)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws all matrices Xavier-uniform (as allRank and DeepMTL2R) and zeroes the biases."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, FeatureLayer | Members):
                module.reset_parameters(generator)

    def fit_features(self, features: Tensor) -> None:
        """Fits the feature layers to training documents, before the training.

        Args:
            features: (document, feature), transformed as in training.

        Raises:
            ValueError: When a layer needs training documents and there are none, or one has a
                value that is not finite.
        """
        self.inputs.fit(features)

    @abstractmethod
    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """What the feature layers give, (batch, list, width), and a mask to (batch, list, hidden).

        It is finite everywhere.
        """

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
        if features.dim() != 3 or features.shape[-1] != self.num_features:
            raise ValueError(
                f"`features` must be (batch, list, {self.num_features}), "
                f"got {tuple(features.shape)}"
            )
        if mask is not None and mask.dtype != torch.bool:
            raise TypeError(f"`mask` must be bool, True at a document, got {mask.dtype}")
        if mask is not None and mask.shape != features.shape[:2]:
            raise ValueError(
                f"`mask` must be (batch, list) = {tuple(features.shape[:2])}, "
                f"got {tuple(mask.shape)}"
            )
        if mask is not None and _all_documents(mask):
            mask = None
        if mask is not None:
            # A masked key has the weight 0, but 0 times NaN is NaN.
            features = features.masked_fill(~mask[..., None], 0.0)
        inputs = self.inputs(features)
        if self.members is None:
            return self._hidden(inputs, mask)
        spread, repeated = self.members.spread(inputs), self.members.repeat(mask)
        return self.members.gather(self._hidden(spread, repeated))

    def score(self, hidden: Tensor) -> Tensor:
        """Scores of hidden states (batch, list, hidden).

        Returns:
            (batch, list), or (task, batch, list) where each task has a score of its own.
        """
        scores: Tensor = self.head(hidden)
        return scores

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores (batch, list) or (task, batch, list); at padded positions without meaning."""
        return self.score(self.encode(features, mask))

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that all tasks share; every one, where they share one score."""
        own = {id(parameter) for parameter in self.task_parameters()}
        return (parameter for parameter in self.parameters() if id(parameter) not in own)

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """The parameters of one task alone, or of all tasks; none, where they share one score."""
        return self.head.task_parameters(task)


def _all_documents(mask: Tensor) -> bool:
    # Looking costs nothing on the CPU; it would wait for a GPU and break a graph.
    if mask.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return bool(mask.all())
