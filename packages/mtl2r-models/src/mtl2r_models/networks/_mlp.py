"""The univariate baseline: one document at a time."""

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor, nn

from ..checks import check_sizes
from ..layers import Linear, ReLUDropout
from ._network import Network, NetworkOptions


class MLPScorer(Network):
    r"""Univariate ranker: a multilayer perceptron scores each document by its own features.

        h_0 = x,   h_{i+1} = dropout(relu(W_i h_i + b_i)),   s = head(h_N)

    The baseline of rankers that see the list: a document's score depends neither on the other
    documents nor on their order.

    Scores depend on: the document.
    Time: n.

    Args:
        num_features: Inputs per document.
        hidden: Widths of the hidden layers.
        dropout: Dropout probability behind each of them.
        options: Those of `Network`: `feature_layers`, `members`, `experts`, `num_tasks` and
            `generator`.

    Raises:
        ValueError: For no hidden layer, a size below 1 or a dropout outside [0, 1).
        TypeError: For a size that is not an int, or an unknown argument.

    Examples:
        >>> import torch
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
        hidden: tuple[int, ...] = (512, 256, 128),
        dropout: float = 0.3,
        **options: Unpack[NetworkOptions],
    ) -> None:
        if isinstance(hidden, str) or not isinstance(hidden, Sequence):
            raise TypeError(f"`hidden` must be the widths of the layers, got {hidden!r}")
        if not hidden:
            raise ValueError("`hidden` must name the width of at least one layer, got none")
        for width in hidden:
            check_sizes(hidden=width)
        super().__init__(num_features, **options)
        self.width = hidden[-1]
        widths = [self.inputs.width, *hidden]
        layers: list[nn.Module] = []
        for before, after in zip(widths, hidden, strict=False):
            layers += [Linear(before, after), ReLUDropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        hidden: Tensor = self.layers(inputs)
        return hidden
