"""The transformer over the list: every document sees the others before it is scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .heads import SharedScore
from .layers import AttentionScale, Norm, TransformerBlock, attention_mask

__all__ = ["ListTransformer"]


class ListTransformer(nn.Module):
    r"""Context-aware ranker: linear, N transformer blocks over the documents, one score.

    .. math:: s = \mathrm{head}(\mathrm{encoder}(W x + b)) \in \mathbb{R}^{list}

    There are no positions: permuting the documents permutes the scores. Scores do not depend on
    padding nor on the other lists of the batch. The defaults are the setting of DeepMTL2R's WEB30K
    study (arXiv 2602.14519, section 4; released code): 810,497 parameters on 132 inputs. The
    paper's equation 2 is had by ``norm="post", attention_scale="model"``.

    Args:
        num_features: Inputs per document.
        hidden: Width of the stream.
        layers: Number of transformer blocks.
        heads: Attention heads per block.
        feedforward: Width of the blocks' feed-forward networks.
        dropout: Dropout probability in the blocks.
        norm: ``"pre"`` (with a final layer norm) or ``"post"``.
        attention_scale: ``"head"`` or ``"model"``, see `mtl2r_models.layers.SelfAttention`.
        generator: Draws the initial weights; None takes torch's default generator.

    Raises:
        ValueError: For a size below 1, a dropout outside [0, 1) or `heads` not dividing `hidden`.

    Examples:
        >>> ranker = ListTransformer(132)
        >>> sum(p.numel() for p in ranker.parameters())
        810497
        >>> mask = torch.tensor([[True, True, True], [True, False, False]])
        >>> ranker(torch.zeros(2, 3, 132), mask).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_features: int,
        *,
        hidden: int = 128,
        layers: int = 4,
        heads: int = 4,
        feedforward: int = 512,
        dropout: float = 0.3,
        norm: Norm = "pre",
        attention_scale: AttentionScale = "head",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        sizes = {
            "num_features": num_features,
            "hidden": hidden,
            "layers": layers,
            "heads": heads,
            "feedforward": feedforward,
        }
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"`{name}` must be at least 1, got {size}")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"`dropout` must be in [0, 1), got {dropout}")
        self._config: dict[str, Any] = {
            **sizes,
            "dropout": dropout,
            "norm": norm,
            "attention_scale": attention_scale,
        }
        self.num_features = num_features
        self.input = nn.Linear(num_features, hidden)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                hidden,
                heads,
                feedforward,
                dropout=dropout,
                norm=norm,
                attention_scale=attention_scale,
            )
            for _ in range(layers)
        )
        # A post-norm block already ends in a norm.
        self.final_norm = nn.LayerNorm(hidden) if norm == "pre" else nn.Identity()
        self.head = SharedScore(hidden)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws all matrices Xavier-uniform (as allRank and DeepMTL2R) and zeroes the biases."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments: ``ListTransformer(**model.config())`` has the same shape."""
        return dict(self._config)

    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Hidden states of the documents in the context of their list.

        Args:
            features: (batch, list, feature).
            mask: (batch, list) bool, True at a document; None where there is no padding.

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
        attend = None if mask is None else attention_mask(mask)
        hidden: Tensor = self.input(features)
        for block in self.blocks:
            hidden = block(hidden, attend)
        out: Tensor = self.final_norm(hidden)
        return out

    def score(self, hidden: Tensor) -> Tensor:
        """Scores (batch, list) of hidden states (batch, list, hidden)."""
        scores: Tensor = self.head(hidden)
        return scores

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores (batch, list); what stands at padded positions has no meaning."""
        return self.score(self.encode(features, mask))

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that all tasks share: with one score for all tasks, every one."""
        return self.parameters()

    def task_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of single tasks: with one score for all tasks, none."""
        return iter(())
