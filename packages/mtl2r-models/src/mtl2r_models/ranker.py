"""A ranker ready for use: a model together with the transform its features need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltr_data import FeatureTransform

from . import checkpoint

__all__ = ["Ranker"]


class Ranker(nn.Module):
    """Raw features in, scores out; saved and loaded as one folder.

    Args:
        model: Scores (batch, list) from transformed features (batch, list, feature) and a mask,
            e.g. a `ListTransformer`.
        transform: The fitted feature transform, or None where the features are used as they are.
        feature_ids: The columns of the data file (1-based) that are the inputs, in their order.
        tasks: Names of the tasks the model was trained on.
        metadata: Anything JSON can hold that should travel along (label specs, preference, ...).

    Raises:
        ValueError: When `feature_ids` are not as many as the model's inputs.

    Examples:
        >>> from mtl2r_models import ListTransformer
        >>> ranker = Ranker(ListTransformer(3, hidden=8, layers=1, heads=2), feature_ids=(1, 2, 5))
        >>> order = ranker.rank(np.ones((4, 3), dtype=np.float32))
        >>> sorted(order.tolist())
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        transform: FeatureTransform | None = None,
        feature_ids: Sequence[int],
        tasks: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        expected = getattr(model, "num_features", len(feature_ids))
        if len(feature_ids) != expected:
            raise ValueError(
                f"`feature_ids` must name the model's {expected} inputs, got {len(feature_ids)}"
            )
        self.model = model
        self.transform = transform
        self.feature_ids = tuple(int(i) for i in feature_ids)
        self.tasks = tuple(tasks)
        self.metadata: dict[str, Any] = dict(metadata or {})

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores (batch, list) of raw features (batch, list, feature)."""
        if self.transform is not None:
            features = self.transform(features)
        scores: Tensor = self.model(features, mask)
        return scores

    def scores(self, features: NDArray[np.float32] | Tensor) -> Tensor:
        """Scores of the documents of one list.

        Args:
            features: (document, feature) raw inputs, in the order of `feature_ids`.

        Returns:
            (document,) float32 on the model's device; larger is better.

        Raises:
            ValueError: For another shape, or a feature that is not finite.
        """
        values = torch.as_tensor(features, dtype=torch.float32)
        if values.dim() != 2 or values.shape[1] != len(self.feature_ids):
            raise ValueError(
                f"`features` must be (document, {len(self.feature_ids)}), got {tuple(values.shape)}"
            )
        finite = torch.isfinite(values)
        if not finite.all():
            row, column = (int(i) for i in (~finite).nonzero()[0])
            raise ValueError(
                f"`features` must be finite, got {float(values[row, column])} for feature "
                f"{self.feature_ids[column]} of document {row}"
            )
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                device = next(self.parameters()).device
                scored: Tensor = self(values.to(device)[None])[0]
        finally:
            self.train(training)
        return scored

    def rank(self, features: NDArray[np.float32] | Tensor) -> Tensor:
        """Indices of the documents of one list, best first; equal scores keep their order."""
        return torch.argsort(self.scores(features), descending=True, stable=True)

    def save(self, folder: str | Path) -> None:
        """Writes `folder` with config.json and model.safetensors, whole or not at all."""
        checkpoint.save(
            folder,
            model=self.model,
            transform=self.transform,
            state=self.state_dict(),
            description={
                "feature_ids": list(self.feature_ids),
                "tasks": list(self.tasks),
                "metadata": self.metadata,
            },
        )

    @classmethod
    def load(cls, folder: str | Path) -> Ranker:
        """Reads what `save` wrote. No code is run from the file.

        Raises:
            FileNotFoundError: When there is no such folder or one of its files is missing.
            ValueError: When the folder is damaged or holds something else; the message says what.
        """
        model, transform, description, state = checkpoint.load(folder)
        ranker = cls(
            model,
            transform=transform,
            feature_ids=description["feature_ids"],
            tasks=description["tasks"],
            metadata=description["metadata"],
        )
        checkpoint.load_state(ranker, state, folder)
        return ranker.eval()
