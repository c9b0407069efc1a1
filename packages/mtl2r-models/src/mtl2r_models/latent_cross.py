"""Documents by themselves, times what their list makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .attention import attention_mask
from .checks import check_dropout, check_sizes
from .dropout import ReLUDropout
from .layers import TransformerBlock
from .products import Linear
from .scorer import Scorer

__all__ = ["LatentCross"]


class LatentCross(Scorer):
    r"""A multilayer perceptron of each document, crossed with its context in the list.

    .. math:: h = (1 + a(x)) \odot m(x), \quad s = \mathrm{head}(h)

    where m is a perceptron of a document's own features and a are transformer blocks over all
    documents of the list, as in the DASALC of Qin et al. (2021), "Are Neural Rankers still
    Outperformed by Gradient Boosted Decision Trees?", section 4.3, equation 5. At a = 0 it is an
    `MLPScorer`: the context corrects a document's score rather than making it.

    The last linear layer of a begins at 0, so that training starts there. Layer norm stands where
    DASALC has batch norm, which would make a document's score depend on other lists.

    Args:
        num_features: Inputs per document.
        hidden: Width of both parts.
        layers: Layers of the perceptron m.
        blocks: Transformer blocks of the context a.
        heads: Attention heads per block.
        feedforward: Width of the blocks' feed-forward networks.
        dropout: Dropout probability in both parts.
        feature_layers: What stands before the first layer, see `mtl2r_models.feature_layers`.
        members: Members of an ensemble that share the network, see `mtl2r_models.members`.
        experts: Options of the `mtl2r_models.experts.MixtureOfExperts` that scores each task;
            None has a linear score each.
        num_tasks: This many scores, one per task; None for one score that all tasks share.
        generator: Draws the initial weights; None takes torch's default generator.

    Raises:
        ValueError: For a size below 1, a dropout outside [0, 1), or `heads` not dividing `hidden`.
        TypeError: For a size that is no int.

    Examples:
        >>> ranker = LatentCross(132, hidden=64, heads=2)
        >>> ranker(torch.zeros(2, 3, 132)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_features: int,
        *,
        hidden: int = 128,
        layers: int = 2,
        blocks: int = 2,
        heads: int = 4,
        feedforward: int = 256,
        dropout: float = 0.3,
        feature_layers: Sequence[Mapping[str, Any]] = (),
        members: int = 1,
        experts: Mapping[str, int] | None = None,
        num_tasks: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        check_sizes(hidden=hidden, layers=layers, blocks=blocks, heads=heads)
        check_sizes(feedforward=feedforward)
        check_dropout(dropout)
        config = {
            "num_features": num_features,
            "hidden": hidden,
            "layers": layers,
            "blocks": blocks,
            "heads": heads,
            "feedforward": feedforward,
            "dropout": dropout,
            "feature_layers": [dict(layer) for layer in feature_layers],
            "members": members,
            "experts": None if experts is None else dict(experts),
            "num_tasks": num_tasks,
        }
        super().__init__(config)
        widths = [self.inputs.width, *[hidden] * layers]
        self.item = nn.Sequential(
            *(
                part
                for before in widths[:-1]
                for part in (Linear(before, hidden), nn.LayerNorm(hidden), ReLUDropout(dropout))
            )
        )
        self.input = Linear(self.inputs.width, hidden)
        self.blocks = nn.ModuleList(
            TransformerBlock(hidden, heads, feedforward, dropout=dropout) for _ in range(blocks)
        )
        self.context_norm = nn.LayerNorm(hidden)
        self.context = Linear(hidden, hidden)
        self.head = self._make_head(hidden)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws the weights; the context's last layer is 0."""
        super().reset_parameters(generator)
        nn.init.zeros_(self.context.weight)

    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        context: Tensor = self.input(inputs)
        attend = None if mask is None else attention_mask(mask)
        for block in self.blocks:
            context = block(context, attend)
        crossed: Tensor = (1 + self.context(self.context_norm(context))) * self.item(inputs)
        return crossed
