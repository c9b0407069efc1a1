"""The baseline that looks at one document at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .checks import check_dropout, check_sizes
from .dropout import ReLUDropout
from .products import Linear
from .scorer import Scorer

__all__ = ["MLPScorer"]


class MLPScorer(Scorer):
    r"""Univariate ranker: a multilayer perceptron scores each document by its own features.

    .. math:: h_0 = x, \quad h_{i+1} = \mathrm{dropout}(\mathrm{relu}(W_i h_i + b_i)), \quad
        s = \mathrm{head}(h_N)

    The baseline of rankers that see the list: a document's score depends neither on the other
    documents nor on their order.

    Args:
        num_features: Inputs per document.
        hidden: Widths of the hidden layers.
        dropout: Dropout probability behind each of them.
        feature_layers: What stands before the first layer, see `mtl2r_models.feature_layers`.
        members: Members of an ensemble that share the network, see `mtl2r_models.members`.
        experts: Options of the `mtl2r_models.experts.MixtureOfExperts` that scores each task;
            None has a linear score each.
        num_tasks: This many scores, one per task; None for one score that all tasks share.
        generator: Draws the initial weights; None takes torch's default generator.

    Raises:
        ValueError: For no hidden layer, a size below 1 or a dropout outside [0, 1).
        TypeError: For a size that is no int.

    Examples:
        >>> ranker = MLPScorer(132, hidden=(64, 32))
        >>> sum(p.numel() for p in ranker.parameters())
        10625
        >>> ranker(torch.zeros(2, 3, 132)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_features: int,
        *,
        hidden: Sequence[int] = (512, 256, 128),
        dropout: float = 0.3,
        feature_layers: Sequence[Mapping[str, Any]] = (),
        members: int = 1,
        experts: Mapping[str, int] | None = None,
        num_tasks: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        if not hidden:
            raise ValueError("`hidden` must name the width of at least one layer, got none")
        for width in hidden:
            check_sizes(hidden=width)
        check_dropout(dropout)
        config = {
            "num_features": num_features,
            "hidden": list(hidden),
            "dropout": dropout,
            "feature_layers": [dict(layer) for layer in feature_layers],
            "members": members,
            "experts": None if experts is None else dict(experts),
            "num_tasks": num_tasks,
        }
        super().__init__(config)
        widths = [self.inputs.width, *hidden]
        layers: list[nn.Module] = []
        for before, after in zip(widths, hidden, strict=False):
            layers += [Linear(before, after), ReLUDropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.head = self._make_head(hidden[-1])
        self.reset_parameters(generator)

    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        hidden: Tensor = self.layers(inputs)
        return hidden
